# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's own parser and builder take every graph that is exported, and say what is wrong."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from support import fake_gpu, fake_nvidia, fake_tensorrt_rtx
from support.fake_gpu import FakeGpu
from support.real_tensorrt import FOLDER, VERSIONS, RealTensorRT, build, build_until
from support.tensorrt_contract import answers
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.tensorrt.plan_key import ENGINE_GRAPHS

WITH_A_GPU_ALONE = {"1.4.0.76": ("int8", "fp8")}
"""Releases that ask the GPU of the machine about some types, whatever the target is."""

STAND_IN = Path(__file__).resolve().parents[2] / "support" / "modelopt_stand_in"


@pytest.fixture(scope="module")
def releases() -> Iterator[dict[str, RealTensorRT]]:
    """Keep the process of each release: to load its libraries takes seconds."""
    found = {version: RealTensorRT(FOLDER / version) for version in VERSIONS}
    yield found
    for it in found.values():
        it.close()


@pytest.fixture(params=VERSIONS)
def nvidia(request: pytest.FixtureRequest, releases: dict[str, RealTensorRT]) -> RealTensorRT:
    if not (FOLDER / request.param).is_dir():
        pytest.skip(f"no TensorRT-RTX {request.param} in {FOLDER}: run `make test` with a network")
    return releases[request.param]


def build_all(nvidia: RealTensorRT, bundle: Bundle, clips: int = 1) -> None:
    """Build the engines of a bundle and compare what they take and give with its graphs."""
    graphs = [graph for graph in ENGINE_GRAPHS if graph in bundle.graphs]
    assert {"x_encoder", "predictor"} <= set(graphs)
    for graph in graphs:
        file = bundle.root / bundle.graphs[graph]
        plan, told = nvidia.call(build, file, clips, "8.9", bundle.max_query_tokens)
        model = onnx.load(str(file), load_external_data=False).graph
        assert set(plan.inputs) == {tensor.name for tensor in model.input}
        assert set(plan.outputs) == {tensor.name for tensor in model.output}
        assert all(tensor.shape[0] == clips for tensor in plan.outputs.values())
        assert told == sorted(set(told))
        assert told[-1] == 1
        assert plan.timing_cache == b""


def build_all_if_it_can(nvidia: RealTensorRT, bundle: Bundle) -> None:
    """Build the engines of a bundle, or see that a release wants a GPU for its precision."""
    if bundle.precision in WITH_A_GPU_ALONE.get(nvidia.version, ()):
        with pytest.raises(ValueError, match="builds no engine .*(Cuda|CUDA)"):
            build_all(nvidia, bundle)
    else:
        build_all(nvidia, bundle)


@pytest.mark.parametrize("clips", [1, 3])
def test_the_smallest_bundle_is_built(
    nvidia: RealTensorRT, colour_bundle: Path, clips: int
) -> None:
    build_all(nvidia, Bundle.load(colour_bundle), clips)


def test_the_default_model_is_built(nvidia: RealTensorRT, default_bundle: Path) -> None:
    build_all_if_it_can(nvidia, Bundle.load(default_bundle))


def test_the_papers_model_is_built(nvidia: RealTensorRT, paper_bundle: Path) -> None:
    """Its weights lie beside the graphs, and a run of the Predictor answers one query."""
    build_all(nvidia, Bundle.load(paper_bundle), clips=2)


@pytest.fixture(scope="module", params=["fp16", "int8", "fp8"])
def lowered(
    request: pytest.FixtureRequest, paper_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """Return the paper's model in lower precision, by the stand-in for nvidia-modelopt."""
    from support.tiny_model import TINY_PAPER, random_clips
    from vljepa_ros.model.export.precision import LowPrecision, lower_precision

    folder = tmp_path_factory.mktemp(request.param) / "bundle"
    bundle = Bundle.load(shutil.copytree(paper_bundle, folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(STAND_IN))
        wanted = LowPrecision(request.param, Path(sys.executable))
        return lower_precision(bundle, random_clips(TINY_PAPER), wanted)


def test_every_precision_is_built(nvidia: RealTensorRT, lowered: Bundle) -> None:
    build_all_if_it_can(nvidia, lowered)


@pytest.mark.slow
@pytest.mark.parametrize("graph", ["x_encoder", "predictor"])
def test_the_papers_size_is_built(nvidia: RealTensorRT, tmp_path: Path, graph: str) -> None:
    """Random weights: 1.2 and 2 GB of them, and as much memory again twice."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    from types import SimpleNamespace

    from vljepa_ros.model.export import graphs
    from vljepa_ros.model.export.onnx_file import write_graph
    from vljepa_ros.model.predictor import Predictor
    from vljepa_ros.model.presets import PAPER
    from vljepa_ros.model.x_encoder import XEncoder

    config = replace(PAPER, predictor=replace(PAPER.predictor, max_query_tokens=32))
    with torch.inference_mode():
        if graph == "x_encoder":
            made = {"x_encoder": XEncoder(config.x_encoder).eval()}
        else:
            made = {"predictor": Predictor(config).eval()}
        model = SimpleNamespace(config=config, **made)
        file = tmp_path / f"{graph}.onnx"
        write_graph(getattr(graphs, f"{graph}_graph")(model), file)
    del made, model
    plan, _ = nvidia.call(build, file, 1, "8.9", config.predictor.max_query_tokens)
    assert len(plan.content) > 1e9


@pytest.mark.parametrize("capability", ["7.5", "8.0", "8.6", "8.9", "9.0", "12.0"])
def test_engines_are_built_for_gpus_that_are_not_here(
    nvidia: RealTensorRT, colour_bundle: Path, capability: str
) -> None:
    plan, _ = nvidia.call(build, colour_bundle / "x_encoder.onnx", 1, capability)
    assert plan.content


def test_the_oldest_target_multiplies_no_float32(
    nvidia: RealTensorRT, default_bundle: Path
) -> None:
    if nvidia.version == VERSIONS[0]:
        pytest.skip("this release builds it all the same")
    with pytest.raises(ValueError, match="builds no engine .*export the bundle with --precision"):
        nvidia.call(build, default_bundle / "x_encoder.onnx", 1, "7.5")


def test_gpus_that_are_too_old_are_named(nvidia: RealTensorRT, colour_bundle: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing for compute capability 7\.0; use the backend"):
        nvidia.call(build, colour_bundle / "x_encoder.onnx", 1, "7.0")


def test_only_the_number_of_queries_is_free(nvidia: RealTensorRT, colour_bundle: Path) -> None:
    plan, _ = nvidia.call(build, colour_bundle / "predictor.onnx")
    assert plan.inputs["query_mask"].shape[0] == -1
    assert plan.inputs["visual_tokens"].shape[0] == 1


NO_GRAPHS = {"words": b"no graph", "empty": b"", "html": b"<html>not found</html>"}


@pytest.mark.parametrize("content", [*NO_GRAPHS, "half"])
def test_files_that_are_no_graph_are_an_error(
    nvidia: RealTensorRT, colour_bundle: Path, tmp_path: Path, content: str
) -> None:
    whole = (colour_bundle / "x_encoder.onnx").read_bytes()
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(NO_GRAPHS.get(content, whole[: len(whole) // 2]))
    with pytest.raises(
        ValueError, match=r"TensorRT-RTX 1\.\d.* cannot read .*bad.onnx \(.+\); ex"
    ):
        nvidia.call(build, bad)


def test_an_operator_that_nobody_knows_is_named(nvidia: RealTensorRT, tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("NoSuchOperator", ["x"], ["y"])],
        "unknown",
        [value("x", TensorProto.FLOAT, [1, 4])],
        [value("y", TensorProto.FLOAT, [1, 4])],
    )
    onnx.save(helper.make_model(graph), str(tmp_path / "unknown.onnx"))
    with pytest.raises(ValueError, match="cannot read .*(NoSuchOperator|Plugin not found)"):
        nvidia.call(build, tmp_path / "unknown.onnx")


def test_weights_that_are_not_beside_the_graph_are_an_error(
    nvidia: RealTensorRT, default_bundle: Path, tmp_path: Path
) -> None:
    model = onnx.load(str(default_bundle / "x_encoder.onnx"))
    onnx.save(model, str(tmp_path / "alone.onnx"), save_as_external_data=True, location="data")
    (tmp_path / "data").unlink()
    with pytest.raises(ValueError, match="cannot read .*alone.onnx .*initializer"):
        nvidia.call(build, tmp_path / "alone.onnx")


def test_whoever_watches_can_end_a_build(nvidia: RealTensorRT, colour_bundle: Path) -> None:
    stopped = nvidia.call(build_until, colour_bundle / "x_encoder.onnx", 0.3)
    assert 0.3 <= stopped < 1


def test_the_fake_answers_as_nvidia_does(
    nvidia: RealTensorRT, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = nvidia.call(answers, tmp_path)
    monkeypatch.setattr(fake_gpu, "gpu", FakeGpu(works=True))
    fake_nvidia.be_release(monkeypatch, nvidia.version)
    assert answers(fake_tensorrt_rtx, tmp_path) == real
    assert len(real) > 35
