# SPDX-License-Identifier: Apache-2.0
"""The folder that a run writes to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROCESSES = ("pipeline", "replay")


class OutputError(RuntimeError):
    """An output cannot be written; the message says which and why."""


@dataclass(frozen=True)
class OutFolder:
    """Names what a run writes. Files of these names are replaced, and nothing else is touched."""

    path: Path

    @property
    def video(self) -> Path:
        """The images with what the model says of them."""
        return self.path / "annotated.mp4"

    @property
    def picture(self) -> Path:
        """The run as a timeline."""
        return self.path / "timeline.png"

    @property
    def log(self) -> Path:
        """Every state and embedding, as JSON lines."""
        return self.path / "log.jsonl"

    @property
    def nodes(self) -> Path:
        """Folder of what the nodes get and print."""
        return self.path / "nodes"

    def prepare(self, source: str) -> None:
        """Make the folder, and prove that everything can be written, before anything starts.

        Args:
            source: what will be replayed.

        Raises:
            OutputError: something cannot be written, or would replace the source.
        """
        files = [self.video, self.picture, self.log]
        files += [self.nodes / f"{name}{end}" for name in PROCESSES for end in (".yaml", ".log")]
        if Path(source).resolve() in [file.resolve() for file in files]:
            raise OutputError(f"{source} would be overwritten: choose another folder with --out")
        try:
            self.nodes.mkdir(parents=True, exist_ok=True)
            for file in files:
                file.unlink(missing_ok=True)  # of an earlier run
                file.touch()
                file.unlink()
        except OSError as error:
            raise OutputError(f"{error.filename} cannot be written: {error.strerror}") from error
