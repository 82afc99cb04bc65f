# SPDX-License-Identifier: Apache-2.0
"""The demo is run as its users run it: as a program, with processes of its own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 120.0


class Running:
    """A demo that was started; its output is read as it comes."""

    def __init__(self, arguments: list[str], folder: Path, **variables: str) -> None:
        """Start it in a folder, with further environment variables."""
        environment = {
            **os.environ,
            **variables,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "ROS_DOMAIN_ID": str(random.SystemRandom().randint(1, 100)),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_LOG_DIR": str(folder / "ros_log"),
        }
        if os.environ.get("ROS_DISTRO") == "humble":
            environment["ROS_LOCALHOST_ONLY"] = "1"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vljepa_ros.demo", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=folder,
        )
        self.lines: list[str] = []
        self._reading = True
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_line(self, wanted: Callable[[str], bool], what: str) -> None:
        """Wait until a line that is `wanted` was printed."""
        with self._changed:
            found = self._changed.wait_for(lambda: any(map(wanted, self.lines)), DEADLINE_S)
        assert found, f"no line with {what}: {self.lines}"

    def close_output(self) -> None:
        """Stop reading, as `head` does after its lines; what is still printed meets no reader."""
        self._reading = False
        self._reader.join(DEADLINE_S)

    def wait(self) -> int:
        """Wait for the end and return the exit status."""
        status = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return status

    def children(self) -> dict[str, int]:
        """Return the process ids of the nodes by their names."""
        own = self.process.pid
        found = {}
        for thread in Path(f"/proc/{own}/task").iterdir():
            for child in (thread / "children").read_text().split():
                command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                name = next(part for part in command if part.startswith(b"vljepa_ros.nodes."))
                found[name.decode().rpartition(".")[2]] = int(child)
        return found

    def close(self) -> None:
        """End it in any case."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._reader.join(DEADLINE_S)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
                if not self._reading:
                    return
