# SPDX-License-Identifier: Apache-2.0
"""Imports what comes from NVIDIA and is in no requirements file of a robot."""

from __future__ import annotations

import importlib
from typing import Any

from vljepa_ros.runtime.tensorrt.tensorrt_errors import MissingPackage


def import_package(name: str) -> Any:
    """Import ``tensorrt``, ``tensorrt_rtx``, ``pycuda.driver`` or a module of ``cuda.bindings``.

    Only after :func:`~vljepa_ros.runtime.tensorrt.driver.probe_gpu`: without a driver TensorRT
    hands out objects that end the process when they are used. TensorRT-RTX builds without one.

    Raises:
        MissingPackage: it is not installed, or what it is linked to is not.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise MissingPackage(
            package,
            f"the Python package {package} cannot be imported ({error})",
            "install it as docs/jetson.md says for your JetPack, or docs/gpu.md for a PC, "
            "or use the backend onnxruntime",
        ) from error
