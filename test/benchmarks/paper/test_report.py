# SPDX-License-Identifier: Apache-2.0
"""The tables and pictures of the paper's benchmark."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.paper.comparisons import COMPARISONS, OURS, TOKENS, TRAINED, runs
from benchmarks.paper.report import draw, missing, tables
from benchmarks.paper.results import Result, Results


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """Two seeds of ours, measured at two points, and one seed of the other that was stopped."""
    made = Results(tmp_path / "results.json")
    for seed, last in ((0, 70.0), (1, 60.0)):
        for clips, top1 in ((64, 30.0), (128, last)):
            figures = {"top1": top1, "top5": top1 + 10, "cider": 100.0}
            made.add([Result(TRAINED, OURS, seed, clips, figures)])
    made.add([Result(TRAINED, TOKENS, 0, 64, {"top1": 20.0, "top5": 40.0, "cider": 50.0})])
    return made


def test_a_table_has_the_last_points_median_and_range(results: Results) -> None:
    text = tables(results, ["tokens", "stream"])
    assert f"| {OURS} | 100 (100 to 100) | 65.0 (60.0 to 70.0) |" in text
    assert f"| {TOKENS} | 50 | 20.0 |" in text
    assert COMPARISONS["stream"].title not in text


def test_a_figure_that_is_measured_again_takes_the_place_of_the_old(results: Results) -> None:
    results.add([Result(TRAINED, OURS, 0, 128, {"top1": 80.0})])
    assert len(results.of(TRAINED)) == 5
    assert "70.0 (60.0 to 80.0)" in tables(results, ["tokens"])


def test_trainings_that_did_not_end_are_named(results: Results) -> None:
    wanted = runs(["tokens"], seeds=2)
    assert wanted == [(OURS, 0), (TOKENS, 0), (OURS, 1), (TOKENS, 1)]
    assert missing(results, wanted, 128) == [
        f"missing: {TOKENS}, seed 0: 64 of 128 clips",
        f"missing: {TOKENS}, seed 1: 0 of 128 clips",
    ]


def test_what_several_comparisons_show_is_trained_once() -> None:
    everything = runs(list(COMPARISONS), seeds=3)
    assert len(everything) == len(set(everything))
    assert sum(seed == 2 for _, seed in everything) < sum(seed == 0 for _, seed in everything)


def test_the_picture_has_both_curves(results: Results, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures are drawn with matplotlib")
    draw(results, tmp_path / "curves.svg")
    text = (tmp_path / "curves.svg").read_text()
    assert OURS in text and TOKENS in text
