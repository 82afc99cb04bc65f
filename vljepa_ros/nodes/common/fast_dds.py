# SPDX-License-Identifier: Apache-2.0
"""Lets large images through Fast DDS, whose own settings lose parts of them."""

from __future__ import annotations

import os
from pathlib import Path

# The variables that name the file of Fast DDS's profiles. Later releases warn of the old name.
_OLD, _NEW = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
_UP_TO_JAZZY = ("humble", "iron", "jazzy")


def profile_variables(profile: Path) -> dict[str, str]:
    """Return the environment variables to set; none if the user has set one of them.

    Args:
        profile: The shipped ``config/fastdds.xml``.
    """
    if _OLD in os.environ or _NEW in os.environ:
        return {}
    return dict.fromkeys(_names(), str(profile))


def _names() -> tuple[str, ...]:
    distro = os.environ.get("ROS_DISTRO")
    if not distro:  # ROS from wheels does not say which it is
        return (_OLD, _NEW)
    return (_OLD,) if distro in _UP_TO_JAZZY else (_NEW,)
