# SPDX-License-Identifier: Apache-2.0
"""Names of cameras, which become parts of the names of topics."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vljepa_ros.stream.clean_text import clean_text

MAX_CAMERAS = 16
_MAX_NAME = 64
_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")


def camera_names(entries: Sequence[str]) -> tuple[str, ...]:
    """Return the names in a parameter; one empty name if there is none, in ``[""]`` or ``[]``.

    Raises:
        ValueError: a name cannot be part of a topic name, is named twice, or there are too many.
    """
    names = tuple(entry for entry in entries if entry)
    if len(names) > MAX_CAMERAS:
        raise ValueError(f"{len(names)} cameras; there may be {MAX_CAMERAS}")
    for name in names:
        if len(name) > _MAX_NAME or not _TOKEN.fullmatch(name):
            raise ValueError(
                f"{clean_text(name, limit=_MAX_NAME)!r} cannot be the name of a camera: it must "
                "be of letters, digits and single underscores, begin with a letter, not end with "
                f"an underscore and have at most {_MAX_NAME} characters"
            )
        if names.count(name) > 1:
            raise ValueError(f"the camera {name!r} is named twice")
    return names or ("",)
