# SPDX-License-Identifier: Apache-2.0
"""A training data set gives the clips that a robot would see of it, with their answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.colour_bundle import QUERIES, SIZE
from support.training_clips import COLOURS, write_annotations, write_clips
from vljepa_ros.evaluation.labelled_clips import NoLabelledClipsError, labelled_clips
from vljepa_ros.runtime.bundle import Bundle


@pytest.fixture
def bundle(colour_bundle: Path) -> Bundle:
    return Bundle.load(colour_bundle)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A video that shows each colour for a second, and a picture of each."""
    write_clips(tmp_path)
    return tmp_path


def annotate(folder: Path, **fields: object) -> None:
    write_annotations(folder, [{"clip": "all.mp4", **fields}])


def test_a_part_gives_clips_up_to_its_end_and_its_answer(folder: Path, bundle: Bundle) -> None:
    annotate(folder, start=1.0, end=2.0, query="colour", answer="green")
    clips = list(labelled_clips(folder, bundle))
    assert len(clips) == 2, "one at the end, and one 0.4 s before that"
    for clip in clips:
        assert dict(clip.answers) == {"colour": "green"}
        assert np.shape(clip.images) == (bundle.clip.frames, SIZE, SIZE, 3)
        near = np.abs(np.mean(clip.images, axis=(0, 1, 2)) - COLOURS["green"]).max()
        assert near < 40, "what a robot sees there"


def test_a_query_may_be_named_by_its_text(folder: Path, bundle: Bundle) -> None:
    annotate(folder, start=0.0, end=0.5, query=QUERIES["colour"], answer="red")
    (clip,) = labelled_clips(folder, bundle)
    assert dict(clip.answers) == {"colour": "red"}


def test_an_open_end_is_the_end_of_the_recording(folder: Path, bundle: Bundle) -> None:
    annotate(folder, query="colour", answer="red")
    assert len(list(labelled_clips(folder, bundle))) == 7, "3 s"


def test_answers_to_several_queries_about_a_part_are_of_one_clip(
    folder: Path, bundle: Bundle
) -> None:
    part = {"clip": "all.mp4", "start": 0.0, "end": 0.5}
    lines = [{**part, "query": "colour", "answer": "red"}]
    write_annotations(folder, [*lines, {**part, "query": "brightness", "answer": "dark"}])
    (clip,) = labelled_clips(folder, bundle)
    assert dict(clip.answers) == {"colour": "red", "brightness": "dark"}


def test_pictures_are_clips_of_one_image(folder: Path, bundle: Bundle) -> None:
    write_annotations(folder, [{"clip": "blue.png", "query": "colour", "answer": "blue"}])
    (clip,) = labelled_clips(folder, bundle)
    assert np.shape(clip.images)[0] == bundle.clip.frames


def test_what_cannot_be_read_is_left_out_and_named_if_nothing_can(
    folder: Path, bundle: Bundle
) -> None:
    gone = {"clip": "gone.mp4", "answer": "red"}
    write_annotations(folder, [gone, {"clip": "all.mp4", "end": 0.5, "answer": "red"}])
    assert len(list(labelled_clips(folder, bundle))) == 1
    write_annotations(folder, [gone])
    with pytest.raises(NoLabelledClipsError, match=r"no clip .* can be read; .*gone\.mp4"):
        list(labelled_clips(folder, bundle))
