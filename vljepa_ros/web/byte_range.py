# SPDX-License-Identifier: Apache-2.0
"""The part of a file that a browser asks for, by the header ``Range`` of HTTP."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class UnsatisfiableRangeError(ValueError):
    """The part lies outside the file."""


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last that are asked for.

    Args:
        header: value of ``Range``; None if there is none.
        size: bytes of the file.

    Returns:
        None if the whole file is to be sent: no header, or one that may be ignored, such as
        one with several ranges.

    Raises:
        UnsatisfiableRangeError: no byte of the file is asked for.
    """
    match = _RANGE.fullmatch((header or "").strip())
    if match is None or match[1] == match[2] == "":
        return None
    if not match[1]:  # the last bytes
        begin, end = max(0, size - int(match[2])), size
    else:
        begin = int(match[1])
        end = min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < begin:
            return None
    if begin >= end:
        raise UnsatisfiableRangeError(f"{header} asks for nothing of {size} bytes")
    return begin, end
