# SPDX-License-Identifier: Apache-2.0
"""The driver is asked first, and a machine without one gets a sentence instead of a crash."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.driver_stub import build_driver
from vljepa_ros.runtime.tensorrt.driver import Gpu, probe_gpu
from vljepa_ros.runtime.tensorrt.packages import import_package
from vljepa_ros.runtime.tensorrt.tensorrt_errors import MissingPackage, NoDriver

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@needs_compiler
def test_the_gpu_is_described(tmp_path: Path) -> None:
    library = build_driver(tmp_path)
    assert probe_gpu(str(library)) == Gpu("Orin", "8.7", 8000, "12.6", 8)


def test_no_driver_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(NoDriver, match="no NVIDIA driver.*docs/jetson.md.*onnxruntime"):
        probe_gpu(str(tmp_path / "libcuda.so.1"))


@needs_compiler
def test_a_driver_without_a_gpu_is_named_by_its_error(tmp_path: Path) -> None:
    library = build_driver(tmp_path, status=100)
    with pytest.raises(NoDriver, match=r"cuInit \(CUDA_ERROR_NO_DEVICE, error 100\)"):
        probe_gpu(str(library))


@needs_compiler
def test_an_error_without_a_name_keeps_its_number(tmp_path: Path) -> None:
    library = build_driver(tmp_path, status=34)
    with pytest.raises(NoDriver, match=r"cuInit \(error 34\)"):
        probe_gpu(str(library))


@needs_compiler
def test_a_library_that_is_no_whole_driver_is_refused(tmp_path: Path) -> None:
    library = build_driver(tmp_path, old=True)
    with pytest.raises(NoDriver, match="has no cuDeviceGet"):
        probe_gpu(str(library))


def test_a_missing_package_is_named_with_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pycuda.driver", None)
    with pytest.raises(MissingPackage, match="package pycuda .*docs/jetson.md") as raised:
        import_package("pycuda.driver")
    assert raised.value.package == "pycuda"
