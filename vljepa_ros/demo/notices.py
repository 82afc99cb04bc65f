# SPDX-License-Identifier: Apache-2.0
"""Warnings of the nodes, on the terminal."""

from __future__ import annotations

from pathlib import Path

_MOST = 40
_INDENT = " " * 11  # as wide as the time before a state


class Notices:
    """Prints what nodes tell: every text once, and no more than a screenful."""

    def __init__(self, folder: Path) -> None:
        """Print from now on.

        Args:
            folder: what the nodes print lies here; it is named when there is too much.
        """
        self._folder = folder
        self._shown: set[tuple[str, str]] = set()

    def show(self, node: str, text: str) -> None:
        """Print a node's text, unless it was printed before or too many were."""
        text = text.partition(" (logged once")[0]  # what follows is about the log
        if (node, text) in self._shown or len(self._shown) > _MOST:
            return
        self._shown.add((node, text))
        if len(self._shown) > _MOST:
            print(f"{_INDENT}more is in {self._folder}", flush=True)
        else:
            print(f"{_INDENT}{node}: {text}", flush=True)
