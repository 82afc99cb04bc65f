# SPDX-License-Identifier: Apache-2.0
"""Streams of several cameras through one model: together what each is alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.colour_bundle import COLOURS, QUERIES, colour_frame
from support.gated_backend import Gate
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.clip_embedder import ClipEmbedder, ClipEmbeddings, Frame, newest_of_each
from vljepa_ros.runtime.model import VLJepa

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
