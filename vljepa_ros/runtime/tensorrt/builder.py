# SPDX-License-Identifier: Apache-2.0
"""Builds the engine of one graph, with the calls that TensorRT 10.3 to 11.4 and RTX share.

The types in the ONNX file decide the precision, so no flag asks for one: TensorRT 11 has none. The
number of clips and the length of queries, which are free in the file, are fixed here, and with
them all shapes except for the number of queries of a predictor that was exported with a free one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vljepa_ros.runtime.tensorrt.build_progress import progress_monitor
from vljepa_ros.runtime.tensorrt.cuda import is_out_of_memory
from vljepa_ros.runtime.tensorrt.driver import Gpu
from vljepa_ros.runtime.tensorrt.library import Library
from vljepa_ros.runtime.tensorrt.plan_manifest import FREE, TensorInfo
from vljepa_ros.runtime.tensorrt.rtx import TURING, choose_target
from vljepa_ros.runtime.tensorrt.tensorrt_errors import BuildError
from vljepa_ros.runtime.tensorrt.tensorrt_log import collecting_logger

_QUERIES = ("query_tokens", "query_mask")  # inputs whose first size is the number of queries
_LARGEST_WORKSPACE = 1 << 30  # bytes
_FREE_MEMORY = "close what else uses the GPU's memory, or use the backend onnxruntime"
_EXPORT_AGAIN = "export the bundle again, or use the backend onnxruntime"
_HALVE = "export the bundle with --precision fp16, or use the backend onnxruntime"
_NOT_HERE = "report these words, and use the backend onnxruntime meanwhile"


@dataclass(frozen=True)
class BuiltPlan:
    """A new engine, what it takes and gives, and the measurements that the next build can use."""

    content: bytes
    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]
    timing_cache: bytes
    seconds: float


def build_plan(
    library: Library,
    gpu: Gpu,
    onnx: Path,
    clips: int,
    queries: tuple[int, ...],
    timing_cache: bytes,
    report: Callable[[float], None],
    *,
    query_tokens: int = FREE,
) -> BuiltPlan:
    """Build the engine of an ONNX file, which takes minutes with TensorRT.

    Args:
        library: builds it.
        gpu: the GPU of this machine, which the driver was asked for; with a portable library any.
        onnx: the graph; its weights may lie beside it.
        clips: that one run takes, or frames in the frame encoder.
        queries: the fewest, the usual and the most queries, if their number is free.
        timing_cache: of an earlier build on this machine, or empty. A portable library times
            nothing and has none.
        report: is given the fraction done, 0 to 1, from any thread; what it raises ends the build.
        query_tokens: that every query is padded to, if their number is free.

    Raises:
        MissingPackage: the library cannot be imported.
        BuildError: it cannot read the graph, or finds no way to run it there.
    """
    started, trt = time.monotonic(), library.load()
    title, log = f"{library.title} {trt.__version__}", collecting_logger(trt)
    builder = _builder(trt, log, title)
    network = builder.create_network(_strongly_typed(trt))
    parser = trt.OnnxParser(network, log)  # holds the network's weights: must outlive the build
    _parse(network, parser, log, title, onnx)
    _fix_sizes(network, clips, query_tokens)
    inputs, outputs = _inputs(network), _outputs(network)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _workspace(gpu))
    cache = None  # or what was timed, which must outlive the build as well
    if library.portable:
        choose_target(trt, config, gpu.compute_capability)
    else:
        cache = _use_timing_cache(config, timing_cache)
    _add_profile(builder, config, onnx, inputs, queries)
    plan = _serialize(trt, builder, network, config, report)
    if plan is None:
        halve = library.portable and gpu.compute_capability == TURING
        what = f"{title} builds no engine of {onnx}"
        raise _failure(what, log.tail(), _HALVE if halve else _NOT_HERE)
    timed = b"" if cache is None else bytes(cache.serialize())
    return BuiltPlan(bytes(plan), inputs, outputs, timed, time.monotonic() - started)


def _builder(trt: Any, log: Any, title: str) -> Any:
    try:
        return trt.Builder(log)
    except TypeError as error:  # how the bindings say that the library gave none
        raise _failure(f"{title} does not start", log.tail(), _NOT_HERE) from error


def _failure(what: str, words: str, remedy: str) -> BuildError:
    return BuildError(f"{what} ({words})", _FREE_MEMORY if is_out_of_memory(words) else remedy)


def _strongly_typed(trt: Any) -> int:
    """Return the flag that makes the types in the file count; its value differs by version."""
    return 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def _parse(network: Any, parser: Any, log: Any, title: str, onnx: Path) -> None:
    parsed = parser.parse_from_file(str(onnx))
    if parsed and network.num_outputs:
        return
    errors = " | ".join(parser.get_error(number).desc() for number in range(parser.num_errors))
    # an empty file, or one that begins as HTML does, parses as a graph of nothing
    words = errors or ("it holds no graph" if parsed else log.tail())
    raise BuildError(f"{title} cannot read {onnx} ({words})", _EXPORT_AGAIN)


def _workspace(gpu: Gpu) -> int:
    """Return the most scratch memory in bytes: on a Jetson it is taken from the whole robot."""
    return min(_LARGEST_WORKSPACE, gpu.memory_mb * 1_000_000 // 4)


def _use_timing_cache(config: Any, content: bytes) -> Any:
    """Take over earlier measurements, or begin anew if they are another machine's."""
    cache = config.create_timing_cache(content)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


def _serialize(
    trt: Any, builder: Any, network: Any, config: Any, report: Callable[[float], None]
) -> Any:
    monitor = progress_monitor(trt, report)
    config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if monitor.interruption is not None:
        raise monitor.interruption
    return plan


def _fix_sizes(network: Any, clips: int, query_tokens: int) -> None:
    for number in range(network.num_inputs):
        tensor = network.get_input(number)
        first, *rest = tensor.shape
        if tensor.name in _QUERIES:
            length, *width = rest
            tensor.shape = (first, query_tokens if length == FREE else length, *width)
        elif first == FREE:
            tensor.shape = (clips, *rest)


def _add_profile(
    builder: Any, config: Any, onnx: Path, inputs: dict[str, TensorInfo], queries: tuple[int, ...]
) -> None:
    free = {name: info.shape for name, info in inputs.items() if FREE in info.shape}
    if not free:
        return
    if not queries or any(FREE in shape[1:] for shape in free.values()):
        cause = f"{onnx} has free sizes other than the numbers of clips and queries ({free})"
        raise BuildError(cause, _EXPORT_AGAIN)
    profile = builder.create_optimization_profile()
    for name, (_, *rest) in free.items():
        profile.set_shape(name, *((count, *rest) for count in queries))
    if config.add_optimization_profile(profile) < 0:
        raise BuildError(f"TensorRT refuses {queries} queries for {onnx}", _EXPORT_AGAIN)


def _inputs(network: Any) -> dict[str, TensorInfo]:
    tensors = (network.get_input(number) for number in range(network.num_inputs))
    return {tensor.name: _describe(tensor) for tensor in tensors}


def _outputs(network: Any) -> dict[str, TensorInfo]:
    tensors = (network.get_output(number) for number in range(network.num_outputs))
    return {tensor.name: _describe(tensor) for tensor in tensors}


def _describe(tensor: Any) -> TensorInfo:
    return TensorInfo(tensor.dtype.name, tuple(tensor.shape))
