# SPDX-License-Identifier: Apache-2.0
"""A program of the documentation in a process; its lines can be waited for like messages."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from support.ros import DEADLINE_S, Inbox

ROOT = Path(__file__).resolve().parents[2]


class Program:
    """A running program, started in the root of the checkout.

    Attributes:
        lines: what it printed.
    """

    def __init__(self, source: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", source], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        self.lines = Inbox(threading.Condition())
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.take(line.strip())

    def says(self, start: str) -> None:
        """Wait for a line that begins so."""
        self.lines.wait_for(lambda line: line.startswith(start), start)

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self._reader.join(DEADLINE_S)
