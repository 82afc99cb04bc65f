# SPDX-License-Identifier: Apache-2.0
"""Puts the fake GPU and the libraries over it in the place of NVIDIA's, for one test."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support import fake_cuda_bindings, fake_gpu, fake_pycuda, fake_tensorrt, fake_tensorrt_rtx
from support.driver_stub import LIBRARY
from support.fake_gpu import FakeGpu

MODULES = {
    "tensorrt": fake_tensorrt,
    "tensorrt_rtx": fake_tensorrt_rtx,
    "pycuda": ModuleType("pycuda"),
    "pycuda.driver": fake_pycuda,
    "cuda": ModuleType("cuda"),
    "cuda.bindings": ModuleType("cuda.bindings"),
    "cuda.bindings.runtime": fake_cuda_bindings,
}


def install(
    patch: pytest.MonkeyPatch,
    driver: Path | None,
    *,
    gpu: FakeGpu | None = None,
    version: str = "10.3.0",
) -> FakeGpu:
    """Make this process look like a machine with a GPU until ``patch`` is undone.

    Args:
        patch: undoes everything.
        driver: what ``libcuda.so.1`` is, see :func:`support.driver_stub.build_driver`; None is a
            machine without a driver.
        gpu: the GPU; a new one with 1 GiB by default.
        version: of TensorRT, or of TensorRT-RTX if it begins with 1; the other is not installed.
    """
    gpu = gpu or FakeGpu(works=driver is not None)
    patch.setattr(fake_gpu, "gpu", gpu)
    be_release(patch, version)
    for name, module in MODULES.items():
        patch.setitem(sys.modules, name, module)
    patch.setitem(sys.modules, "tensorrt" if is_rtx(version) else "tensorrt_rtx", None)
    for name in ("pycuda.driver", "cuda.bindings", "cuda.bindings.runtime"):
        parent, _, child = name.rpartition(".")
        patch.setattr(MODULES[parent], child, MODULES[name], raising=False)
    patch.setattr(ctypes, "CDLL", _libraries_with(driver))
    return gpu


def be_release(patch: pytest.MonkeyPatch, version: str) -> None:
    """Make both fakes that release until ``patch`` is undone."""
    for name in ("__version__", "NetworkDefinitionCreationFlag"):
        patch.setattr(fake_tensorrt, name, getattr(fake_tensorrt, name))
    fake_tensorrt.use_version(version)


def is_rtx(version: str) -> bool:
    """Whether a release is one of TensorRT-RTX, whose numbers began anew."""
    return version.startswith("1.")


def remove(patch: pytest.MonkeyPatch, package: str) -> None:
    """Make a package of NVIDIA's look as if it were not installed."""
    for name in MODULES:
        if name == package or name.startswith(package + "."):
            patch.setitem(sys.modules, name, None)


def _libraries_with(driver: Path | None) -> Any:
    real = ctypes.CDLL

    def load(name: str | None, *args: Any, **kwargs: Any) -> ctypes.CDLL:
        if name != LIBRARY:
            return real(name, *args, **kwargs)
        if driver is None:
            raise OSError(f"{LIBRARY}: cannot open shared object file: No such file or directory")
        return real(str(driver), *args, **kwargs)

    return load
