# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's two libraries with one interface: TensorRT and TensorRT-RTX.

TensorRT times kernels on the GPU that it builds on, so an engine belongs to that kind of GPU.
TensorRT-RTX builds for a compute capability, on any machine, and compiles the kernels when an
engine is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from vljepa_ros.runtime.backend import AUTO, TENSORRT, TENSORRT_RTX
from vljepa_ros.runtime.tensorrt.driver import Gpu, gpu_of_capability
from vljepa_ros.runtime.tensorrt.packages import import_package
from vljepa_ros.runtime.tensorrt.tensorrt_errors import MissingPackage


@dataclass(frozen=True)
class Library:
    """One of the two.

    Attributes:
        backend: name of the backend that runs its engines, and of the Python module.
        title: what NVIDIA calls it.
        portable: its engines run on every GPU of a compute capability.
    """

    backend: str
    title: str
    portable: bool

    def load(self) -> Any:
        """Import the module.

        Raises:
            MissingPackage: it is not installed, or what it is linked to is not.
        """
        return import_package(self.backend)

    def target(self, gpu: Gpu) -> Gpu:
        """Return what an engine depends on of a GPU and its driver."""
        return gpu_of_capability(gpu.compute_capability) if self.portable else gpu


LIBRARIES: Mapping[str, Library] = MappingProxyType(
    {
        TENSORRT: Library(TENSORRT, "TensorRT", portable=False),
        TENSORRT_RTX: Library(TENSORRT_RTX, "TensorRT-RTX", portable=True),
    }
)
"""By the name of the backend, in the order in which ``auto`` tries them."""


def library_of(backend: str) -> Library:
    """Return the library of a backend; for ``auto`` the first that is installed.

    Raises:
        MissingPackage: none is installed; the error is that of the first.
    """
    if backend != AUTO:
        return LIBRARIES[backend]
    refusals = []
    for library in LIBRARIES.values():
        try:
            library.load()
        except MissingPackage as error:
            refusals.append(error)
        else:
            return library
    raise refusals[0]
