# SPDX-License-Identifier: Apache-2.0
"""Which backend runs a bundle, and why.

``auto`` takes TensorRT if the machine has all of it, and ONNX Runtime if the driver, a package or
an engine is missing. What is there and wrong, such as an engine that others could have written, is
an error: a robot that is suddenly fifty times slower has a fault that nobody sees.
"""

from __future__ import annotations

from typing import NamedTuple

from vljepa_ros.runtime.backend import ONNXRUNTIME, TENSORRT, Backend
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.onnx_backend import OnnxBackend
from vljepa_ros.runtime.tensorrt.tensorrt_backend import EngineOptions, TensorRTBackend
from vljepa_ros.runtime.tensorrt.tensorrt_errors import MissingPackage, NoDriver, UnusablePlan


class Chosen(NamedTuple):
    """A loaded backend, and the sentence that says why it is this one."""

    backend: Backend
    reason: str


def choose_backend(name: str, bundle: Bundle, threads: int, engines: EngineOptions) -> Chosen:
    """Load a backend.

    Args:
        name: one of :data:`.backend.BACKENDS`.
        bundle: what it runs.
        threads: compute threads of ONNX Runtime.
        engines: how TensorRT's engines are found and run.

    Raises:
        BundleError: ONNX Runtime cannot load a graph.
        TensorRTError: TensorRT was asked for and is not there, or an engine must not be used.
        BackendError: the GPU has too little memory, or refuses.
    """
    if name == ONNXRUNTIME:
        return Chosen(OnnxBackend(bundle, threads), "onnxruntime was asked for")
    try:
        backend = TensorRTBackend(bundle, engines)
    except (NoDriver, MissingPackage, UnusablePlan) as error:
        if name == TENSORRT:
            raise
        reason = f"auto chose onnxruntime, because TensorRT cannot be used: {error}"
        return Chosen(OnnxBackend(bundle, threads), reason)
    if name == TENSORRT:
        return Chosen(backend, "tensorrt was asked for")
    return Chosen(backend, f"auto chose tensorrt: there are engines for {backend.gpu.name}")
