# SPDX-License-Identifier: Apache-2.0
"""When the images of a folder were taken, as their file names tell.

Data sets name files by time, in units that the names do not tell: nanoseconds (EuRoC:
1403636579763555584), microseconds (RobotCar: 1418381798113072), milliseconds, seconds with a
fraction (TUM: 1305031102.175304) or with nanoseconds beside them (1700000000_123456789). The unit
is the one by which all names together make sense: times of our days, at a rate that cameras have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import median

_NS_PER_S = 1_000_000_000
_UNITS_NS = {
    "nanoseconds": 1,
    "microseconds": 1_000,
    "milliseconds": 1_000_000,
    "seconds": _NS_PER_S,
}
_OUR_DAYS_NS = (631_152_000 * _NS_PER_S, 4_102_444_800 * _NS_PER_S)  # 1990 to 2100
_HIGHEST_RATE_HZ = 1000.0
_LIKELY_RATES_HZ = (0.5, 500.0)  # asked of clocks that did not begin in 1970,
_LONGEST_UPTIME_NS = 31_536_000 * _NS_PER_S  # but with the computer, a year ago at most
_SMALLEST_TIME = 10**9  # smaller whole numbers count the images
_LAST_NUMBERS = re.compile(r"(?<!\d)(\d+)(?:([._-])(\d{1,9}))?\D*$")
_Reading = tuple[str, list[int]]


def times_of_names(names: Sequence[str]) -> _Reading | None:
    """Find the unit in which file names without their endings tell times.

    Returns:
        What a user should know of how the names were read, and the stamps in ns in the order of
        the names; or None if the names tell no times.
    """
    matches = [_LAST_NUMBERS.search(name) for name in names]
    parts = [match.groups() for match in matches if match]
    separators = {separator for _, separator, _ in parts}
    if len(parts) != len(names) or len(separators) != 1:
        return None
    (separator,) = separators
    readings = _whole_numbers(parts) if separator is None else _pairs(parts, separator)
    for unit, stamps_ns in readings:
        rate_hz = _rate_hz(stamps_ns)
        if _makes_sense(stamps_ns, rate_hz):
            at = f": {len(names)} images at {rate_hz:.3g} Hz" if rate_hz else ""
            return f"the file names are read as {unit}{at}", stamps_ns
    return None


def _whole_numbers(parts: Sequence[tuple[str, ...]]) -> Iterator[_Reading]:
    numbers = [int(number) for number, *_ in parts]
    if min(numbers) >= _SMALLEST_TIME:
        for unit, unit_ns in _UNITS_NS.items():
            yield unit, [number * unit_ns for number in numbers]


def _pairs(parts: Sequence[tuple[str, ...]], separator: str) -> Iterator[_Reading]:
    """Yield seconds with what stands behind them: digits of a fraction, or a count of its own."""
    firsts = [int(first) for first, *_ in parts]
    seconds = [part[2] for part in parts]
    widths = {len(second) for second in seconds}
    if separator == "." or widths <= {3} or widths <= {6} or widths <= {9}:
        unit, below_ns = "seconds with a fraction", [int(one.ljust(9, "0")) for one in seconds]
    else:
        unit, below_ns = "seconds and nanoseconds", [int(one) for one in seconds]
    if separator == "." or min(firsts) >= _SMALLEST_TIME:
        yield unit, [a * _NS_PER_S + b for a, b in zip(firsts, below_ns, strict=True)]


def _rate_hz(stamps_ns: list[int]) -> float | None:
    """Return the median rate, or None for a single image."""
    ordered = sorted(stamps_ns)
    steps = [later - earlier for earlier, later in zip(ordered, ordered[1:], strict=False)]
    if not steps:
        return None
    return _NS_PER_S / max(median(steps), 1)


def _makes_sense(stamps_ns: list[int], rate_hz: float | None) -> bool:
    if all(_OUR_DAYS_NS[0] <= stamp < _OUR_DAYS_NS[1] for stamp in stamps_ns):
        return rate_hz is None or rate_hz <= _HIGHEST_RATE_HZ
    if rate_hz is None or max(stamps_ns) > _LONGEST_UPTIME_NS:
        return False
    return _LIKELY_RATES_HZ[0] <= rate_hz <= _LIKELY_RATES_HZ[1]
