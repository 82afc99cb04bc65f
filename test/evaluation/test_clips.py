# SPDX-License-Identifier: Apache-2.0
"""Parts of real video files and folders, read for the model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.recordings import COLOURS, write_folder, write_video
from vljepa_ros.evaluation.clips import read_clip
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


def names(images: list[np.ndarray]) -> list[str]:
    """Return the colour of each image."""
    means = [image.mean(axis=(0, 1)) for image in images]
    table = np.array(list(COLOURS.values()))
    return [list(COLOURS)[int(np.abs(table - mean).sum(axis=1).argmin())] for mean in means]


def test_a_whole_video_is_spread_over_the_models_frames(model: VLJepa, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", RED + GREEN + BLUE)
    whole = Span("a.mp4")
    images = read_clip(video, [whole], model.bundle).images[whole]
    assert names(images) == ["red", "green", "green", "blue"]
    assert {image.shape for image in images} == {(32, 32, 3)}


def test_spans_of_one_video_are_seconds_from_its_first_image(
    model: VLJepa, tmp_path: Path
) -> None:
    video = write_video(tmp_path / "a.mp4", RED + GREEN + BLUE)
    green, short, late, after = (
        Span("a.mp4", 1.0, 1.95),
        Span("a.mp4", 0.85, 1.15),
        Span("a.mp4", 1.85),
        Span("a.mp4", 3.5, 9.0),
    )
    read = read_clip(video, [green, short, late, after], model.bundle).images
    assert names(read[green]) == ["green"] * 4
    assert names(read[short]) == ["red", "green", "green"]
    assert names(read[late]) == ["blue"] * 4  # the one green image of twelve is in no middle
    assert after not in read


def test_a_folder_counts_its_time_from_its_first_stamp(model: VLJepa, tmp_path: Path) -> None:
    stamps = [f"{1700000000 + second}.5.png" for second in range(4)]
    write_folder(tmp_path / "a", stamps, ["red", "green", "blue", "black"])
    span = Span("a", 1.0, 2.0)
    read = read_clip(tmp_path / "a", [span], model.bundle).images
    assert names(read[span]) == ["green", "blue"]


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
