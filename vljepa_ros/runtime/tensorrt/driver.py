# SPDX-License-Identifier: Apache-2.0
"""Asks the NVIDIA driver for its GPU, before anything else of CUDA is touched.

Without a driver ``tensorrt.Runtime`` looks valid and crashes the process when it reads an engine;
no exception can be caught. So the driver is called here first, with ctypes alone, and whoever has
a :class:`Gpu` in hand knows that it works.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from vljepa_ros.runtime.tensorrt.tensorrt_errors import NoDriver

_DRIVER = "libcuda.so.1"
_INSTALL = (
    "install JetPack (docs/jetson.md) or an NVIDIA driver (docs/gpu.md), "
    "or use the backend onnxruntime"
)
# CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, ..._MINOR and ..._MULTIPROCESSOR_COUNT
_MAJOR, _MINOR, _MULTIPROCESSORS = 75, 76, 16
_LONGEST_NAME = 256
_ANY = "any"
_SMALLEST_MB = 4000  # a build for a GPU that is not here leaves room for one of this memory


@dataclass(frozen=True)
class Gpu:
    """The first GPU of this machine, and the newest CUDA that its driver knows.

    ``compute_capability`` is such as "8.7", ``memory_mb`` counts 10^6 bytes, which a Jetson's GPU
    shares with the CPU. Every Orin calls itself "Orin"; ``multiprocessors`` tells large ones from
    small ones, and a power mode that switches some of them off from the others.
    """

    name: str
    compute_capability: str
    memory_mb: int
    cuda: str
    multiprocessors: int

    @property
    def device(self) -> str:
        """What tells it from others of its compute capability."""
        several = f" with {self.multiprocessors} multiprocessors" if self.multiprocessors else ""
        return f"{self.name}{several}"


def gpu_of_capability(compute_capability: str) -> Gpu:
    """Return any GPU of a compute capability such as "8.9"; this machine need not have one."""
    return Gpu(_ANY, compute_capability, _SMALLEST_MB, _ANY, multiprocessors=0)


def probe_gpu(library: str = _DRIVER) -> Gpu:
    """Start the driver and describe its first GPU.

    Args:
        library: name or path of the driver's library.

    Raises:
        NoDriver: there is no driver, it does not start, or it has no GPU.
    """
    cuda = _Driver(library)
    device = ctypes.c_int()
    cuda.call("cuInit", 0)
    cuda.call("cuDeviceGet", ctypes.byref(device), 0)
    version = cuda.number("cuDriverGetVersion")
    memory = ctypes.c_size_t()
    cuda.call("cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    name = ctypes.create_string_buffer(_LONGEST_NAME)
    cuda.call("cuDeviceGetName", name, _LONGEST_NAME, device)
    major, minor, multiprocessors = (
        cuda.number("cuDeviceGetAttribute", attribute, device)
        for attribute in (_MAJOR, _MINOR, _MULTIPROCESSORS)
    )
    return Gpu(
        name=name.value.decode("utf-8", "replace"),
        compute_capability=f"{major}.{minor}",
        memory_mb=memory.value // 1_000_000,
        cuda=f"{version // 1000}.{version % 1000 // 10}",
        multiprocessors=multiprocessors,
    )


class _Driver:
    """Calls of the driver's library, each of which must succeed."""

    def __init__(self, library: str) -> None:
        try:
            self._library = ctypes.CDLL(library)
        except OSError as error:
            raise NoDriver(f"there is no NVIDIA driver ({error})", _INSTALL) from error

    def call(self, function: str, *arguments: object) -> None:
        try:
            status = getattr(self._library, function)(*arguments)
        except AttributeError as error:
            raise NoDriver(f"the NVIDIA driver has no {function}", _INSTALL) from error
        if status:
            cause = f"the NVIDIA driver refuses {function} ({self._name_of(status)})"
            raise NoDriver(cause, _INSTALL)

    def number(self, function: str, *arguments: object) -> int:
        """Call a function whose first argument points to an int that it fills in."""
        value = ctypes.c_int()
        self.call(function, ctypes.byref(value), *arguments)
        return value.value

    def _name_of(self, status: int) -> str:
        text = ctypes.c_char_p()
        known = getattr(self._library, "cuGetErrorName", None)
        if known is not None and known(status, ctypes.byref(text)) == 0 and text.value:
            return f"{text.value.decode('utf-8', 'replace')}, error {status}"
        return f"error {status}"
