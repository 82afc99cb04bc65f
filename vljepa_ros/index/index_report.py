# SPDX-License-Identifier: Apache-2.0
"""What a user sees of an index: a bar while it works, and what became of the recordings."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from vljepa_ros.index.find_recordings import RecordingJob
from vljepa_ros.index.index_job import Fate, Outcome

_GOOD = (Fate.INDEXED, Fate.KEPT)
_NAMED = 20  # recordings of one fate that are named


class IndexReport:
    """Counts outcomes, and shows a bar at a terminal.

    Attributes:
        outcomes: so far.
        named: whether the user named the topics of bags.
    """

    def __init__(self, recordings: int, *, named: bool) -> None:
        """Begin with the number of recordings; the clock starts now."""
        self.outcomes: list[Outcome] = []
        self.named = named
        self._began_s = time.monotonic()
        self._running: dict[RecordingJob, float] = {}
        self._bar: Any = None
        with suppress(ImportError):
            from tqdm import tqdm

            self._bar = tqdm(total=recordings, unit="recording", disable=None, miniters=1)

    def told(self, job: RecordingJob, seconds: float) -> None:
        """Show how many seconds of a recording are done; called from any thread."""
        self._running[job] = seconds
        if self._bar is not None:
            self._bar.set_postfix_str(self._speed(), refresh=False)
            self._bar.update(0)

    def take(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.outcomes.append(outcome)
        self._running.pop(outcome.job, None)
        if self._bar is not None:
            self._bar.set_postfix_str(self._speed(), refresh=False)
            self._bar.update(1)

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()

    @property
    def has_indexed(self) -> bool:
        """Whether the store has changed."""
        return any(outcome.fate is Fate.INDEXED for outcome in self.outcomes)

    @property
    def has_failed(self) -> bool:
        """Whether a recording could not be indexed that the user asked for."""
        return any(outcome.fate is Fate.UNREADABLE for outcome in self._judged())

    def lines(self) -> Iterator[str]:
        """Yield what became of the recordings, for people."""
        outcomes = self._judged()
        counts = Counter(outcome.fate for outcome in outcomes)
        for fate in Fate:
            if counts[fate]:
                yield f"{counts[fate]} {fate.value}{self._pace(fate)}"
            yield from _causes([one for one in outcomes if one.fate is fate and one.cause])

    def _judged(self) -> list[Outcome]:
        """Return the outcomes; a depth topic beside one with colours is no failure."""
        if self.named:
            return self.outcomes
        good = {one.job.path for one in self.outcomes if one.fate in _GOOD}
        return [
            replace(one, fate=Fate.NO_PICTURES)
            if one.fate is Fate.UNREADABLE and one.job.path in good
            else one
            for one in self.outcomes
        ]

    def _pace(self, fate: Fate) -> str:
        if fate is not Fate.INDEXED:
            return ""
        minutes = sum(outcome.seconds for outcome in self.outcomes) / 60
        return f": {minutes:.1f} minutes, {self._speed()}"

    def _speed(self) -> str:
        seconds = sum(one.seconds for one in self.outcomes) + sum(self._running.values())
        return f"{seconds / max(1e-3, time.monotonic() - self._began_s):.1f} x real time"


def _causes(told: Sequence[Outcome]) -> Iterator[str]:
    yield from (f"  {one.job}: {one.cause}" for one in told[:_NAMED])
    if len(told) > _NAMED:
        yield f"  and {len(told) - _NAMED} more"
