# SPDX-License-Identifier: Apache-2.0
"""A `cuda.bindings.runtime` that captures graphs from the fake GPU's streams.

As in the real one, every function returns a tuple that begins with an error and raises nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from support import fake_gpu
from support.fake_gpu import CudaFailure

_Graph = list[Callable[[], None]]


class cudaError_t(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInvalidResourceHandle = 400
    cudaErrorIllegalAddress = 700
    cudaErrorStreamCaptureInvalidated = 901
    cudaErrorUnknown = 999


class cudaStreamCaptureMode(enum.IntEnum):
    cudaStreamCaptureModeGlobal = 0
    cudaStreamCaptureModeThreadLocal = 1
    cudaStreamCaptureModeRelaxed = 2


class cudaGraph_t:
    def __init__(self, works: _Graph) -> None:
        self._works = works


class cudaGraphExec_t(cudaGraph_t):
    pass


def cudaGetErrorName(error: cudaError_t) -> tuple[cudaError_t, bytes]:
    return cudaError_t.cudaSuccess, error.name.encode()


def cudaStreamBeginCapture(stream: int, mode: cudaStreamCaptureMode) -> tuple[cudaError_t]:
    try:
        fake_gpu.current().enter("cudaStreamBeginCapture")
        fake_gpu.current().begin_capture(stream)
    except CudaFailure as failure:
        return (cudaError_t(failure.code),)
    return (cudaError_t.cudaSuccess,)


def cudaStreamEndCapture(stream: int) -> tuple[cudaError_t, cudaGraph_t | None]:
    try:
        fake_gpu.current().enter("cudaStreamEndCapture")
        return cudaError_t.cudaSuccess, cudaGraph_t(fake_gpu.current().end_capture(stream))
    except CudaFailure as failure:
        return cudaError_t(failure.code), None


def cudaGraphInstantiate(graph: cudaGraph_t, flags: int) -> tuple[cudaError_t, cudaGraphExec_t]:
    return cudaError_t.cudaSuccess, cudaGraphExec_t(graph._works)


def cudaGraphLaunch(graphExec: cudaGraphExec_t, stream: int) -> tuple[cudaError_t]:
    try:
        fake_gpu.current().enter("cudaGraphLaunch")
        for work in graphExec._works:
            fake_gpu.current().enqueue(stream, work)
    except CudaFailure as failure:
        return (cudaError_t(failure.code),)
    return (cudaError_t.cudaSuccess,)


def cudaGraphDestroy(graph: cudaGraph_t) -> tuple[cudaError_t]:
    return (cudaError_t.cudaSuccess,)


def cudaGraphExecDestroy(graphExec: cudaGraphExec_t) -> tuple[cudaError_t]:
    return (cudaError_t.cudaSuccess,)
