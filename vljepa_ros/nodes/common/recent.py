# SPDX-License-Identifier: Apache-2.0
"""What happened lately, from counters that only grow."""

from __future__ import annotations

import time
from collections.abc import Callable

RECENT_S = 10.0


class Recent:
    """Tells of each counter if it grew in the last :data:`RECENT_S` seconds. For one thread."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start; ``now`` returns seconds."""
        self._now = now
        self._grown: dict[str, tuple[int, float]] = {}  # total, and when it grew

    def grew(self, name: str, total: int) -> bool:
        """Take the newest total of a counter, and tell if it grew lately; it begins at 0."""
        now = self._now()
        before, grown_s = self._grown.get(name, (0, -RECENT_S))
        if total > before:
            grown_s = now
        self._grown[name] = (total, grown_s)
        return now - grown_s < RECENT_S
