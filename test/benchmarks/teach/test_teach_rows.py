# SPDX-License-Identifier: Apache-2.0
"""The benchmark of teaching keeps figures, says what is missing, and tests on other recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.teach.experiment import Result, drawn, left_out, turned
from benchmarks.teach.report import load, missing, save, table
from benchmarks.teach.rows import G1, Row, rows
from benchmarks.teach.score import Score
from vljepa_ros.teaching.taught_recording import Lessons, TaughtRecording


@pytest.fixture
def lessons() -> Lessons:
    """Return ten recordings in five groups."""
    frames = np.zeros((1, 1, 1, 3), np.uint8)
    recordings = (
        TaughtRecording(str(n), f"room {n // 2}", np.zeros(1), frames, {}) for n in range(10)
    )
    return Lessons({}, {}, tuple(recordings))


def names(part: Lessons) -> set[str]:
    return {one.name for one in part.recordings}


def test_what_teaches_never_tests(lessons: Lessons) -> None:
    for draw in range(3):
        split = drawn(lessons, 5, 3, draw)
        assert names(split.tested) == {"0", "1", "2"}
        assert len(names(split.taught)) == 5 and not names(split.taught) & names(split.tested)
        rooms = left_out(lessons, draw)
        assert len(names(rooms.tested)) == 2 and not names(rooms.taught) & names(rooms.tested)
    assert names(drawn(turned(lessons, 3), 5, 3, 0).tested) == {"3", "4", "5"}


def test_figures_come_back_from_the_file(tmp_path: Path) -> None:
    results = [Result(G1, 3, draw, "teach", Score(0.1 * draw, 0.5)) for draw in range(3)]
    save(results, tmp_path / "results.json")
    assert load(tmp_path / "results.json") == results
    assert "| teach | 10 (50) |" in table(results)


def test_rows_without_all_draws_are_named() -> None:
    asked = list(rows([G1], [3, 5], draws=2))
    assert asked[:2] == [Row(G1, 3, 0), Row(G1, 5, 0)]
    results = [Result(G1, 3, draw, "teach", Score(0.5, 0.5)) for draw in range(2)]
    assert missing(results, asked, ["teach"]) == ["missing: G1, 5, of 2 draws: teach 0"]
