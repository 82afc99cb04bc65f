# SPDX-License-Identifier: Apache-2.0
"""Where the files lie that come with the package: beside the source, or installed."""

from __future__ import annotations

from pathlib import Path


def shipped(name: str) -> Path:
    """Return the path of a shipped file such as "demo/recording.mp4".

    In a checkout it is taken from there, so that an edit shows at once; else from the package's
    share folder.
    """
    beside = Path(__file__).resolve().parents[2] / name
    if beside.exists():
        return beside
    from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

    try:
        return Path(get_package_share_directory("vljepa_ros")) / name
    except PackageNotFoundError:
        return beside
