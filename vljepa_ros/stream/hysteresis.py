# SPDX-License-Identifier: Apache-2.0
"""A flag of a stream that changes only if its samples agree for some time.

One strange clip among familiar ones is no alarm, and one familiar clip does not end an alarm. Time
of samples that ask for a change counts for it, and time of samples that do not counts against it.
So a flag that is true in nine of ten clips is soon found, and one that is true in one of a hundred
is not.
"""

from __future__ import annotations

_NS = 1e9


class Hysteresis:
    """The state of one flag. For one thread.

    Attributes:
        after_s: seconds for which samples must be true before the state is; may be set at any
            time.
        back_after_s: seconds for which they must be false before it is false again.
    """

    def __init__(self, after_s: float, back_after_s: float) -> None:
        """Start with a state that is false."""
        self.after_s = after_s
        self.back_after_s = back_after_s
        self._is_on = self._last_flag = False
        self._since_ns: int | None = None  # first sample that showed the state
        self._last_ns: int | None = None
        self._began_ns = 0  # first sample that asks for a change
        self._against_ns = 0  # for how long samples have asked for it

    @property
    def is_on(self) -> bool:
        """The state."""
        return self._is_on

    @property
    def since_ns(self) -> int | None:
        """Stamp of the first sample that showed the state, or None before the first change."""
        return self._since_ns

    def add(self, stamp_ns: int, flag: bool) -> bool:
        """Take the flag of the next sample and return the state.

        Args:
            stamp_ns: stamp of the sample in nanoseconds. One that is older than the last one
                begins a new stream.
            flag: whether this sample is true.

        A stream that was cut has to be cleared: the time of a gap counts like any other.
        """
        if self._last_ns is not None and stamp_ns < self._last_ns:
            self.clear()
        self._weigh(stamp_ns, flag)
        self._last_ns, self._last_flag = stamp_ns, flag
        needed_s = self.back_after_s if self._is_on else self.after_s
        if flag != self._is_on and self._against_ns >= needed_s * _NS:
            self._is_on = flag
            self._since_ns = self._began_ns
            self._against_ns = 0
        return self._is_on

    def clear(self) -> None:
        """Forget the stream: the state is false."""
        self._is_on = self._last_flag = False
        self._since_ns = self._last_ns = None
        self._began_ns = self._against_ns = 0

    def _weigh(self, stamp_ns: int, flag: bool) -> None:
        """Count the time since the last sample for or against a change, if the two agree."""
        asks_for_change = flag != self._is_on
        if flag != self._last_flag or self._last_ns is None:
            if asks_for_change and self._against_ns == 0:
                self._began_ns = stamp_ns
            return
        passed_ns = stamp_ns - self._last_ns
        signed_ns = passed_ns if asks_for_change else -passed_ns
        self._against_ns = max(0, self._against_ns + signed_ns)
