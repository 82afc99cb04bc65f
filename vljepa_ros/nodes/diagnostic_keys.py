# SPDX-License-Identifier: Apache-2.0
"""Keys of /diagnostics that other programs read, and what the embedder's say of lost images.

Whoever counts and whoever reads use these names, so that a changed text breaks neither. If a node
has several cameras, the name of the camera and ``": "`` stand before a key.
"""

from __future__ import annotations

import re

from diagnostic_msgs.msg import DiagnosticArray

FRAMES_REPLACED = "frames replaced by newer ones"  # the model is slower than the camera
IMAGES_REFUSED = "images refused"  # followed by ": " and the cause in one word
IMAGES_WITHOUT_STAMP = "images without stamp"
STAMPS = "stamps"  # followed by ": " and what was wrong
FRAME_SIZE = "frame size"  # of the embedder: "WIDTH x HEIGHT", cut from the centre of images
EMBEDDINGS_OF_ANOTHER_SPACE = "embeddings of another space"
DESCRIPTIONS_FAILED = "descriptions failed"
CHANGES_WITHOUT_WORDS = "changes without new words"
UNANSWERED = "unanswered"  # embeddings of queries without phrases
STATES_REPLACED = "states replaced by newer ones"

_DROPS = (FRAMES_REPLACED, IMAGES_REFUSED)


def drops_of(report: DiagnosticArray, node: str) -> dict[str, int] | None:
    """Return the number of images that the embedder dropped, by key.

    Images that were not due are no drops: a camera may be faster than the model is meant to look.

    Args:
        report: of any nodes.
        node: full name of the embedder, with or without its leading slash.

    Returns:
        None if the report is not of ``node``.
    """
    for status in report.status:
        if status.name == node.lstrip("/"):
            counted = [pair for pair in status.values if _is_drop(pair.key)]
            return {pair.key: int(pair.value) for pair in counted}
    return None


def aspect_of(report: DiagnosticArray, node: str) -> float | None:
    """Return width by height of the part of an image that the embedder's model sees.

    Args:
        report: of any nodes.
        node: full name of the embedder, with or without its leading slash.

    Returns:
        None if the report does not tell.
    """
    for status in report.status:
        sizes = [pair.value for pair in status.values if pair.key.endswith(FRAME_SIZE)]
        if status.name == node.lstrip("/") and sizes:
            size = re.fullmatch(r"([1-9]\d{0,4}) x ([1-9]\d{0,4})", sizes[0])
            return int(size[1]) / int(size[2]) if size else None
    return None


def _is_drop(key: str) -> bool:
    return any(cause in key for cause in _DROPS)
