# SPDX-License-Identifier: Apache-2.0
"""Keeps the terminal from ending a run: by a character it cannot show, or by closing."""

from __future__ import annotations

import io
import os
import sys


def escape_what_cannot_be_shown() -> None:
    """Print characters that the terminal's encoding lacks as escapes, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def silence() -> None:
    """Throw away what is still to be printed, because nobody reads it any more (``| head``)."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
