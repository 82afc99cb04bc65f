# SPDX-License-Identifier: Apache-2.0
"""The few calls of CUDA that running engines needs, through pycuda.

Everything happens on the thread that made the :class:`Cuda`, in the primary context, which is the
one that TensorRT uses. Nothing spins: the thread sleeps on an event until the GPU is done.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vljepa_ros.runtime.backend import BackendError, DeviceLostError, OutOfMemoryError
from vljepa_ros.runtime.tensorrt.packages import import_package

_MB = 1_000_000
_OUT_OF_MEMORY = ("out of memory", "outofmemory", "memoryallocation", "could not be allocated")


class Cuda:
    """The first GPU with its primary context current on this thread, and one stream.

    If a call fails, :meth:`failure` says what that means.
    """

    def __init__(self) -> None:
        """Make the context current; only after the driver was probed.

        Raises:
            MissingPackage: there is no pycuda.
            BackendError: CUDA refuses.
        """
        self._driver = driver = import_package("pycuda.driver")
        with ExitStack() as undo:
            try:
                driver.init()
                context = driver.Device(0).retain_primary_context()
                undo.callback(context.detach)
                context.push()
                undo.callback(context.pop)
                undo.callback(self._let_go)
                flags = driver.event_flags
                self._stream = driver.Stream()
                self._event = driver.Event(flags.BLOCKING_SYNC | flags.DISABLE_TIMING)
            except driver.Error as error:
                raise BackendError(f"the GPU cannot be used: {error}") from error
            self._undo = undo.pop_all()

    @property
    def stream(self) -> int:
        """The stream's handle, in whose order everything is done."""
        return int(self._stream.handle)

    def allocate(self, size: int) -> DeviceMemory:
        """Return ``size`` bytes on the GPU.

        Raises:
            OutOfMemoryError: there are not as many.
        """
        try:
            return DeviceMemory(self._driver.mem_alloc(size))
        except self._driver.Error as error:
            what = f"a buffer of {size / _MB:.1f} MB"
            raise self.failure(what, error) from error

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array that the GPU copies without a detour.

        Raises:
            OutOfMemoryError: there is no such memory left.
        """
        try:
            array: NDArray[Any] = self._driver.pagelocked_empty(shape, dtype)
        except self._driver.Error as error:
            what = f"pinned memory for {shape} {np.dtype(dtype)}"
            raise self.failure(what, error) from error
        return array

    def unpin(self, array: NDArray[Any]) -> None:
        """Free what :meth:`pinned` gave, which must not be used any more.

        It is not left to the garbage collector: an error that somebody keeps holds the arrays of
        the calls that it came through, and other threads cannot free them.
        """
        array.base.free()  # type: ignore[union-attr]

    def upload(self, memory: DeviceMemory, pinned: NDArray[Any]) -> None:
        """Copy an array to the beginning of ``memory``, in the stream's turn.

        Raises:
            BackendError: CUDA refuses.
        """
        try:
            self._driver.memcpy_htod_async(memory.address, pinned, self._stream)
        except self._driver.Error as error:
            raise self.failure("copying to the GPU", error) from error

    def download(self, pinned: NDArray[Any], memory: DeviceMemory) -> None:
        """Fill an array from the beginning of ``memory``, and wait until all is done.

        Raises:
            BackendError: CUDA refuses, or something that was started before failed.
        """
        try:
            self._driver.memcpy_dtoh_async(pinned, memory.address, self._stream)
        except self._driver.Error as error:
            raise self.failure("copying from the GPU", error) from error
        self.wait()

    def wait(self) -> None:
        """Sleep until all that was put on the stream is done.

        Raises:
            BackendError: some of it failed.
        """
        try:
            self._event.record(self._stream)
            self._event.synchronize()
        except self._driver.Error as error:
            raise self.failure("computing on the GPU", error) from error

    def free_mb(self) -> float:
        """Return how much memory of the GPU is free, in 10^6 bytes; on a lost device none."""
        try:
            return float(self._driver.mem_get_info()[0]) / _MB
        except self._driver.Error:
            return 0.0

    def failure(self, what: str, cause: object) -> BackendError:
        """Return the error for something that failed.

        After a fault such as an illegal address every call of this process fails. So the device is
        asked once more, and is lost if it does not answer.
        """
        message = f"{what} failed: {cause}"
        if not self._answers():
            return DeviceLostError(f"{message}; the GPU does not answer this process any more")
        if isinstance(cause, self._driver.MemoryError) or is_out_of_memory(str(cause)):
            return OutOfMemoryError(f"{message}; {self.free_mb():.0f} MB of its memory are free")
        return BackendError(message)

    def close(self) -> None:
        """Give the context back. All memory must have been freed."""
        self._undo.close()

    def _let_go(self) -> None:
        self._stream = self._event = None

    def _answers(self) -> bool:
        try:
            self._driver.Context.synchronize()
        except self._driver.Error:
            return False
        return True


class DeviceMemory:
    """Some bytes on the GPU."""

    def __init__(self, allocation: Any) -> None:
        """Hold what pycuda allocated."""
        self._allocation = allocation

    @property
    def address(self) -> int:
        """Where it begins."""
        return int(self._allocation)

    def free(self) -> None:
        """Give it back; it must not be used any more."""
        self._allocation.free()


def is_out_of_memory(text: str) -> bool:
    """Whether an error of CUDA or TensorRT says that memory ran out."""
    return any(words in text.lower() for words in _OUT_OF_MEMORY)
