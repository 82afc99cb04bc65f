# SPDX-License-Identifier: Apache-2.0
"""How long each step of a long piece of work takes, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Told the name of a step and the share of it, 0..1, that is done."""


class Watch:
    """Measures steps that follow one another."""

    def __init__(self, on_progress: Progress) -> None:
        """Start without a step."""
        self._on_progress = on_progress
        self._begun: list[tuple[str, float]] = []

    def begin(self, name: str) -> None:
        """Begin a step; the one before it ends."""
        self._begun.append((name, time.monotonic()))
        self._on_progress(name, 0.0)

    def step(self, name: str) -> Callable[[float], None]:
        """Begin a step and return what is told the share of it that is done."""
        self.begin(name)
        return lambda share: self._on_progress(name, share)

    def took_s(self) -> dict[str, float]:
        """Return the seconds that each step took so far."""
        ends = [begin for _, begin in self._begun[1:]] + [time.monotonic()]
        return {
            name: round(end - begin, 1)
            for (name, begin), end in zip(self._begun, ends, strict=True)
        }
