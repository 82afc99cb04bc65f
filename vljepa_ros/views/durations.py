# SPDX-License-Identifier: Apache-2.0
"""Durations in words of at most seven letters."""

from __future__ import annotations

_UNITS = (("min", 60), ("h", 3600))
_MOST = 600  # of a unit, after which the next one is used


def duration(span_ns: int) -> str:
    """Return nanoseconds as people say them; a negative span is 0."""
    seconds = max(span_ns, 0) / 1e9
    if seconds < _MOST:
        return f"{seconds:.1f} s"
    for unit, length in _UNITS:
        if seconds < _MOST * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
