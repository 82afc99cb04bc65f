# SPDX-License-Identifier: Apache-2.0
"""What the embedder could not use, read from its diagnostics."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray

_COUNTED = ("frames replaced by newer ones", "images refused")


def drops_of(report: DiagnosticArray, node: str) -> dict[str, int] | None:
    """Return the number of images left out by cause, None where the report is not of `node`.

    `node` is the full name with or without its leading slash. Images that were not due are no
    drops: a camera may be faster than the model is meant to look.
    """
    for status in report.status:
        if status.name == node.lstrip("/"):
            counted = [pair for pair in status.values if _is_drop(pair.key)]
            return {pair.key: int(pair.value) for pair in counted}
    return None


def _is_drop(key: str) -> bool:
    """Whether a count is of images left out; of several cameras the name stands before it."""
    return any(cause in key for cause in _COUNTED)
