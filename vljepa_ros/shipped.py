# SPDX-License-Identifier: Apache-2.0
"""Finds the files that come with the package: beside the source, or installed."""

from __future__ import annotations

import os
from pathlib import Path


def shipped(name: str) -> Path:
    """Return the path of a shipped file such as "demo/recording.mp4".

    A checkout uses its own file, so that an edit shows at once. If the file is nowhere, the path
    in the checkout is returned.
    """
    candidates = places(name)
    return next((path for path in candidates if path.exists()), candidates[0])


def places(name: str) -> list[Path]:
    """Return all paths at which a shipped file may lie: the checkout, then the installed ones."""
    prefixes = filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep))
    roots = [Path(prefix) / "share" / "vljepa_ros" for prefix in prefixes]
    return [root / name for root in (Path(__file__).resolve().parents[1], *roots)]
