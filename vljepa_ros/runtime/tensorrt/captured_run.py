# SPDX-License-Identifier: Apache-2.0
"""What one run puts on a stream, recorded once and started again with a single call.

It saves the time to start hundreds of kernels, which counts for small models only. pycuda has no
such calls, so they come from cuda-bindings, which is needed for nothing else. A recording holds
for the shapes and addresses that it was made with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.tensorrt.engine_runtime import EngineRuntime
from vljepa_ros.runtime.tensorrt.packages import import_package

_NO_FLAGS = 0


class CapturedRun:
    """A CUDA graph, on the thread of its :class:`~.cuda.Cuda`."""

    def __init__(self, engines: EngineRuntime, what: str, enqueue: Callable[[], bool]) -> None:
        """Record what ``enqueue`` puts on the stream; nothing runs yet.

        Args:
            engines: has the stream and TensorRT's log.
            what: is run, for errors.
            enqueue: TensorRT's call, which returns whether it worked. It must have run once
                before, so that nothing is left to be prepared, and must not ask the GPU anything:
                that is forbidden while a stream records.

        Raises:
            MissingPackage: there is no cuda-bindings.
            BackendError: CUDA or TensorRT refuses to record it.
        """
        self._runtime = runtime = import_package("cuda.bindings.runtime")
        self._cuda = engines.cuda
        self._what = what
        graph = self._record(enqueue, engines.log)
        self._graph = self._call("recording", runtime.cudaGraphInstantiate, graph, _NO_FLAGS)
        runtime.cudaGraphDestroy(graph)

    def launch(self) -> None:
        """Put the recorded run on the stream.

        Raises:
            BackendError: CUDA refuses.
        """
        self._call("starting", self._runtime.cudaGraphLaunch, self._graph, self._cuda.stream)

    def close(self) -> None:
        """Free the graph."""
        self._runtime.cudaGraphExecDestroy(self._graph)

    def _record(self, enqueue: Callable[[], bool], log: Any) -> Any:
        """Return the graph of what ``enqueue`` puts on the stream."""
        runtime, stream = self._runtime, self._cuda.stream
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("recording", runtime.cudaStreamBeginCapture, stream, mode)
        refusal: Exception | None = None
        try:
            done = enqueue()
        except Exception as error:
            done, refusal = False, error
        # In any case: while the stream records, the GPU answers nothing and would look lost.
        ended = runtime.cudaStreamEndCapture(stream)
        if not done:
            raise self._failure("recording", refusal or log.tail()) from refusal
        return self._result("recording", ended)

    def _call(self, doing: str, function: Callable[..., Any], *arguments: Any) -> Any:
        return self._result(doing, function(*arguments))

    def _result(self, doing: str, answer: tuple[Any, ...]) -> Any:
        """Return what a function of cuda-bindings gave besides its status."""
        status, *results = answer
        if status != self._runtime.cudaError_t.cudaSuccess:
            raise self._failure(doing, status.name)
        return results[0] if results else None

    def _failure(self, doing: str, cause: object) -> BackendError:
        return self._cuda.failure(f"{doing} the CUDA graph of {self._what}", cause)
