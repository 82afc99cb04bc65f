# SPDX-License-Identifier: Apache-2.0
"""A bundle sees an episode as a robot's bundle sees a camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")

from support.colour_bundle import QUERIES, colour_frame
from vljepa_ros.recipes.default_model.shown_streams import shown
from vljepa_ros.runtime.clip_embedder import ClipEmbedder, Frame
from vljepa_ros.runtime.model import VLJepa

COLOURS = ("red", "red", "green", "blue", "blue", "blue", "green", "red")


@pytest.mark.parametrize("kind", ["streaming_bundle", "colour_bundle"])
def test_every_frame_is_answered_as_on_a_robot(kind: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(kind)
    model = VLJepa.load(root)
    rate_hz, asked = model.bundle.clip.rate_hz, [QUERIES["colour"]]
    frames = [colour_frame(colour) for colour in COLOURS]
    found = list(shown(model, (model.encode_frame(frame) for frame in frames), asked))
    embedder = ClipEmbedder(model, ["colour"])
    same = 0
    for number, frame in enumerate(frames):
        stamp_ns = 1 + round(number * 1e9 / rate_hz)
        seen = embedder.add({"": Frame(stamp_ns, "", frame, False)}).get("")
        if seen is not None:
            same += 1
            np.testing.assert_allclose(found[number][0], seen.vectors["colour"], atol=1e-6)
    assert same >= len(COLOURS) - model.bundle.clip.frames + 1


def test_in_the_clips_of_the_first_frames_nothing_moved_before(default_bundle: Path) -> None:
    model = VLJepa.load(default_bundle, threads=1)
    if model.bundle.memory is not None:
        pytest.skip("the bundle in engines/default has a memory, which is empty at first")
    asked = [model.bundle.queries["action"]]
    images = [np.full((160, 160, 3), grey, np.uint8) for grey in (20, 120, 220)]
    frames = [model.encode_frame(image) for image in images]
    before = [frames[0]] * (model.bundle.clip.frames - len(frames))
    found = list(shown(model, frames, asked))
    np.testing.assert_array_equal(found[2], model.embed([*before, *frames], asked))
