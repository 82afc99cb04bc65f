# SPDX-License-Identifier: Apache-2.0
"""A bundle is given its statistics and its calibration, and then knows what it does not know."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from support.colour_bundle import (
    COLOURS,
    SIZE,
    add_text_decoder,
    build_bare_bundle,
    colour_frame,
    phrase,
    seal,
)
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.calibration import Calibration
from vljepa_ros.runtime.clip_embedder import ClipEmbedder, ClipEmbeddings, Frame
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.scene_features import trunk_features
from vljepa_ros.runtime.statistics import (
    LabelledClip,
    add_statistics,
    compute_statistics,
    cut_clips,
    fit_calibration,
)
from vljepa_ros.runtime.unfamiliarity import KnownClips, TooFewClipsError

PERIOD = 100_000_000  # ns
REDDISH, BLUISH = (200, 40, 40), (30, 60, 220)


def clips(colour: tuple[int, int, int], answer: str = "", count: int = 12) -> list[LabelledClip]:
    """Return clips of recordings that show a colour, a little different in each."""
    rng = np.random.default_rng(0)
    answers = {"colour": phrase(answer)} if answer else {}
    found = []
    for number in range(count):
        shade = rng.normal(colour, 6)
        for _ in range(12):
            images = rng.normal(shade, 4, (4, SIZE, SIZE, 3)).clip(0, 255).astype(np.uint8)
            found.append(LabelledClip(f"recording {number}", images, answers))
    return found


@pytest.fixture
def bundle(colour_bundle: Path, tmp_path: Path) -> Bundle:
    return Bundle.load(shutil.copytree(colour_bundle, tmp_path / "copy"))


def seen(bundle: Bundle, colour: tuple[int, int, int]) -> ClipEmbeddings:
    """Return what a robot's embedder gives for a steady picture."""
    model = VLJepa.load(bundle.root)
    embedder = ClipEmbedder(model, ["*"])
    image = np.full((SIZE, SIZE, 3), colour, np.uint8)
    for number in range(4):
        found = embedder.add({"": Frame(number * PERIOD, "camera", image, False)})
    model.close()
    return found[""]


def test_an_embedder_knows_familiar_clips_from_strange_ones(bundle: Bundle) -> None:
    assert math.isnan(seen(bundle, REDDISH).unfamiliarity)
    bundle = add_statistics(bundle, clips(REDDISH))
    assert bundle.has_statistics and not bundle.has_calibration
    assert Bundle.load(bundle.root) == bundle
    assert seen(bundle, REDDISH).unfamiliarity < 0.9
    assert seen(bundle, BLUISH).unfamiliarity == 1.0


def test_foreign_clips_become_a_direction(bundle: Bundle) -> None:
    warned = add_statistics(bundle, clips(REDDISH), foreign=clips(BLUISH))
    known = KnownClips.from_bundle(warned)
    assert known.toward_foreign(np.array(BLUISH) / 255) == pytest.approx(1, abs=0.05)
    assert known.toward_foreign(np.array(REDDISH) / 255) == pytest.approx(0, abs=0.05)
    with pytest.raises(TooFewClipsError, match="24 foreign clips are too few"):
        add_statistics(warned, clips(REDDISH), foreign=clips(BLUISH, count=2))


def test_a_model_without_a_trunk_tells_by_the_tokens_of_its_x_encoder(tmp_path: Path) -> None:
    bundle = Bundle.load(build_bare_bundle(tmp_path / "bare"))
    bundle = add_statistics(bundle, clips(REDDISH))
    assert seen(bundle, REDDISH).unfamiliarity < 0.9
    assert seen(bundle, BLUISH).unfamiliarity == 1.0
    np.testing.assert_allclose(seen(bundle, BLUISH).features, np.array(BLUISH) / 255, atol=1e-6)


def test_features_are_the_newest_channels_and_their_change() -> None:
    frames = [np.full((2, 3, 3), value, np.float32) for value in range(8)]
    frames[-1][1, 0, 0] = 16.0  # one of nine places
    found = trunk_features(frames, rate_hz=5.0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [7, 8, 7 - 3, 8 - 3])


@pytest.mark.parametrize(("frames", "rate_hz", "change"), [(2, 5.0, 1), (1, 5.0, 0), (8, 1.0, 1)])
def test_clips_of_any_length_have_features(frames: int, rate_hz: float, change: float) -> None:
    clip = [np.full((1, 2, 2), value, np.float32) for value in range(frames)]
    assert trunk_features(clip, rate_hz).tolist() == [frames - 1, change]


def test_scores_are_how_often_answers_are_right(bundle: Bundle) -> None:
    """Of the reddish clips three of four are labelled red; the share is near 1 for all."""
    right, wrong = clips(REDDISH, "red", 9), clips(REDDISH, "yellow", 3)
    bundle = add_statistics(bundle, clips(REDDISH), [*right, *wrong])
    calibration = Calibration.from_bundle(bundle)
    told = VLJepa.load(bundle.root).describe("colour", seen(bundle, REDDISH).vectors["colour"])
    assert calibration.score("colour", told.share, 0.5) == pytest.approx(0.75, abs=0.02)
    assert calibration.score("colour", told.share, 1.0) == pytest.approx(
        1 / len(COLOURS), abs=1e-3
    )


def test_both_decoders_are_calibrated_and_queries_without_answers_are_not(bundle: Bundle) -> None:
    model = VLJepa.load(add_text_decoder(bundle.root).root)
    found = fit_calibration(model, clips(REDDISH, "red"))
    assert {name: list(each.lines) for name, each in found.items()} == {
        "phrases": ["colour"],
        "sentences": ["colour"],
    }
    assert found["sentences"].lines["colour"].scores[-1] == 1.0, "other words of the same meaning"


def test_few_answers_give_no_line(bundle: Bundle) -> None:
    found = fit_calibration(VLJepa.load(bundle.root), clips(REDDISH, "red", 2))
    assert found["phrases"].lines == {}


def test_an_answer_in_other_words_stands_for_the_nearest_phrase(bundle: Bundle) -> None:
    other = [
        LabelledClip(clip.recording, clip.images, {"colour": "red red scene", "unknown": "?"})
        for clip in clips(REDDISH)
    ]
    found = fit_calibration(VLJepa.load(bundle.root), other)
    assert found["phrases"].lines["colour"].scores[-1] == 1.0


def test_an_older_calibration_goes_with_its_statistics(bundle: Bundle) -> None:
    add_statistics(bundle, clips(REDDISH), clips(REDDISH, "red"))
    again = add_statistics(Bundle.load(bundle.root), clips(BLUISH))
    assert not again.has_calibration
    assert "calibration.json" not in again.files


def test_too_few_clips_change_nothing(bundle: Bundle) -> None:
    with pytest.raises(TooFewClipsError):
        add_statistics(bundle, clips(REDDISH, count=2))
    assert Bundle.load(bundle.root) == bundle


def test_a_stream_is_cut_into_clips_as_a_robot_sees_it(bundle: Bundle) -> None:
    frames = ((i * PERIOD, colour_frame("red")) for i in range(30))
    found = list(cut_clips(bundle, "r", frames, lambda i: {"colour": f"{i}"}, every_s=1.0))
    assert [clip.answers["colour"] for clip in found] == ["3", "13", "23"]
    assert {np.shape(clip.images) for clip in found} == {(4, SIZE, SIZE, 3)}


def test_a_memory_sees_clips_from_the_first_frame_on(streaming_bundle: Path) -> None:
    bundle = Bundle.load(streaming_bundle)
    images = [np.full((SIZE, SIZE, 3), number, np.uint8) for number in range(7)]
    frames = ((number * 200_000_000, image) for number, image in enumerate(images))
    found = list(cut_clips(bundle, "r", frames, every_s=0.4))
    assert [len(clip.images) for clip in found] == [1, 3, 4, 4]
    model = VLJepa.load(streaming_bundle)
    for clip in found:
        frames_of_clip = [model.encode_frame(image) for image in clip.images]
        assert np.isfinite(model.see_clips([frames_of_clip], ["q"]).embeddings).all()
    with pytest.raises(ValueError, match="0 frames, expected 4"):
        model.see_clips([[]], ["q"])


def test_statistics_may_be_computed_alone(bundle: Bundle) -> None:
    known = compute_statistics(VLJepa.load(bundle.root), iter(clips(REDDISH)))
    assert known.mean.shape == (3,), "the channels, and not how they change"
    assert seal(bundle.root) == bundle, "nothing was written"
