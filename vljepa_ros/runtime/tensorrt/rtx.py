# SPDX-License-Identifier: Apache-2.0
"""What TensorRT-RTX has and TensorRT has not: targets, and kernels that are compiled at a start.

A target is a compute capability. What is compiled for one GPU can be kept and used at the next
start, which is then faster; what another GPU, driver or release compiled is left out.
"""

from __future__ import annotations

from typing import Any

from vljepa_ros.runtime.tensorrt.tensorrt_errors import BuildError

TURING = "7.5"
"""Compute capability for which TensorRT-RTX multiplies float16 and int8, and no float32."""

_OLDEST_WITHOUT_NAME = 8.0  # without a target, engines are for this compute capability and later


def choose_target(trt: Any, config: Any, compute_capability: str) -> None:
    """Let the engine be for GPUs of one compute capability, which this machine need not have.

    Raises:
        BuildError: the GPUs are too old.
    """
    target = getattr(trt.ComputeCapability, f"SM{compute_capability.replace('.', '')}", None)
    if target is not None:
        config.num_compute_capabilities = 1
        config.set_compute_capability(target, 0)
    elif float(compute_capability) < _OLDEST_WITHOUT_NAME:
        cause = f"TensorRT-RTX builds nothing for compute capability {compute_capability}"
        raise BuildError(cause, "use the backend onnxruntime")


class KernelCache:
    """The compiled kernels of one engine, and the contexts that run them."""

    def __init__(self, trt: Any, engine: Any, kept: bytes, *, cuda_graphs: bool) -> None:
        """Take over what an earlier start kept.

        Args:
            trt: the module ``tensorrt_rtx``.
            engine: TensorRT-RTX's engine.
            kept: :meth:`content` of an earlier start, or empty.
            cuda_graphs: let TensorRT-RTX record CUDA graphs, which it does for every shape.
        """
        self._config = engine.create_runtime_config()
        self._cache = self._config.create_runtime_cache()
        if kept:
            self._cache.deserialize(kept)  # False if it is another GPU's: then all is compiled
        self._config.set_runtime_cache(self._cache)
        if cuda_graphs:
            self._config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE

    def new_context(self, engine: Any) -> Any:
        """Return an execution context of the engine, or None if there is too little memory."""
        return engine.create_execution_context(self._config)

    def content(self) -> bytes:
        """Return what was compiled so far, for the next start."""
        return bytes(self._cache.serialize())
