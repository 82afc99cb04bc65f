# SPDX-License-Identifier: Apache-2.0
"""Truth files are read, or refused with their cause."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vljepa_ros.demo.truth import TruthError, load_truth
from vljepa_ros.views.timeline import TimelineSegment


def test_a_truth_file_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    rows = [{"start": 1, "end": 2, "text": "b"}, {"start": 0, "end": 1, "text": "a"}]
    episodes = [{"start": 0, "end": 2, "task": "opening the drawer"}]
    path.write_text(json.dumps({"rate_hz": 10, "queries": {"action": rows}, "episodes": episodes}))
    truth = load_truth(path)
    assert truth.rate_hz == 10.0
    assert truth.queries == {
        "action": (TimelineSegment(0.0, 1.0, "a"), TimelineSegment(1.0, 2.0, "b"))
    }
    assert truth.episodes == (TimelineSegment(0.0, 2.0, "opening the drawer"),)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("nonsense", "not a truth file"),
        ("[]", "not a truth file"),
        ('{"rate_hz": 10}', "queries"),
        ('{"rate_hz": 10, "queries": []}', "not a truth file"),
        ('{"rate_hz": 0, "queries": {}}', "must be above 0"),
        ('{"rate_hz": 10, "queries": {"a": [{"start": 0, "end": 1}]}}', "text"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "truth.json"
    path.write_text(content)
    with pytest.raises(TruthError, match=says):
        load_truth(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TruthError, match="cannot be read"):
        load_truth(tmp_path / "truth.json")
