# SPDX-License-Identifier: Apache-2.0
"""One time line for the stamps of a recording, whatever its clock did meanwhile.

A robot that starts without network stamps its first images in 1970 and the next in today's year.
A camera driver writes one stamp that is an hour ahead. Joined videos jump by the length of what
was cut out. Nobody wants to wait for such a jump, and no two images around it belong to one clip.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

LONGEST_GAP_NS = 60_000_000_000  # a longer step forward is a jump of the clock
BRIDGE_NS = 2_000_000_000  # longer than the gap that ends a clip, and short enough to wait for
_FIRST_STEP_NS = 100_000_000
STEPPED_BACK = "time stepped back: the image follows the one before it"
JUMPED = f"time jumped forward by more than {LONGEST_GAP_NS // 1_000_000_000} s: bridged"


def placed(stored_ns: Iterable[int]) -> list[int]:
    """Return the stamps on the line of all images of a recording, without counting problems."""
    line = TimeLine(Counter())
    return [line.place(stamp_ns) for stamp_ns in stored_ns]


class TimeLine:
    """Brings stamps onto one line that never goes back. For one reading of a recording.

    A step back goes on one image's distance after the image before. A jump forward becomes a gap
    of BRIDGE_NS. Both are counted in ``problems``.
    """

    def __init__(self, problems: Counter[str]) -> None:
        """Begin before the first image."""
        self._problems = problems
        self._stored_ns: int | None = None
        self._line_ns = 0
        self._step_ns = _FIRST_STEP_NS

    def place(self, stored_ns: int) -> int:
        """Return the stamp on the line of the next image, which the recording puts at a stamp.

        The first image keeps its stamp.
        """
        if self._stored_ns is None:
            self._line_ns = stored_ns
        else:
            self._line_ns += self._step(stored_ns - self._stored_ns)
        self._stored_ns = stored_ns
        return self._line_ns

    def _step(self, step_ns: int) -> int:
        if step_ns < 0:
            self._problems[STEPPED_BACK] += 1
            return self._step_ns
        if step_ns > LONGEST_GAP_NS:
            self._problems[JUMPED] += 1
            return BRIDGE_NS
        self._step_ns = step_ns or self._step_ns
        return step_ns
