# SPDX-License-Identifier: Apache-2.0
"""A `tensorrt_rtx` over the fake GPU: what it has in common with the fake `tensorrt`, and its own.

It builds without a driver and for a compute capability. An engine's kernels are compiled when a
context is made, unless they are in its runtime cache; FakeGpu.entered["compileKernels"] counts.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from support import fake_gpu, fake_tensorrt
from support.fake_tensorrt import ICudaEngine as _CudaEngine
from support.fake_tensorrt import IExecutionContext, IHostMemory, ILogger, _check_made, _Enum

_CACHE_MAGIC = b"FAKEKERNELS"


def __getattr__(name: str) -> Any:
    """Return what is the same in the fake `tensorrt`, whose release is set for both."""
    return getattr(fake_tensorrt, name)


class ComputeCapability(_Enum):
    NONE, CURRENT, SM75, SM80, SM86, SM89, SM120 = 0, 1, 75, 80, 86, 89, 120


class CudaGraphStrategy(_Enum):
    DISABLED, WHOLE_GRAPH_CAPTURE = 0, 1


class IBuilderConfig(fake_tensorrt.IBuilderConfig):
    _times_kernels = False

    def __init__(self) -> None:
        super().__init__()
        self.num_compute_capabilities = 0
        self._capability = None  # 8.0 and later

    def set_compute_capability(self, compute_capability: ComputeCapability, index: int) -> Any:
        if not 0 <= index < self.num_compute_capabilities:
            return False
        self._capability = divmod(int(compute_capability), 10)
        return True


class Builder(fake_tensorrt.Builder):
    def __init__(self, logger: ILogger) -> None:
        _check_made(logger)
        self._logger = logger

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()


class IRuntimeCache:
    def __init__(self) -> None:
        self._engines: set[str] = set()

    def serialize(self) -> IHostMemory:
        content = [fake_gpu.current().capability, sorted(self._engines)]
        return IHostMemory(_CACHE_MAGIC + json.dumps(content).encode())

    def deserialize(self, blob: Any) -> Any:
        content = bytes(memoryview(blob))
        if not content.startswith(_CACHE_MAGIC):
            return False
        capability, engines = json.loads(content[len(_CACHE_MAGIC) :])
        if tuple(capability) != fake_gpu.current().capability:
            return False
        self._engines.update(engines)
        return True


class IRuntimeConfig:
    def __init__(self) -> None:
        self.cuda_graph_strategy = CudaGraphStrategy.DISABLED
        self._cache: IRuntimeCache | None = None

    def create_runtime_cache(self) -> IRuntimeCache:
        return IRuntimeCache()

    def set_runtime_cache(self, cache: IRuntimeCache) -> Any:
        self._cache = cache
        return True


class ICudaEngine(_CudaEngine):
    def __init__(self, header: dict[str, Any], model: bytes, logger: ILogger) -> None:
        super().__init__(header, model, logger)
        self._digest = hashlib.sha256(model).hexdigest()

    def create_runtime_config(self) -> IRuntimeConfig:
        return IRuntimeConfig()

    def create_execution_context(  # type: ignore[override]
        self, runtime_config: IRuntimeConfig | None = None
    ) -> IExecutionContext | None:
        cache = runtime_config and runtime_config._cache
        if cache is None or self._digest not in cache._engines:
            fake_gpu.current().enter("compileKernels", context=False)
        if cache is not None:
            cache._engines.add(self._digest)
        return super().create_execution_context()


class Runtime(fake_tensorrt.Runtime):
    @staticmethod
    def _engine(header: dict[str, Any], model: bytes, logger: ILogger) -> ICudaEngine:
        return ICudaEngine(header, model, logger)
