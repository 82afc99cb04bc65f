# SPDX-License-Identifier: Apache-2.0
"""Why no state came is said from what was counted, not guessed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from vljepa_ros.demo.record import EmbeddingRecord, RunRecord, StateRecord
from vljepa_ros.demo.verdict import why_no_state

MS = 1_000_000
STATE = StateRecord("action", "it moves", "", 0.9, 0.9, None, "", 0.0, "first", 0, 0, 0, 0)
EMBEDDING = EmbeddingRecord("action", "space", 4, None, None, 0, 0, 0, 0)
LONG = RunRecord(
    "a.mp4",
    clip_s=0.7,
    frame_s=0.1,
    complete=True,
    published=50,
    frames=50,
    first_frame_ns=0,
    last_frame_ns=4900 * MS,
    reports={"embedder": "the model failed 3 times in a row", "describer": "no message for 6 s"},
)


def test_states_need_no_reason() -> None:
    assert why_no_state(replace(LONG, states=[STATE])) == ""


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"complete": False}, "ended before the first state"),
        ({"frames": 0}, "published 50 images, and none arrived"),
        (
            {"refused": Counter({"the encoding '8UC3' is not supported": 49, "cut off": 1})},
            "49 of them cannot be used: the encoding '8UC3' is not supported",
        ),
        ({"last_frame_ns": 0}, "all stamps are equal"),
        ({"frames": 1, "last_frame_ns": 0}, "they last 0.0 s, and one clip of the model takes"),
        ({"last_frame_ns": 600 * MS}, "they last 0.6 s, and one clip of the model takes 0.7 s"),
        (
            {"embedder": {"stamps: gap": 20, "stamps: jump back": 5, "stamps: duplicate": 1}},
            "their stamps jump 25 times",
        ),
        ({"embedder": {"frames replaced by newer ones": 41}}, "the model is too slow"),
        ({}, "the embedder says: the model failed 3 times in a row"),
        ({"embeddings": [EMBEDDING]}, "the describer says: no message for 6 s"),
        (
            {"embeddings": [replace(EMBEDDING, unfamiliarity=1.0)]},
            "before it is sure that nothing can be claimed (unfamiliar scene)",
        ),
        ({"embeddings": [replace(EMBEDDING, image_fault=1)]}, "(lens covered)"),
    ],
)
def test_every_reason_is_told_in_its_own_words(changes: dict[str, Any], says: str) -> None:
    assert says in why_no_state(replace(LONG, **changes))
