# SPDX-License-Identifier: Apache-2.0
"""Ends this process right before one of its changes to the disk."""

from __future__ import annotations

import os
import signal
import sys

_CHANGES = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir")


def die_before_change(number: int) -> None:
    """Send SIGKILL to this process before its change ``number``, from 0 on."""
    left = number

    def hook(event: str, _arguments: object) -> None:
        nonlocal left
        if event in _CHANGES:
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(hook)
