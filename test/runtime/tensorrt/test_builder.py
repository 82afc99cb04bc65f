# SPDX-License-Identifier: Apache-2.0
"""One graph becomes an engine: typed by its file, with free sizes for queries and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from support import fake_gpu, fake_nvidia, fake_tensorrt
from support.colour_bundle import MAX_QUERY_TOKENS, build_bare_bundle
from support.fake_gpu import FakeGpu
from support.plans import ORIN
from vljepa_ros.runtime.backend import TENSORRT
from vljepa_ros.runtime.tensorrt.build_progress import PhaseTree, progress_monitor
from vljepa_ros.runtime.tensorrt.builder import BuiltPlan, build_plan
from vljepa_ros.runtime.tensorrt.driver import Gpu
from vljepa_ros.runtime.tensorrt.library import LIBRARIES
from vljepa_ros.runtime.tensorrt.plan_manifest import TensorInfo
from vljepa_ros.runtime.tensorrt.tensorrt_errors import BuildError
from vljepa_ros.runtime.tensorrt.tensorrt_log import collecting_logger

QUERIES = (1, 2, 64)


def build(
    onnx_file: Path,
    *,
    gpu: Gpu = ORIN,
    clips: int = 1,
    queries: tuple[int, ...] = QUERIES,
    timing_cache: bytes = b"",
    report: Callable[[float], None] = lambda done: None,
) -> BuiltPlan:
    library = LIBRARIES[TENSORRT]
    return build_plan(library, gpu, onnx_file, clips, queries, timing_cache, report)


def header_of(plan: BuiltPlan) -> dict[str, Any]:
    return fake_tensorrt._read_plan(plan.content)[0]


@pytest.mark.parametrize(
    ("version", "strongly_typed"),
    [("10.3.0", 2), ("10.16.1.11", 2), ("11.0.0.114", 1), ("11.4.0.106", 1)],
)
def test_the_types_in_the_file_count_in_every_release(
    monkeypatch: pytest.MonkeyPatch,
    driver: Path,
    colour_bundle: Path,
    version: str,
    strongly_typed: int,
) -> None:
    """The flag has another value since 11.0, where the old one means something else."""
    fake_nvidia.install(monkeypatch, driver, version=version)
    flags, create = [], fake_tensorrt.Builder.create_network

    def note(builder: fake_tensorrt.Builder, given: int) -> fake_tensorrt.INetworkDefinition:
        flags.append(given)
        return create(builder, given)

    monkeypatch.setattr(fake_tensorrt.Builder, "create_network", note)
    plan = build(colour_bundle / "x_encoder.onnx")
    assert flags == [strongly_typed]
    assert header_of(plan)["strongly_typed"]
    assert header_of(plan)["version"] == version


def test_what_it_takes_and_gives_is_noted(gpu: FakeGpu, colour_bundle: Path) -> None:
    frame = build(colour_bundle / "frame_encoder.onnx")
    assert frame.inputs == {"frame": TensorInfo("UINT8", (1, 32, 32, 3))}
    assert frame.outputs == {"features": TensorInfo("FLOAT", (1, 3, 1, 1))}
    predictor = build(colour_bundle / "predictor.onnx")
    assert predictor.inputs["query_mask"] == TensorInfo("BOOL", (-1, MAX_QUERY_TOKENS))
    assert predictor.outputs == {"embeddings": TensorInfo("FLOAT", (1, -1, 10))}


@pytest.mark.parametrize("name", ["frame_encoder", "x_encoder", "predictor"])
def test_the_number_of_clips_is_fixed(gpu: FakeGpu, colour_bundle: Path, name: str) -> None:
    one, three = (build(colour_bundle / f"{name}.onnx", clips=clips) for clips in (1, 3))
    for tensors in (one, three):
        free = [name for name, it in tensors.inputs.items() if -1 in it.shape]
        assert free == (["query_tokens", "query_mask"] if name == "predictor" else [])
    ((single, more),) = zip(one.outputs.values(), three.outputs.values(), strict=True)
    assert (single.shape[0], more.shape[0]) == (1, 3)
    assert single.shape[1:] == more.shape[1:]


def test_only_the_number_of_queries_is_free(gpu: FakeGpu, colour_bundle: Path) -> None:
    (profile,) = header_of(build(colour_bundle / "predictor.onnx"))["profiles"]
    assert profile["query_mask"] == [[count, MAX_QUERY_TOKENS] for count in QUERIES]
    assert set(profile) == {"query_tokens", "query_mask"}


def test_a_predictor_for_one_query_has_no_free_size(gpu: FakeGpu, tmp_path: Path) -> None:
    bundle = build_bare_bundle(tmp_path / "bare")
    assert header_of(build(bundle / "predictor.onnx"))["profiles"] == []


def with_free_size(source: Path, target: Path, axis: int) -> Path:
    model = onnx.load(source)
    model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = "T"
    onnx.save(model, target)
    return target


@pytest.mark.parametrize(
    ("name", "queries"), [("frame_encoder", QUERIES), ("predictor", QUERIES), ("predictor", ())]
)
def test_any_other_free_size_is_refused(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path, name: str, queries: tuple[int, ...]
) -> None:
    file = with_free_size(colour_bundle / f"{name}.onnx", tmp_path / "free.onnx", 1)
    with pytest.raises(BuildError, match="free sizes other than the numbers of clips and queries"):
        build(file, queries=queries)


def test_a_profile_that_tensorrt_refuses_is_an_error(
    gpu: FakeGpu, colour_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse = lambda config, profile: -1  # noqa: E731
    monkeypatch.setattr(fake_tensorrt.IBuilderConfig, "add_optimization_profile", refuse)
    with pytest.raises(BuildError, match=r"refuses \(1, 2, 64\) queries"):
        build(colour_bundle / "predictor.onnx")


@pytest.mark.parametrize("content", [b"no graph", b"", b"<html>not found</html>"])
def test_a_file_that_is_no_graph_is_an_error_with_the_parsers_words(
    gpu: FakeGpu, tmp_path: Path, content: bytes
) -> None:
    """The parser takes two of them for graphs of nothing."""
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(
        BuildError, match=r"TensorRT 10.3.0 cannot read .*bad.onnx \(.+\); export the bundle again"
    ):
        build(tmp_path / "bad.onnx")


def test_a_build_that_fails_says_what_tensorrt_says(gpu: FakeGpu, colour_bundle: Path) -> None:
    gpu.fail("buildSerializedNetwork", fake_gpu.OUT_OF_MEMORY)
    with pytest.raises(BuildError, match="builds no engine of .*out of memory.*close what else"):
        build(colour_bundle / "x_encoder.onnx")


def test_a_builder_that_does_not_start_is_an_error(
    monkeypatch: pytest.MonkeyPatch, colour_bundle: Path
) -> None:
    fake_nvidia.install(monkeypatch, None)
    with pytest.raises(BuildError, match=r"does not start \(CUDA initialization failure"):
        build(colour_bundle / "x_encoder.onnx")


@pytest.mark.parametrize(("memory_mb", "expected"), [(64_000, 1 << 30), (2_000, 500_000_000)])
def test_scratch_memory_leaves_the_robot_its_own(
    gpu: FakeGpu,
    colour_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    memory_mb: int,
    expected: int,
) -> None:
    limits = []
    keep = lambda config, pool, size: limits.append((pool.name, size))  # noqa: E731
    monkeypatch.setattr(fake_tensorrt.IBuilderConfig, "set_memory_pool_limit", keep)
    build(colour_bundle / "x_encoder.onnx", gpu=replace(ORIN, memory_mb=memory_mb))
    assert limits == [("WORKSPACE", expected)]


def test_measurements_of_earlier_builds_are_used_and_grow(
    gpu: FakeGpu, colour_bundle: Path
) -> None:
    first = build(colour_bundle / "x_encoder.onnx").timing_cache
    second = build(colour_bundle / "x_encoder.onnx", timing_cache=first).timing_cache
    assert second.startswith(first)
    assert len(second) > len(first)


@pytest.mark.parametrize("refused_late", [False, True])
def test_foreign_measurements_are_left_out(
    gpu: FakeGpu, colour_bundle: Path, monkeypatch: pytest.MonkeyPatch, refused_late: bool
) -> None:
    fresh = build(colour_bundle / "x_encoder.onnx").timing_cache
    foreign = fresh + b"foreign" if refused_late else b"foreign"
    take = lambda config, cache, ignore_mismatch: (  # noqa: E731
        b"foreign" not in cache._content and not setattr(config, "_cache", cache)
    )
    monkeypatch.setattr(fake_tensorrt.IBuilderConfig, "set_timing_cache", take)
    assert build(colour_bundle / "x_encoder.onnx", timing_cache=foreign).timing_cache == fresh


def test_progress_goes_from_nothing_to_all(gpu: FakeGpu, colour_bundle: Path) -> None:
    told: list[float] = []
    build(colour_bundle / "x_encoder.onnx", report=told.append)
    assert told == sorted(set(told))
    assert 0 < told[0] < 1
    assert told[-1] == 1


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), RuntimeError("shut down")])
def test_whoever_watches_can_end_a_build(
    gpu: FakeGpu, colour_bundle: Path, interruption: BaseException
) -> None:
    told = []

    def stop(done: float) -> None:
        told.append(done)
        raise interruption

    with pytest.raises(type(interruption)) as raised:
        build(colour_bundle / "x_encoder.onnx", report=stop)
    assert raised.value is interruption
    assert len(told) == 1


def test_phases_within_phases_count_as_parts_of_a_step() -> None:
    tree = PhaseTree()
    assert tree.start("all", None, 4) == 0
    assert tree.step("all", 0) == 0.25
    assert tree.start("part", "all", 2) == 0.25
    assert tree.step("part", 0) == pytest.approx(0.375)
    assert tree.step("part", 1) == 0.5
    assert tree.finish("part") == 0.5, "it never goes back"
    assert tree.step("all", 1) == 0.5
    assert tree.step("all", 3) == 1
    assert tree.finish("all") == 1
    assert tree.step("unknown", 0) == 1


def test_a_phase_that_ends_before_its_last_step_is_told_is_done() -> None:
    tree = PhaseTree()
    tree.start("all", None, 6)
    for step in range(5):
        assert tree.step("all", step) == pytest.approx((step + 1) / 6)
    assert tree.finish("all") == 1


def test_progress_is_told_at_whole_percents_only() -> None:
    told: list[float] = []
    monitor = progress_monitor(fake_tensorrt, told.append)
    monitor.phase_start("all", None, 1000)
    for step in range(1000):
        assert monitor.step_complete("all", step)
    assert told == [percent / 100 for percent in range(1, 101)]


def test_the_log_keeps_the_last_complaints_in_one_line() -> None:
    log = collecting_logger(fake_tensorrt)
    assert log.tail() == "TensorRT's log says nothing"
    severity = fake_tensorrt.ILogger.Severity
    for number in range(7):
        log.log(severity.WARNING, f"warning\n  {number}")
    log.log(severity.INFO, "chatter")
    assert log.tail() == " | ".join(f"warning {number}" for number in range(2, 7))
