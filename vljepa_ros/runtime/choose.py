# SPDX-License-Identifier: Apache-2.0
"""Which backend runs a bundle, and why.

``auto`` takes TensorRT, or else TensorRT-RTX, if the machine has all of it, and ONNX Runtime if
the driver, a package or an engine is missing. What is there and wrong, such as an engine that
others could have written, is an error: a robot that is suddenly fifty times slower has a fault
that nobody sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from vljepa_ros.runtime.backend import ONNXRUNTIME, Backend
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.onnx_backend import OnnxBackend
from vljepa_ros.runtime.tensorrt.library import LIBRARIES
from vljepa_ros.runtime.tensorrt.tensorrt_backend import EngineOptions, TensorRTBackend
from vljepa_ros.runtime.tensorrt.tensorrt_errors import (
    MissingPackage,
    NoDriver,
    TensorRTError,
    UnusablePlan,
)


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
        TensorRTError: a library of NVIDIA's was asked for and is not there, or an engine must not
            be used.
        BackendError: the GPU has too little memory, or refuses.
    """
    if name == ONNXRUNTIME:
        return Chosen(OnnxBackend(bundle, threads), "onnxruntime was asked for")
    if name in LIBRARIES:
        return Chosen(TensorRTBackend(bundle, engines, LIBRARIES[name]), f"{name} was asked for")
    refusals: dict[str, TensorRTError] = {}
    for library in LIBRARIES.values():
        try:
            backend = TensorRTBackend(bundle, engines, library)
        except (NoDriver, MissingPackage, UnusablePlan) as error:
            refusals[library.title] = error
            continue
        reason = f"auto chose {library.backend}: there are engines for {backend.gpu.name}"
        return Chosen(backend, reason)
    reason = f"auto chose onnxruntime, because {_why(refusals)}"
    return Chosen(OnnxBackend(bundle, threads), reason)


def _why(refusals: Mapping[str, TensorRTError]) -> str:
    """Say why no library can be used: of those that are there, or else of the first."""
    there = {t: e for t, e in refusals.items() if not isinstance(e, (NoDriver, MissingPackage))}
    told = there or dict([next(iter(refusals.items()))])
    return "; ".join(f"{title} cannot be used: {error}" for title, error in told.items())
