# SPDX-License-Identifier: Apache-2.0
"""A score is how often answers with such a share are right, and less on strange clips."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from support.colour_bundle import seal
from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.calibration import (
    Calibration,
    ScoreLine,
    calibration_fields,
    calibrations_of,
)

FAMILIAR, STRANGEST, UNKNOWN = 0.5, 1.0, math.nan


def overconfident(count: int = 4000, seed: int = 0) -> ScoreLine:
    """Return the line of a decoder that is right in half of what it is sure of."""
    rng = np.random.default_rng(seed)
    shares = rng.uniform(0.2, 1, count)
    return ScoreLine.fit(shares, rng.random(count) < shares / 2, guess=0.1)


@pytest.fixture
def calibration() -> Calibration:
    return Calibration({"colour": overconfident()})


@pytest.fixture
def copy(colour_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(colour_bundle, tmp_path / "copy"))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_score_is_how_often_answers_with_such_a_share_are_right(
    calibration: Calibration, share: float
) -> None:
    assert calibration.score("colour", share, FAMILIAR) == pytest.approx(share / 2, abs=0.05)


def test_a_larger_share_is_never_worth_less() -> None:
    rng = np.random.default_rng(0)
    line = ScoreLine.fit(rng.random(300), rng.random(300) < 0.5, guess=0.1)
    scores = [line.at(share) for share in np.linspace(0, 1, 50)]
    assert np.diff(scores).min() >= 0


def test_scores_fall_with_unfamiliarity_to_that_of_a_guess(calibration: Calibration) -> None:
    scores = [calibration.score("colour", 0.9, u) for u in (0.0, 0.9, 0.985, 0.99, 0.995, 1.0)]
    assert scores[0] == scores[1]
    assert np.diff(scores[1:]).max() < 0
    assert scores[-1] == pytest.approx(0.1)


def test_a_score_below_that_of_a_guess_stays_where_it_is() -> None:
    line = ScoreLine((0.0, 1.0), (0.0, 1.0), guess=0.5)
    assert Calibration({"colour": line}).score("colour", 0.2, STRANGEST) == pytest.approx(0.2)


def test_an_unknown_unfamiliarity_changes_nothing(calibration: Calibration) -> None:
    score = calibration.score("colour", 0.9, UNKNOWN)
    assert score == calibration.score("colour", 0.9, FAMILIAR)


def test_without_a_calibration_the_score_is_the_share(colour_bundle: Path) -> None:
    calibration = Calibration.from_bundle(Bundle.load(colour_bundle))
    assert calibration.score("colour", 0.7, STRANGEST) == 0.7


def test_a_query_that_was_not_measured_keeps_its_share_on_familiar_clips(
    calibration: Calibration,
) -> None:
    assert calibration.score("mine", 0.7, FAMILIAR) == 0.7
    assert calibration.score("mine", 0.7, STRANGEST) == 0.0


def test_few_answers_make_a_line_without_noise() -> None:
    line = ScoreLine.fit([0.1, 0.9] * 20, [False, True] * 20, guess=0.1)
    assert len(line.shares) == 1
    assert line.at(0.9) == pytest.approx(0.5)


def test_calibrations_come_back_from_a_bundle(copy: Path, calibration: Calibration) -> None:
    write(copy, calibration_fields({"phrases": calibration}))
    bundle = seal(copy, calibration="calibration.json")
    assert bundle.has_calibration
    found = Calibration.from_bundle(bundle)
    assert found.lines == calibration.lines
    assert set(calibrations_of(bundle)) == {"phrases"}
    assert Calibration.from_bundle(bundle, "sentences").lines == {}


@pytest.mark.parametrize(
    "line",
    [
        {"shares": [0.1, 0.9], "scores": [0.5, 0.4], "guess": 0.1},
        {"shares": [0.9, 0.1], "scores": [0.4, 0.5], "guess": 0.1},
        {"shares": [0.1], "scores": [0.4, 0.5], "guess": 0.1},
        {"shares": [], "scores": [], "guess": 0.1},
        {"shares": [0.1, 0.9], "scores": [0.4, 1.5], "guess": 0.1},
        {"shares": [0.1, 0.9], "scores": [0.4, None], "guess": 0.1},
        {"shares": [0.1, 0.9], "scores": [0.4, 0.5], "guess": -0.1},
        {"shares": [0.1, 0.9], "scores": [0.4, 0.5]},
    ],
)
def test_a_damaged_calibration_is_refused_and_named(copy: Path, line: object) -> None:
    write(copy, {"phrases": {"colour": line}})
    bundle = seal(copy, calibration="calibration.json")
    with pytest.raises(BundleError, match=r"calibration\.json: .*colour"):
        Calibration.from_bundle(bundle)


def write(root: Path, content: object) -> None:
    (root / "calibration.json").write_text(json.dumps(content), encoding="utf-8")
