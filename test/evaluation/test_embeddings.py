# SPDX-License-Identifier: Apache-2.0
"""Annotated parts of real recordings are embedded, or named with the reason why not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.colour_bundle import phrase
from support.recordings import bag_image, write_bag, write_folder, write_video
from vljepa_ros.evaluation.embeddings import NoClipsError, embed_clips
from vljepa_ros.recordings.annotations import Span
from vljepa_ros.runtime.model import VLJepa

RED, GREEN, BLUE = ["red"] * 10, ["green"] * 10, ["blue"] * 10
QUERY = ["What colour is the scene?"]


@pytest.fixture(scope="module")
def model(colour_bundle: Path) -> Iterator[VLJepa]:
    model = VLJepa.load(colour_bundle)
    yield model
    model.close()


def test_each_span_of_a_clip_gets_its_own_embedding(model: VLJepa, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", RED + GREEN + BLUE)
    expected = {"red": Span("a.mp4", 0.0, 1.0), "blue": Span("a.mp4", 2.0)}
    clips = embed_clips(model, tmp_path, dict.fromkeys(expected.values(), QUERY))
    for colour, span in expected.items():
        assert model.describe("colour", clips.vectors[span][0]).text == phrase(colour)


def test_a_topic_of_a_bag_can_be_named(model: VLJepa, tmp_path: Path) -> None:
    images = [(n, bag_image("green", (n + 1) * 100_000_000)) for n in range(3)]
    depth = [(n, bag_image("blue", (n + 1) * 100_000_000)) for n in range(3)]
    write_bag(tmp_path / "bag", images, topic="/front", depth=depth)
    green, blue = Span("bag"), Span("bag", topic="/a/depth")
    clips = embed_clips(model, tmp_path, dict.fromkeys([green, blue], QUERY))
    assert model.describe("colour", clips.vectors[green][0]).text == phrase("green")
    assert model.describe("colour", clips.vectors[blue][0]).text == phrase("blue")


def test_damage_after_some_spans_leaves_these(model: VLJepa, tmp_path: Path) -> None:
    """The images of the later span are of a format that nobody knows."""
    good = [(n, bag_image("green", (n + 1) * 100_000_000)) for n in range(3)]
    bad = [(n, bag_image("green", (n + 1) * 100_000_000, "strange")) for n in range(3, 6)]
    write_bag(tmp_path / "bag", good + bad)
    clips = embed_clips(
        model, tmp_path, dict.fromkeys([Span("bag", 0, 0.2), Span("bag", 0.4, 0.5)], QUERY)
    )
    assert list(clips.vectors) == [Span("bag", 0, 0.2)]
    assert "strange" in clips.unreadable["bag [0.4..0.5 s]"]


def test_unreadable_clips_are_named_and_the_others_embedded(model: VLJepa, tmp_path: Path) -> None:
    write_video(tmp_path / "good.mp4", GREEN)
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    (tmp_path / "empty").mkdir()
    spans = [Span("good.mp4"), Span("bad.mp4"), Span("gone.mp4"), Span("empty")]
    spans.append(Span("good.mp4", 7.0, 8.0))
    clips = embed_clips(model, tmp_path, dict.fromkeys(spans, QUERY))
    assert list(clips.vectors) == [Span("good.mp4")]
    assert list(clips.unreadable) == ["good.mp4 [7..8 s]", "bad.mp4", "gone.mp4", "empty"]
    assert "does not exist" in clips.unreadable["gone.mp4"]
    assert clips.unreadable["good.mp4 [7..8 s]"] == "it ends at 1.000 s, before 8 s"
    assert clips.damaged == {}


def test_a_clip_that_lacks_images_is_used_and_named(model: VLJepa, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", ["0.png", "1.png"], ["red", "red"])
    (folder / "2.png").write_bytes(b"no image")
    clips = embed_clips(model, tmp_path, {Span("a"): QUERY})
    assert list(clips.vectors) == [Span("a")]
    assert clips.damaged == {"a": "image file cannot be read (1 times)"}


def test_no_readable_clip_is_an_error_that_says_why(model: VLJepa, tmp_path: Path) -> None:
    with pytest.raises(NoClipsError, match=r"none of the 2 .+ gone\.mp4: .+does not exist"):
        embed_clips(model, tmp_path, {Span("gone.mp4"): QUERY, Span("lost.mp4"): QUERY})
