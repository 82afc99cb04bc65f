# SPDX-License-Identifier: Apache-2.0
"""One engine: what it takes, what it gives, and why one is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from support import fake_gpu, fake_nvidia
from support.colour_bundle import DIMENSION, MAX_QUERY_TOKENS, seal
from support.engines import build_engines
from support.fake_gpu import FakeGpu
from vljepa_ros.runtime.backend import TENSORRT, BackendError, DeviceLostError, OutOfMemoryError
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.onnx_session import OnnxGraph
from vljepa_ros.runtime.tensorrt.captured_run import CapturedRun
from vljepa_ros.runtime.tensorrt.cuda import Cuda
from vljepa_ros.runtime.tensorrt.engine import Engine
from vljepa_ros.runtime.tensorrt.engine_runtime import EngineRuntime
from vljepa_ros.runtime.tensorrt.library import LIBRARIES
from vljepa_ros.runtime.tensorrt.plan_manifest import TensorInfo
from vljepa_ros.runtime.tensorrt.plan_store import VerifiedPlan
from vljepa_ros.runtime.tensorrt.tensorrt_errors import MissingPackage, UnusablePlan

Inputs = dict[str, NDArray[np.generic]]


@pytest.fixture
def bundle(colour_bundle: Path) -> Bundle:
    return Bundle.load(colour_bundle)


@pytest.fixture
def plans(gpu: FakeGpu, bundle: Bundle, tmp_path: Path) -> dict[str, VerifiedPlan]:
    return build_engines(bundle, tmp_path / "engines")


@pytest.fixture
def runtime(plans: dict[str, VerifiedPlan]) -> Iterator[EngineRuntime]:
    cuda = Cuda()
    yield EngineRuntime(cuda, LIBRARIES[TENSORRT])
    cuda.close()


def questions(count: int) -> Inputs:
    random = np.random.default_rng(count)
    return {
        "visual_tokens": random.random((1, 1, 3), dtype=np.float32),
        "query_tokens": random.random((count, MAX_QUERY_TOKENS, DIMENSION + 2), dtype=np.float32),
        "query_mask": random.random((count, MAX_QUERY_TOKENS)) < 0.8,
    }


def answer(engine: Engine, inputs: Inputs) -> NDArray[np.float32]:
    for name, array in inputs.items():
        engine.write(name, array)
    engine.run()
    return engine.read("embeddings")


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_it_computes_what_onnx_runtime_does_for_any_number_of_queries(
    bundle: Bundle,
    plans: dict[str, VerifiedPlan],
    runtime: EngineRuntime,
    gpu: FakeGpu,
    cuda_graphs: bool,
) -> None:
    expected = OnnxGraph(bundle, "predictor")
    engine = Engine(runtime, plans["predictor"], cuda_graphs=cuda_graphs)
    engine.allocate({})
    for count in (1, 2, 2, 64, 2):
        inputs = questions(count)
        np.testing.assert_array_equal(answer(engine, inputs), expected.run(inputs)[0])
    engine.close()


def test_a_run_of_a_known_shape_is_started_from_its_recording(
    plans: dict[str, VerifiedPlan], runtime: EngineRuntime, gpu: FakeGpu
) -> None:
    engine = Engine(runtime, plans["predictor"], cuda_graphs=True)
    engine.allocate({})
    answer(engine, questions(2))
    gpu.fail("enqueueV3", fake_gpu.INVALID_VALUE)
    answer(engine, questions(2))  # TensorRT is not asked
    with pytest.raises(BackendError, match="predictor: running it failed"):
        answer(engine, questions(3))  # another shape
    gpu.fail("cudaGraphLaunch", fake_gpu.OUT_OF_MEMORY)
    answer(engine, questions(2))
    with pytest.raises(OutOfMemoryError, match="starting the CUDA graph of predictor"):
        answer(engine, questions(2))
    engine.close()


def test_recordings_need_cuda_bindings(
    plans: dict[str, VerifiedPlan],
    runtime: EngineRuntime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_nvidia.remove(monkeypatch, "cuda")
    engine = Engine(runtime, plans["predictor"], cuda_graphs=True)
    engine.allocate({})
    with pytest.raises(MissingPackage, match="package cuda "):
        answer(engine, questions(1))
    engine.close()


@pytest.mark.parametrize("routine", ["cudaStreamBeginCapture", "cudaGraphLaunch"])
def test_a_recording_that_fails_is_an_error_and_the_next_run_works(
    plans: dict[str, VerifiedPlan], runtime: EngineRuntime, gpu: FakeGpu, routine: str
) -> None:
    engine = Engine(runtime, plans["predictor"], cuda_graphs=True)
    engine.allocate({})
    gpu.fail(routine, fake_gpu.INVALID_VALUE)
    with pytest.raises(BackendError, match=r"the CUDA graph of predictor failed: cudaError"):
        for _ in range(2):
            answer(engine, questions(2))
    answer(engine, questions(2))
    engine.close()


def raising() -> bool:
    raise RuntimeError("TensorRT's bindings raise")


@pytest.mark.parametrize("refuse", [lambda: False, raising])
def test_what_tensorrt_refuses_to_record_leaves_the_stream_usable(
    plans: dict[str, VerifiedPlan], runtime: EngineRuntime, refuse: Callable[[], bool]
) -> None:
    engine = Engine(runtime, plans["predictor"])
    engine.allocate({})
    with pytest.raises(BackendError, match="recording the CUDA graph of it failed") as caught:
        CapturedRun(runtime, "it", refuse)
    assert not isinstance(caught.value, DeviceLostError)
    first = answer(engine, questions(2))
    assert np.linalg.norm(first, axis=-1) == pytest.approx(1.0)
    engine.close()


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("query_mask", np.ones((65, MAX_QUERY_TOKENS), bool)),
        ("query_mask", np.ones((2, 1), bool)),
        ("query_mask", np.ones((2, MAX_QUERY_TOKENS), np.float32)),
        ("visual_tokens", np.ones((1, 1, 1), np.float32)),
        ("visual_tokens", np.ones((1, 3), np.float32)),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    plans: dict[str, VerifiedPlan],
    runtime: EngineRuntime,
    name: str,
    array: NDArray[np.generic],
) -> None:
    engine = Engine(runtime, plans["predictor"])
    engine.allocate({})
    with pytest.raises(BackendError, match=f"predictor takes {name}"):
        engine.write(name, array)
    engine.close()


def test_half_precision_comes_out_as_float32(
    gpu: FakeGpu, tmp_path: Path, colour_bundle: Path
) -> None:
    root = tmp_path / "half"
    shutil.copytree(colour_bundle, root)
    _doubles_halves(root / "x_encoder.onnx")
    seal(root)
    plan = build_engines(Bundle.load(root), tmp_path / "engines")["x_encoder"]
    assert plan.manifest.outputs["visual_tokens"].dtype == "HALF"
    cuda = Cuda()
    engine = Engine(EngineRuntime(cuda, LIBRARIES[TENSORRT]), plan)
    engine.allocate({})
    engine.write("features", np.full((1, 4, 3, 1, 1), 0.25, np.float32))
    engine.run()
    found = engine.read("visual_tokens")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.full((1, 4, 3, 1, 1), 0.5))
    engine.close()
    cuda.close()


@pytest.mark.parametrize("content", [b"", b"junk", "truncated"])
def test_a_plan_that_tensorrt_cannot_read_is_refused_with_its_words(
    plans: dict[str, VerifiedPlan], runtime: EngineRuntime, content: bytes | str
) -> None:
    plan = plans["predictor"]
    junk = plan.read()[:-20] if isinstance(content, str) else content
    with pytest.raises(
        UnusablePlan, match=r"TensorRT 10.3.0 cannot load it \(.*Serialization.*build_engine"
    ):
        Engine(runtime, replace(plan, content=lambda: junk))


def test_an_engine_unlike_its_manifest_is_refused(
    plans: dict[str, VerifiedPlan], runtime: EngineRuntime
) -> None:
    plan = plans["predictor"]
    inputs = {**plan.manifest.inputs, "query_mask": TensorInfo("BOOL", (-1, 7))}
    other = replace(plan, manifest=replace(plan.manifest, inputs=inputs))
    with pytest.raises(UnusablePlan, match="takes .*query_mask.* unlike its manifest"):
        Engine(runtime, other)


def test_without_memory_for_the_weights_it_says_how_much_is_needed(
    plans: dict[str, VerifiedPlan], runtime: EngineRuntime, gpu: FakeGpu
) -> None:
    plan = plans["predictor"]
    large = replace(plan, manifest=replace(plan.manifest, plan_bytes=620_000_000))
    gpu.fail("deserializeCudaEngine", fake_gpu.OUT_OF_MEMORY)
    with (
        gpu.occupied_by_others(free=5_000_000),
        pytest.raises(OutOfMemoryError, match="needs 620 MB.* 5 MB of its memory are free"),
    ):
        Engine(runtime, large)


@pytest.mark.parametrize("routine", ["createExecutionContext", "cuMemAlloc"])
def test_without_memory_to_run_nothing_is_kept(
    plans: dict[str, VerifiedPlan], runtime: EngineRuntime, gpu: FakeGpu, routine: str
) -> None:
    engine = Engine(runtime, plans["predictor"])
    weights = gpu.used
    gpu.fail(routine, fake_gpu.OUT_OF_MEMORY)
    with pytest.raises(OutOfMemoryError, match="needs 0 MB|buffer of 0.0 MB"):
        engine.allocate({})
    engine.release()
    assert gpu.used == weights
    engine.close()


def test_a_device_that_is_lost_while_loading_is_not_a_bad_plan(
    monkeypatch: pytest.MonkeyPatch, driver: Path, bundle: Bundle, tmp_path: Path
) -> None:
    gpu = fake_nvidia.install(monkeypatch, driver)
    plan = build_engines(bundle, tmp_path)["predictor"]
    runtime = EngineRuntime(Cuda(), LIBRARIES[TENSORRT])
    gpu.fail("deserializeCudaEngine", fake_gpu.ILLEGAL_ADDRESS)
    with pytest.raises(DeviceLostError):
        Engine(runtime, plan)


def _doubles_halves(file: Path) -> None:
    """Write a graph that doubles features (1, 4, 3, 1, 1) and gives them in half precision."""
    shape = [1, 4, 3, 1, 1]
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["features", "features"], ["doubled"]),
            helper.make_node("Cast", ["doubled"], ["visual_tokens"], to=TensorProto.FLOAT16),
        ],
        "half",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("visual_tokens", TensorProto.FLOAT16, shape)],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), file)
