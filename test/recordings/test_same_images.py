# SPDX-License-Identifier: Apache-2.0
"""All users of a recording see the same bytes of it, whatever kind of recording it is.

The same pictures lie in a video, a folder and a bag, without loss and at uneven times.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from support.recordings import (
    numbered_pictures,
    write_film,
    write_picture_bag,
    write_picture_files,
)
from vljepa_ros.evaluation.embeddings import embed_clips
from vljepa_ros.recordings.annotations import Answered, Span
from vljepa_ros.recordings.clips import read_clips
from vljepa_ros.recordings.open_clip import opened_clip
from vljepa_ros.recordings.pixels import rgb_pixels
from vljepa_ros.recordings.sample import Sample, SampleError, decode
from vljepa_ros.recordings.spans import SpanError, read_spans
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.tasks import embed_clip

SIZE, FRAMES = 32, 4  # as the colour bundle has them, so that nothing is scaled
TIMES_MS = [0, 100, 200, 260, 300, 800, 900, 1000, 1100, 1500, 1600, 1700]  # the period is 100
PICTURES = numbered_pictures(len(TIMES_MS), SIZE, SIZE)
KINDS = ["film.mkv", "folder", "bag"]
QUERY = ["What colour is the scene?"]

# What each span shows: numbers of pictures, worked out by hand from TIMES_MS.
SHOWN = {
    (0.0, None): [2, 4, 8, 9],  # to 1.8 s: 0.225, 0.675, 1.125, 1.575 s
    (0.2, 0.3): [2, 2, 3, 3],  # 0.2125, 0.2375, 0.2625, 0.2875 s
    (0.35, 0.75): [4, 4, 4, 4],  # between two images
    (0.3, 0.3): [4, 4, 4, 4],  # no length
    (0.9, 1.3): [6, 7, 8, 8],  # 0.95, 1.05, 1.15, 1.25 s
    (1.65, None): [10, 11, 11, 11],  # 1.66875, 1.70625 ...: the last image is shown to 1.8 s
    (1.7, 1.94): [11, 11, 11, 11],  # a little beyond the end
}
BEYOND = (1.0, 1.96)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the pictures as a video, a folder of images and a bag."""
    folder = tmp_path_factory.mktemp("clips")
    write_film(folder / "film.mkv", PICTURES, TIMES_MS)
    write_picture_files(folder / "folder", PICTURES, TIMES_MS)
    write_picture_bag(folder / "bag", PICTURES, TIMES_MS)
    return folder


@pytest.fixture(scope="module")
def model(colour_bundle: Path) -> Iterator[VLJepa]:
    model = VLJepa.load(colour_bundle)
    yield model
    model.close()


def span(clip: str, times: tuple[float, float | None]) -> Span:
    start, end = times
    return Span(clip, start) if end is None else Span(clip, start, end)


def expected(times: tuple[float, float | None]) -> NDArray[np.uint8]:
    return np.stack([PICTURES[number] for number in SHOWN[times]])


def sample(clips: Path, part: Span) -> Sample:
    path = clips / part.clip
    return Sample(part.clip, path, path.suffix, Answered(part, "an answer"))


@pytest.mark.parametrize("clip", KINDS)
def test_all_spans_of_one_reading_show_what_they_should(clips: Path, clip: str) -> None:
    spans = [span(clip, times) for times in (*SHOWN, BEYOND)]
    with opened_clip(clips / clip) as source:
        found = dict(read_spans(source, spans, frames=FRAMES, height=SIZE, width=SIZE))
        assert not source.problems
    assert isinstance(found.pop(span(clip, BEYOND)), SpanError)
    for times in SHOWN:
        np.testing.assert_array_equal(found[span(clip, times)], expected(times), str(times))


@pytest.mark.parametrize("clip", KINDS)
@pytest.mark.parametrize("times", SHOWN)
def test_training_sees_these_images(
    clips: Path, clip: str, times: tuple[float, float | None]
) -> None:
    found = decode(sample(clips, span(clip, times)), FRAMES, SIZE)
    np.testing.assert_array_equal(found, expected(times))


@pytest.mark.parametrize("clip", KINDS)
def test_evaluation_sees_these_images(
    clips: Path, clip: str, model: VLJepa, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    encode_frame = model.encode_frame
    monkeypatch.setattr(
        model, "encode_frame", lambda image: seen.append(image) or encode_frame(image)
    )
    for times in SHOWN:
        seen.clear()
        embed_clips(model, clips, {span(clip, times): QUERY})
        np.testing.assert_array_equal(np.stack(seen), expected(times))


@pytest.mark.parametrize("clip", KINDS)
def test_a_replay_shows_these_images_at_these_times(clips: Path, clip: str) -> None:
    with opened_clip(clips / clip) as source:
        frames = list(source.frames())
    first = frames[0].stamp_ns
    assert [(frame.stamp_ns - first) / 1e6 for frame in frames] == TIMES_MS
    for frame, picture in zip(frames, PICTURES, strict=True):
        np.testing.assert_array_equal(rgb_pixels(frame), picture)


@pytest.mark.parametrize("clip", KINDS)
def test_export_compares_with_torch_on_the_same_clips(clips: Path, clip: str) -> None:
    with opened_clip(clips / clip) as source:
        found = read_clips(source, count=9, frames=3, rate_hz=10.0, height=SIZE, width=SIZE)
    shown = [[0, 1, 2], [5, 5, 5], [6, 7, 8], [9, 10, 11]]  # the nearest at 10 Hz, as in the nodes
    np.testing.assert_array_equal(found, [[PICTURES[one] for one in clip] for clip in shown])


def test_images_without_times_are_chosen_as_those_at_even_times(
    model: VLJepa, tmp_path: Path
) -> None:
    write_film(tmp_path / "even.mkv", PICTURES, [40 * number for number in range(len(PICTURES))])
    whole = Span("even.mkv")
    found = embed_clips(model, tmp_path, {whole: QUERY}).vectors[whole]
    np.testing.assert_array_equal(found, embed_clip(model, PICTURES, QUERY))


@pytest.mark.parametrize("clip", KINDS)
def test_a_span_beyond_the_end_is_refused_by_all_with_the_times(
    clips: Path, clip: str, model: VLJepa
) -> None:
    beyond, good = span(clip, BEYOND), span(clip, (0.0, None))
    evaluated = embed_clips(model, clips, {beyond: QUERY, good: QUERY})
    assert evaluated.unreadable == {f"{clip} [1..1.96 s]": "it ends at 1.800 s, before 1.96 s"}
    with pytest.raises(SampleError, match=rf"{clip} \[1\.\.1\.96 s\]: it ends at 1\.800 s"):
        decode(sample(clips, beyond), FRAMES, SIZE)


@pytest.mark.parametrize("kind", ["film.mkv", "folder", "bag", "still.png"])
def test_one_image_is_repeated(tmp_path: Path, kind: str, model: VLJepa) -> None:
    path = tmp_path / kind
    writers = {"film.mkv": write_film, "folder": write_picture_files, "bag": write_picture_bag}
    if kind in writers:
        writers[kind](path, PICTURES[:1], [0])
    else:
        write_picture_files(tmp_path / "one", PICTURES[:1], [0])
        next((tmp_path / "one").iterdir()).rename(path)
    found = decode(sample(tmp_path, Span(kind)), FRAMES, SIZE)
    np.testing.assert_array_equal(found, [PICTURES[0]] * FRAMES)
    whole = embed_clips(model, tmp_path, {Span(kind): QUERY}).vectors[Span(kind)]
    np.testing.assert_array_equal(whole, embed_clip(model, PICTURES[:1], QUERY))


def test_a_still_picture_is_shown_at_all_times(tmp_path: Path) -> None:
    write_picture_files(tmp_path / "one", PICTURES[:1], [0])
    next((tmp_path / "one").iterdir()).rename(tmp_path / "a.png")
    for part in (Span("a.png", 5.0, 9.0), Span("a.png", 5.0)):
        found = decode(sample(tmp_path, part), FRAMES, SIZE)
        np.testing.assert_array_equal(found, [PICTURES[0]] * FRAMES)
