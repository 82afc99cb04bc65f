# SPDX-License-Identifier: Apache-2.0
"""Our nodes as processes of their own, as `ros2 run` would start them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

_PATIENCE_S = 5.0


class NodeProcess:
    """One executable of this package in a namespace; its output goes to a file."""

    def __init__(
        self, name: str, namespace: str, parameters: Mapping[str, Any], folder: Path
    ) -> None:
        """Start the process.

        Args:
            name: of the module in `vljepa_ros.nodes`.
            namespace: of the node.
            parameters: of the node.
            folder: takes a file with its parameters and one with its output.
        """
        self.name = name
        self._log = folder / f"{name}.log"
        settings = folder / f"{name}.yaml"
        settings.write_text(yaml.safe_dump({"/**": {"ros__parameters": dict(parameters)}}))
        command = [sys.executable, "-m", f"vljepa_ros.nodes.{name}", "--ros-args"]
        command += ["-r", f"__ns:={namespace}", "--params-file", str(settings)]
        with self._log.open("wb") as output:
            # A session of its own: Ctrl-C ends the demo, and the demo ends its nodes.
            self._process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def ended(self) -> str:
        """Return why the process is gone, or an empty text while it runs."""
        status = self._process.poll()
        if status is None:
            return ""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f"{self.name} ended with status {status}: {lines[-1] if lines else 'no output'}"

    def __enter__(self) -> NodeProcess:
        """Return self; the process is ended with the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ask the process to end; kill it if it does not, or if the user has no more patience."""
        try:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGINT)
            self._process.wait(_PATIENCE_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            self._process.wait()
