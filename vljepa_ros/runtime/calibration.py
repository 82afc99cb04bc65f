# SPDX-License-Identifier: Apache-2.0
"""What a decoder's share of an answer is worth: how often answers with such a share are right.

A share of 0.9 says how much better the answer fits than the others of its query. How often it is
right has to be counted, on labelled clips that the model was not trained on. A calibration is the
result, one rising line for each query and decoder. It holds for scenes like those clips. So the
score falls to that of a guess as a clip becomes stranger than the known ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vljepa_ros.fields import FieldReader
from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.bundle_files import EXPORT_AGAIN
from vljepa_ros.runtime.decoder import PHRASES

STRANGE = 0.98
"""Unfamiliarity above which the score falls; at 1 nothing is left of it but the guess."""

LEAST_ANSWERS = 50
"""Fewer judged answers to a query say nothing about the next one."""

_KNOTS = 12  # of a line, at most
_PER_KNOT = 25  # answers, at least: their mean is then within 0.1 of the truth


@dataclass(frozen=True)
class ScoreLine:
    """How often answers to one query are right, by their share.

    Attributes:
        shares: of the knots, ascending, 0..1.
        scores: how often answers with these shares are right, never falling, 0..1.
        guess: how often an answer is right that has nothing to do with the clip.
    """

    shares: tuple[float, ...]
    scores: tuple[float, ...]
    guess: float

    @classmethod
    def fit(cls, shares: ArrayLike, right: ArrayLike, guess: float) -> ScoreLine:
        """Count how often answers are right.

        Args:
            shares: of the answers (n), at least one.
            right: whether each is right (n).
            guess: as above.
        """
        order = np.argsort(shares, kind="stable")
        rows = np.stack([np.asarray(shares, float)[order], np.asarray(right, float)[order]])
        count = int(np.clip(rows.shape[1] // _PER_KNOT, 1, _KNOTS))
        groups = _risen(np.array_split(rows, count, axis=1))
        means = np.array([group.mean(axis=1) for group in groups])
        places, scores = (tuple(round(float(v), 4) for v in column) for column in means.T)
        return cls(places, scores, round(guess, 4))

    def at(self, share: float) -> float:
        """Return the score of a share on a familiar clip."""
        return float(np.interp(share, self.shares, self.scores))


class Calibration:
    """The lines of one decoder."""

    def __init__(self, lines: Mapping[str, ScoreLine]) -> None:
        """Take the line of each query, by its name."""
        self.lines = dict(lines)

    @classmethod
    def from_bundle(cls, bundle: Bundle, decoder: str = PHRASES) -> Calibration:
        """Read the calibration of a bundle's decoder; one without lines if it has none.

        Raises:
            BundleError: the file does not verify, or holds something else.
        """
        return calibrations_of(bundle).get(decoder, cls({}))

    def score(self, query: str, share: float, unfamiliarity: float) -> float:
        """Return how probable it is, 0..1, that an answer is right.

        Args:
            query: name of the query that is answered. If it was not measured, nothing is known
                but the share.
            share: of the answer, from the decoder.
            unfamiliarity: of the clip (:mod:`.unfamiliarity`); NaN if nobody knows, which is taken
                for familiar.
        """
        if not self.lines:
            return share
        line = self.lines.get(query)
        score, guess = (share, 0.0) if line is None else (line.at(share), line.guess)
        familiar = 1.0
        if not math.isnan(unfamiliarity):
            familiar = min(1.0, max(0.0, (1.0 - unfamiliarity) / (1.0 - STRANGE)))
        return guess + familiar * (score - guess) if score > guess else score


def calibrations_of(bundle: Bundle) -> dict[str, Calibration]:
    """Read the calibrations of a bundle by the name of their decoder; none if it has none.

    Raises:
        BundleError: the file does not verify, or holds something else.
    """
    if bundle.calibration is None:
        return {}
    try:
        reader = FieldReader(bundle.read_json(bundle.calibration), "the calibration")
        return {name: _parse(reader.section(name)) for name in reader.names()}
    except ValueError as error:
        raise BundleError(bundle.root / bundle.calibration, str(error), EXPORT_AGAIN) from error


def calibration_fields(calibrations: Mapping[str, Calibration]) -> dict[str, Any]:
    """Return what the file of a bundle holds, by the name of the decoder and of the query."""
    return {
        decoder: {
            query: {"shares": line.shares, "scores": line.scores, "guess": line.guess}
            for query, line in calibration.lines.items()
        }
        for decoder, calibration in calibrations.items()
    }


def _risen(groups: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Join neighbours (2, n) of shares and rights until the share of rights never falls."""
    risen: list[NDArray[np.float64]] = []
    for group in groups:
        while risen and risen[-1][1].mean() >= group[1].mean():
            group = np.concatenate([risen.pop(), group], axis=1)
        risen.append(group)
    return risen


def _parse(decoder: FieldReader) -> Calibration:
    return Calibration({query: _line(decoder.section(query)) for query in decoder.names()})


def _line(reader: FieldReader) -> ScoreLine:
    shares, scores = reader.number_list("shares"), reader.number_list("scores")
    guess = reader.number("guess")
    probabilities = np.array([*shares, *scores, guess])
    rise = len(shares) == len(scores) > 0 and all(
        (np.diff(each) >= 0).all() for each in (shares, scores)
    )
    if not rise or ((probabilities < 0) | (probabilities > 1)).any():
        raise ValueError(f"{reader.name('scores')} must rise with the shares, from 0 to 1")
    return ScoreLine(tuple(shares), tuple(scores), guess)
