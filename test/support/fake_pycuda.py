# SPDX-License-Identifier: Apache-2.0
"""A `pycuda.driver` over the fake GPU, with the names, signatures and errors of the real one.

Only what vljepa_ros uses is there. test_bindings.py compares it with the sources of pycuda.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from support import fake_gpu
from support.fake_gpu import CudaFailure, FakeGpu

_Call = TypeVar("_Call", bound=Callable[..., Any])


class Error(Exception):
    """Base of the errors; the real ones carry a text alone, too."""


class MemoryError(Error):
    """There is not enough memory."""


class LogicError(Error):
    """Everything else, an illegal address in a kernel as well."""


class LaunchError(Error):
    """A kernel failed."""


class RuntimeError(Error):
    """There is no device."""


_ERRORS = {
    fake_gpu.OUT_OF_MEMORY: MemoryError,
    fake_gpu.LAUNCH_FAILED: LaunchError,
    fake_gpu.NO_DEVICE: RuntimeError,
    fake_gpu.UNKNOWN: Error,
}


def _translated(call: _Call) -> _Call:
    @functools.wraps(call)
    def inner(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except CudaFailure as failure:
            raise _ERRORS.get(failure.code, LogicError)(str(failure)) from None

    return inner  # type: ignore[return-value]


class ctx_flags:
    SCHED_AUTO, SCHED_BLOCKING_SYNC = 0, 4


class event_flags:
    DEFAULT, BLOCKING_SYNC, DISABLE_TIMING = 0, 1, 2


class host_alloc_flags:
    PORTABLE, DEVICEMAP, WRITECOMBINED = 1, 2, 4


@_translated
def init(flags: int = 0) -> None:
    gpu = fake_gpu.current()
    gpu.enter("cuInit", context=False)
    gpu.initialized = True


class Device:
    def __init__(self, index: int) -> None:
        _enter("cuDeviceGet", context=False)
        if index:
            raise LogicError("cuDeviceGet failed: invalid device ordinal")

    @staticmethod
    def count() -> int:
        _enter("cuDeviceGetCount", context=False)
        return 1

    def name(self) -> str:
        return "Fake GPU"

    def compute_capability(self) -> tuple[int, int]:
        return fake_gpu.current().capability

    def total_memory(self) -> int:
        return fake_gpu.current().memory

    def retain_primary_context(self) -> Context:
        gpu = _enter("cuDevicePrimaryCtxRetain", context=False)
        gpu.retained += 1
        return Context(gpu)


class Context:
    def __init__(self, gpu: FakeGpu) -> None:
        self._gpu = gpu
        self._valid = True

    def push(self) -> None:
        _enter("cuCtxPushCurrent", context=False)
        self._gpu.push()

    @staticmethod
    @_translated
    def pop() -> None:
        fake_gpu.current().pop()

    @_translated
    def detach(self) -> None:
        if not self._valid:
            raise CudaFailure("context::detach", fake_gpu.INVALID_CONTEXT)
        self._valid = False
        self._gpu.retained -= 1

    @staticmethod
    @_translated
    def synchronize() -> None:
        gpu = _enter("cuCtxSynchronize")
        for stream in gpu._streams:
            gpu.finish(stream, wait="context")


class Stream:
    def __init__(self, flags: int = 0) -> None:
        self._gpu = _enter("cuStreamCreate")
        self.handle = self._gpu.new_stream()

    @_translated
    def synchronize(self) -> None:
        _enter("cuStreamSynchronize").finish(self.handle, wait="spinning")

    @_translated
    def is_done(self) -> bool:
        _enter("cuStreamQuery")
        return not self._gpu._streams[self.handle]

    def wait_for_event(self, event: Event) -> None:
        self._gpu.enqueue(self.handle, event._wait_on_device)


class Event:
    def __init__(self, flags: int = 0) -> None:
        _enter("cuEventCreate")
        self._blocking = bool(flags & event_flags.BLOCKING_SYNC)
        self._recorded: tuple[int, int] | None = None

    @_translated
    def record(self, stream: Stream | None = None) -> Event:
        gpu = _enter("cuEventRecord")
        handle = _handle(stream)
        self._recorded = handle, gpu.position(handle)
        return self

    @_translated
    def synchronize(self) -> Event:
        gpu = _enter("cuEventSynchronize")
        if self._recorded is not None:
            gpu.finish(*self._recorded, wait="blocking" if self._blocking else "spinning")
        return self

    @_translated
    def query(self) -> bool:
        gpu = _enter("cuEventQuery")
        return self._recorded is None or gpu._done[self._recorded[0]] >= self._recorded[1]

    def _wait_on_device(self) -> None:
        if self._recorded is not None:
            fake_gpu.current().finish(*self._recorded, wait="device")


class DeviceAllocation:
    def __init__(self, address: int, gpu: FakeGpu) -> None:
        self._address = address
        self._give_back = weakref.finalize(self, gpu.free, address)
        self._give_back.atexit = False

    def __int__(self) -> int:
        return self._address

    def __index__(self) -> int:
        return self._address

    @_translated
    def free(self) -> None:
        if not self._give_back.alive:
            raise CudaFailure("device_allocation::free", fake_gpu.INVALID_HANDLE)
        self._give_back()


class PagelockedHostAllocation:
    """The base of every array of page-locked memory; views keep it alive."""

    def __init__(self, array: NDArray[Any], gpu: FakeGpu) -> None:
        self._array = array
        self.__array_interface__ = array.__array_interface__
        self._address = gpu.pin(array)
        self._give_back = weakref.finalize(self, gpu.unpin, self._address)
        self._give_back.atexit = False

    def get_device_pointer(self) -> int:
        return self._address

    def free(self) -> None:
        self._give_back()


@_translated
def mem_alloc(arg1: int, /) -> DeviceAllocation:
    gpu = _enter("cuMemAlloc")
    return DeviceAllocation(gpu.allocate(arg1), gpu)


@_translated
def mem_get_info() -> tuple[int, int]:
    gpu = _enter("cuMemGetInfo")
    return gpu.memory - gpu.used, gpu.memory


@_translated
def pagelocked_empty(
    shape: Any, dtype: DTypeLike, order: str = "C", mem_flags: int = 0
) -> NDArray[Any]:
    gpu = _enter("cuMemHostAlloc")
    array = np.empty(shape, dtype)
    array.reshape(-1).view(np.uint8)[:] = 0xCD
    return np.asarray(PagelockedHostAllocation(array, gpu))


@_translated
def memcpy_htod(dest: Any, src: Any) -> None:
    gpu = _enter("cuMemcpyHtoD")
    Context.synchronize()
    source = _bytes_of(src)
    gpu.view(int(dest), source.nbytes)[:] = source


@_translated
def memcpy_dtoh(dest: Any, src: Any) -> None:
    gpu = _enter("cuMemcpyDtoH")
    Context.synchronize()
    target = _bytes_of(dest, writable=True)
    target[:] = gpu.view(int(src), target.nbytes)


@_translated
def memcpy_htod_async(dest: Any, src: Any, stream: Stream | None = None) -> None:
    gpu = _enter("cuMemcpyHtoDAsync")
    address, source = int(dest), _bytes_of(src)
    if not gpu.is_pinned(source):
        source = source.copy()  # the driver copies pageable memory before it returns

    def copy() -> None:
        gpu.view(address, source.nbytes)[:] = source

    gpu.enqueue(_handle(stream), copy)


@_translated
def memcpy_dtoh_async(dest: Any, src: Any, stream: Stream | None = None) -> None:
    gpu = _enter("cuMemcpyDtoHAsync")
    address, target = int(src), _bytes_of(dest, writable=True)

    def copy() -> None:
        target[:] = gpu.view(address, target.nbytes)

    gpu.enqueue(_handle(stream), copy)


@_translated
def memcpy_dtod_async(dest: Any, src: Any, size: int, stream: Stream | None = None) -> None:
    gpu = _enter("cuMemcpyDtoDAsync")
    to, origin = int(dest), int(src)

    def copy() -> None:
        gpu.view(to, size)[:] = gpu.view(origin, size)

    gpu.enqueue(_handle(stream), copy)


@_translated
def _enter(routine: str, *, context: bool = True) -> FakeGpu:
    gpu = fake_gpu.current()
    if not gpu.initialized and routine != "cuInit":
        raise CudaFailure(routine, fake_gpu.NOT_INITIALIZED)
    gpu.enter(routine, context=context)
    return gpu


def _handle(stream: Stream | None) -> int:
    return 0 if stream is None else stream.handle


def _bytes_of(buffer: Any, *, writable: bool = False) -> NDArray[np.uint8]:
    """Look at a contiguous buffer as bytes; others are refused, as by the real one."""
    array = np.asarray(buffer)
    if not array.flags.c_contiguous and not array.flags.f_contiguous:
        raise BufferError("ndarray is not contiguous")
    if writable and not array.flags.writeable:
        raise BufferError("buffer source array is read-only")
    return array.reshape(-1, order="A").view(np.uint8)
