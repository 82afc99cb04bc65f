# SPDX-License-Identifier: Apache-2.0
"""Streams of several cameras through one model: together what each is alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from support.colour_bundle import COLOURS, QUERIES, colour_frame
from support.gated_backend import Gate
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.clip_embedder import (
    ClipEmbedder,
    ClipEmbeddings,
    Frame,
    NoClipError,
    newest_of_each,
)
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.onnx_session import OnnxGraph

PERIOD = 100_000_000  # ns, the colour bundle's


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    gate.install(monkeypatch)
    return gate


@pytest.fixture
def model(gate: Gate, colour_bundle: Path) -> Iterator[VLJepa]:
    model = VLJepa.load(colour_bundle)
    gate.batches.clear()
    yield model
    model.close()


def frame(number: int, colour: str = "red", *, restart: bool = False) -> Frame:
    return Frame(number * PERIOD, "camera", colour_frame(colour), restart)


def same(found: ClipEmbeddings, true: ClipEmbeddings) -> bool:
    """Whether two results are of the same clip and have the same embeddings."""
    times = (found.start_ns, found.end_ns) == (true.start_ns, true.end_ns)
    pairs = [(found.vectors[name], true.vectors[name]) for name in QUERIES]
    return times and all(np.allclose(*pair, atol=1e-6) for pair in pairs)


def test_cameras_together_give_what_each_gives_alone(model: VLJepa) -> None:
    """The second begins later and misses a frame, the third shows what the first showed before."""
    colours = [*COLOURS, *COLOURS]
    streams = {
        "a": {i: frame(i, colours[i]) for i in range(8)},
        "b": {i: frame(i, colours[i + 2]) for i in range(2, 8) if i != 6},
        "c": {i: frame(i, colours[i - 1]) for i in range(1, 8)},
    }
    together = ClipEmbedder(model, ["*"], list(streams))
    alone = {name: ClipEmbedder(model, ["*"]) for name in streams}
    seen = 0
    for i in range(8):
        frames = {name: stream[i] for name, stream in streams.items() if i in stream}
        found = together.add(frames)
        true = {name: alone[name].add({"": one}).get("") for name, one in frames.items()}
        assert found.keys() == {name for name, result in true.items() if result is not None}
        assert all(same(result, true[name]) for name, result in found.items())
        seen += len(found)
    assert seen == 5 + 2 + 4


def test_each_run_takes_the_frames_of_all(model: VLJepa, gate: Gate) -> None:
    embedder = ClipEmbedder(model, ["colour"], ["a", "b"])
    for number in range(4):
        found = embedder.add({"a": frame(number), "b": frame(number, "blue")})
    assert found.keys() == {"a", "b"}
    assert gate.batches == [2, 2, 2, 2]


def test_a_restart_is_of_its_camera_and_not_lost_with_a_frame_that_failed(
    model: VLJepa, gate: Gate
) -> None:
    embedder = ClipEmbedder(model, ["colour"], ["a", "b"])
    for number in range(4):
        embedder.add({"a": frame(number), "b": frame(number)})
    gate.failing = True
    with pytest.raises(BackendError):
        embedder.add({"a": frame(4, restart=True), "b": frame(4)})
    gate.failing = False
    assert embedder.add({"a": frame(5), "b": frame(5)}).keys() == {"b"}


def test_a_clip_whose_embedding_is_not_finite_fails_alone(model: VLJepa, gate: Gate) -> None:
    embedder = ClipEmbedder(model, ["*"], ["a", "b"])
    for number in range(4):
        good = embedder.add({"a": frame(number), "b": frame(number)})
    gate.not_finite_clips = {0}
    found = embedder.add({"a": frame(4), "b": frame(4)})
    assert {name: one.is_finite for name, one in found.items()} == {"a": False, "b": True}
    gate.not_finite_clips = {0, 1}
    with pytest.raises(BackendError, match="not finite"):
        embedder.add({"a": frame(5), "b": frame(5)})
    assert all(one.is_finite for one in good.values())


def test_the_newest_frame_of_each_camera_waits_and_keeps_its_restart() -> None:
    waiting = {"a": frame(1, restart=True), "b": frame(1)}
    found = newest_of_each(waiting, {"a": frame(2), "c": frame(2)})
    stamps = {name: one.stamp_ns // PERIOD for name, one in found.items()}
    assert stamps == {"a": 2, "b": 1, "c": 2}
    assert {name for name, one in found.items() if one.restart} == {"a"}


@pytest.fixture
def streaming(gate: Gate, streaming_bundle: Path) -> Iterator[VLJepa]:
    model = VLJepa.load(streaming_bundle)
    gate.batches.clear()
    yield model
    model.close()


def sees(model: VLJepa, found: ClipEmbeddings, *shown: str) -> bool:
    """Whether an embedding is that of the newest two frames of a stream, or of its only one."""
    frames = [colour_frame(each) for each in (shown[0], shown[0], shown[0], shown[-1])]
    clip = [model.encode_frame(each) for each in frames]
    true = model.embed(clip, [QUERIES["colour"]])[0]
    return bool(np.allclose(found.vectors["colour"], true, atol=1e-6))


def test_a_model_with_a_memory_answers_from_the_first_frame_on(streaming: VLJepa) -> None:
    embedder = ClipEmbedder(streaming, ["colour"])
    first = embedder.add({"": frame(0, "red")})[""]
    second = embedder.add({"": frame(2, "green")})[""]
    assert sees(streaming, first, "red")
    assert sees(streaming, second, "red", "green")
    assert (second.start_ns, second.end_ns) == (0, 2 * PERIOD)


def test_only_frames_that_are_due_stay_in_the_memory(streaming: VLJepa) -> None:
    """The memory has 5 Hz and the camera 10: of the frames 0 to 3 the first and third stay."""
    embedder = ClipEmbedder(streaming, ["colour"])
    for number, shown in enumerate(("white", "blue", "red", "blue")):
        found = embedder.add({"": frame(number, shown)})[""]
    assert sees(streaming, found, "red", "blue")
    assert sees(streaming, embedder.add({"": frame(4, "green")})[""], "red", "green")


@pytest.mark.parametrize("number", [-5, 1, 30])
def test_a_memory_ends_where_time_jumps_back_or_leaves_a_gap(
    streaming: VLJepa, number: int
) -> None:
    embedder = ClipEmbedder(streaming, ["colour"])
    for stamp in (1, 3, 5):
        embedder.add({"": frame(stamp, "red")})
    found = embedder.add({"": frame(number, "green")})[""]
    assert sees(streaming, found, "green")
    assert found.start_ns == found.end_ns == number * PERIOD


def test_a_frame_that_gives_no_numbers_is_not_remembered(streaming: VLJepa, gate: Gate) -> None:
    embedder = ClipEmbedder(streaming, ["colour"], ["a", "b"])
    embedder.add({"a": frame(0), "b": frame(0)})
    gate.not_finite_clips = {0}
    found = embedder.add({"a": frame(2, "blue"), "b": frame(2, "blue")})
    assert {name: one.is_finite for name, one in found.items()} == {"a": False, "b": True}
    gate.not_finite_clips = set()
    found = embedder.add({"a": frame(4, "green"), "b": frame(4, "green")})
    assert sees(streaming, found["a"], "red", "green")
    assert sees(streaming, found["b"], "blue", "green")


def test_the_window_of_a_memory_is_what_the_newest_frame_sees(streaming: VLJepa) -> None:
    embedder = ClipEmbedder(streaming, ["colour"])
    begins = [embedder.add({"": frame(2 * number)})[""].start_ns for number in range(7)]
    assert [begin // (2 * PERIOD) for begin in begins] == [0, 0, 0, 0, 1, 2, 3]
    slow = ClipEmbedder(streaming, ["colour"])  # four periods of 5 Hz are 0.8 s
    begins = [slow.add({"": frame(6 * number)})[""].start_ns for number in range(4)]
    assert [begin // (6 * PERIOD) for begin in begins] == [0, 0, 1, 2]


def test_a_question_about_a_stream_does_not_move_it_on(streaming: VLJepa) -> None:
    embedder = ClipEmbedder(streaming, ["colour"])
    with pytest.raises(NoClipError, match="no clip is complete"):
        embedder.ask(QUERIES["colour"], ["red"])
    embedder.add({"": frame(0, "white")})
    seen = embedder.add({"": frame(2, "green")})[""]
    for _ in range(3):
        found = embedder.ask(QUERIES["colour"], ["red", "green"])
        cosines = streaming.similarities(seen.vectors["colour"], ["red", "green"])
        np.testing.assert_allclose(found.cosines, cosines, atol=1e-6)
        assert found.end_ns == 2 * PERIOD
    embedder.clear()
    with pytest.raises(NoClipError):
        embedder.ask(QUERIES["colour"], ["red"])


def test_what_changed_is_told_beside_what_is_there(streaming: VLJepa) -> None:
    """Features are the channels of the newest frame, and their change within 0.8 s."""
    embedder = ClipEmbedder(streaming, ["colour"])
    for number, shown in enumerate(("red", "red", "red", "green")):
        found = embedder.add({"": frame(2 * number, shown)})[""]
    np.testing.assert_allclose(found.features, [0, 1, 0, -1, 1, 0], atol=1e-6)


def test_queries_are_as_long_as_they_must_be(
    streaming: VLJepa, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = []
    run = OnnxGraph.run

    def watched(graph: OnnxGraph, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        if graph.name == "predictor":
            lengths.append(inputs["query_tokens"].shape[1])
        return run(graph, inputs)

    monkeypatch.setattr(OnnxGraph, "run", watched)
    embedder = ClipEmbedder(streaming, ["a: what ?", "b: what colour is the scene ?"])
    embedder.add({"": frame(0)})
    embedder.use_queries(["a: what ?"])
    embedder.add({"": frame(2)})
    assert lengths == [6, 2]
