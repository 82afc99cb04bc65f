# SPDX-License-Identifier: Apache-2.0
"""A GPU for tests: memory, streams and contexts in numpy, which fail when they are told to.

Work that is put on a stream is done when somebody waits for it and not before, so code that reads
a result without waiting reads what was there before. Every call needs a current context on its
thread, as CUDA's do, and an error that poisons a context stays.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

INVALID_VALUE, OUT_OF_MEMORY, NOT_INITIALIZED = 1, 2, 3
NO_DEVICE, INVALID_CONTEXT, INVALID_HANDLE = 100, 201, 400
ILLEGAL_ADDRESS, LAUNCH_FAILED, UNKNOWN = 700, 719, 999
CAPTURE_UNSUPPORTED = 900
TEXTS = {  # what cuGetErrorString says
    INVALID_VALUE: "invalid argument",
    OUT_OF_MEMORY: "out of memory",
    NOT_INITIALIZED: "initialization error",
    NO_DEVICE: "no CUDA-capable device is detected",
    INVALID_CONTEXT: "invalid device context",
    INVALID_HANDLE: "invalid resource handle",
    ILLEGAL_ADDRESS: "an illegal memory access was encountered",
    LAUNCH_FAILED: "unspecified launch failure",
    UNKNOWN: "unknown error",
    CAPTURE_UNSUPPORTED: "operation not permitted when stream is capturing",
}
STICKY = frozenset({ILLEGAL_ADDRESS, LAUNCH_FAILED, UNKNOWN})
_PAGE = 1 << 12
_FIRST_ADDRESS = 1 << 32


class CudaFailure(Exception):
    """A call of the driver failed; the fakes turn it into what their library raises."""

    def __init__(self, routine: str, code: int) -> None:
        super().__init__(f"{routine} failed: {TEXTS[code]}")
        self.routine = routine
        self.code = code


class FakeGpu:
    """One GPU. ``memory`` counts bytes; ``works`` False is a machine without a driver.

    ``threads`` are the threads that used it, ``waits`` how often each kind of wait happened,
    ``entered`` how often each routine was called.
    """

    def __init__(
        self, memory: int = 1 << 30, capability: tuple[int, int] = (8, 7), works: bool = True
    ) -> None:
        self.memory = memory
        self.capability = capability
        self.works = works
        self.initialized = False
        self.retained = 0
        self.threads: set[int] = set()
        self.waits: dict[str, int] = {}
        self.entered: Counter[str] = Counter()
        self._contexts = threading.local()
        self._depths: dict[int, int] = {}
        self._allocations: dict[int, NDArray[np.uint8]] = {}
        self._pinned: dict[int, int] = {}
        self._next = _FIRST_ADDRESS
        self._streams: dict[int, list[Callable[[], None]]] = {0: []}
        self._done: dict[int, int] = {0: 0}
        self._captures: dict[int, list[Callable[[], None]]] = {}
        self._planned: dict[str, list[int]] = {}
        self._poison: int | None = None
        self._lock = threading.RLock()

    # What tests do to it

    def fail(self, routine: str, code: int, times: int = 1) -> None:
        """Let the next ``times`` calls of ``routine``, such as ``cuMemAlloc``, end with ``code``.

        Work on a stream is ``kernel``: it fails when it is waited for.
        """
        self._planned.setdefault(routine, []).extend([code] * times)

    @contextmanager
    def occupied_by_others(self, free: int) -> Iterator[None]:
        """Leave ``free`` bytes for the time being."""
        memory, self.memory = self.memory, self.used + free
        try:
            yield
        finally:
            self.memory = memory

    @property
    def used(self) -> int:
        """Bytes of device memory in use."""
        return sum(array.nbytes for array in self._allocations.values())

    def leaks(self) -> dict[str, int]:
        """Return what nobody gave back: memory, contexts. Empty is as it should be."""
        found = {
            "device bytes": self.used,
            "pinned buffers": len(self._pinned),
            "contexts left current": sum(self._depths.values()),
            "contexts retained": self.retained,
        }
        return {name: count for name, count in found.items() if count}

    # What the fakes call

    def enter(self, routine: str, *, context: bool = True) -> None:
        """Begin a call of the driver: raise what it fails with, if anything."""
        self.entered[routine] += 1
        if not self.works:
            raise CudaFailure(routine, NO_DEVICE)
        if self._poison is not None:
            raise CudaFailure(routine, self._poison)
        if self._planned.get(routine):
            self._raise(routine, self._planned[routine].pop(0))
        if context and not self._stack():
            raise CudaFailure(routine, INVALID_CONTEXT if self.initialized else NOT_INITIALIZED)
        self.threads.add(threading.get_ident())

    def push(self) -> None:
        """Make the primary context current on this thread."""
        self._stack().append(self)
        self._note_depth()

    def pop(self) -> None:
        """Undo the last :meth:`push` of this thread."""
        if not self._stack():
            raise CudaFailure("context::pop", INVALID_CONTEXT)
        self._stack().pop()
        self._note_depth()

    def allocate(self, size: int, routine: str = "cuMemAlloc") -> int:
        """Return the address of ``size`` new bytes, which hold rubbish."""
        with self._lock:
            if size <= 0:
                raise CudaFailure(routine, INVALID_VALUE)
            if self.used + size > self.memory:
                raise CudaFailure(routine, OUT_OF_MEMORY)
            address = self._new_address(size)
            self._allocations[address] = np.full(size, 0xAB, np.uint8)
            return address

    def free(self, address: int) -> None:
        """Give back what :meth:`allocate` gave; without a current context nothing comes back."""
        if self._stack():
            self.release(address)

    def release(self, address: int) -> None:
        """Give back what :meth:`allocate` gave, from any thread."""
        with self._lock:
            self._allocations.pop(address, None)

    def pin(self, array: NDArray[np.uint8]) -> int:
        """Note a page-locked buffer; return its address, under which the GPU sees it."""
        with self._lock:
            self._pinned[array.ctypes.data] = array.nbytes
            return int(array.ctypes.data)

    def unpin(self, address: int) -> None:
        """Forget a page-locked buffer."""
        with self._lock:
            self._pinned.pop(address, None)

    def is_pinned(self, array: NDArray[np.uint8]) -> bool:
        """Whether the GPU may copy from this memory by itself."""
        start, end = array.ctypes.data, array.ctypes.data + array.nbytes
        return any(at <= start and end <= at + size for at, size in self._pinned.items())

    def view(self, address: int, size: int) -> NDArray[np.uint8]:
        """Return ``size`` bytes of device memory; an access outside of it poisons the context."""
        for start, array in self._allocations.items():
            if start <= address and address + size <= start + array.nbytes:
                return array[address - start : address - start + size]
        self._raise("kernel", ILLEGAL_ADDRESS)

    def new_stream(self) -> int:
        """Return the handle of a new stream."""
        with self._lock:
            handle = self._new_address(_PAGE)
            self._streams[handle], self._done[handle] = [], 0
            return handle

    def enqueue(self, stream: int, work: Callable[[], None]) -> None:
        """Put work on a stream, or into the graph that is captured from it."""
        with self._lock:
            self._check_stream(stream)
            self._captures.get(stream, self._streams[stream]).append(work)

    def position(self, stream: int) -> int:
        """Return how much work was ever put on a stream."""
        self._check_stream(stream)
        return self._done[stream] + len(self._streams[stream])

    def finish(self, stream: int, position: int | None = None, *, wait: str = "") -> None:
        """Do the work of a stream up to a :meth:`position`; all of it without one."""
        with self._lock:
            self._check_stream(stream)
            if self.capturing(stream):
                raise CudaFailure("cuStreamSynchronize", CAPTURE_UNSUPPORTED)
            self.waits[wait] = self.waits.get(wait, 0) + 1
            end = self.position(stream) if position is None else position
            while self._done[stream] < end:
                self._done[stream] += 1
                work = self._streams[stream].pop(0)
                self.enter("kernel", context=False)
                work()

    def begin_capture(self, stream: int) -> None:
        """From now on, keep what is put on a stream instead of doing it."""
        self._check_stream(stream)
        self._captures[stream] = []

    def end_capture(self, stream: int) -> list[Callable[[], None]]:
        """Return what was put on the stream since :meth:`begin_capture`."""
        return self._captures.pop(stream)

    def capturing(self, stream: int) -> bool:
        """Whether a graph is captured from a stream."""
        return stream in self._captures

    def _raise(self, routine: str, code: int) -> None:
        if code in STICKY:
            self._poison = code
            for works in self._streams.values():
                works.clear()
        raise CudaFailure(routine, code)

    def _check_stream(self, stream: int) -> None:
        if stream not in self._streams:
            raise CudaFailure("cuStreamQuery", INVALID_HANDLE)

    def _stack(self) -> list[FakeGpu]:
        if not hasattr(self._contexts, "stack"):
            self._contexts.stack = []
        stack: list[FakeGpu] = self._contexts.stack
        return stack

    def _note_depth(self) -> None:
        self._depths[threading.get_ident()] = len(self._stack())

    def _new_address(self, size: int) -> int:
        address = self._next
        self._next += (size // _PAGE + 2) * _PAGE
        return address


gpu = FakeGpu()
"""The GPU of this process: tests put another one here (see :mod:`support.fake_nvidia`)."""


def current() -> FakeGpu:
    """Return the GPU of this process."""
    return gpu
