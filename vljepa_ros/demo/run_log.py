# SPDX-License-Identifier: Apache-2.0
"""What happens, as it happens: on the terminal, and as JSON lines in a file.

Lines of the file have a `type`: `run` (first), `state`, `embedding` (without its vector), and
`summary` (last). Stamps are nanoseconds; `seconds` counts from the first image.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from vljepa_ros.demo.figures import Figures
from vljepa_ros.demo.record import EmbeddingRecord, RunRecord, StateRecord


class RunLog:
    """Writes a run to a file and its states to the terminal."""

    def __init__(self, path: Path, run: RunRecord) -> None:
        """Begin the file.

        Args:
            path: of the file; an older one is replaced.
            run: what is known of the run; read as it grows.
        """
        self._run = run
        self._file = path.open("w", encoding="utf-8")
        self._begun = False

    def state(self, one: StateRecord) -> None:
        """Print and write a state change."""
        seconds = self._run.seconds(one.stamp_ns)
        width = max(map(len, self._run.questions), default=0)
        sure = "    ?" if one.doubt else f"{100 * one.score:3.0f} %"
        print(f"{seconds:7.1f} s  {one.query:{width}}  {sure}  {_told(one)}", flush=True)
        self._write("state", {"seconds": round(seconds, 3), **asdict(one)})

    def embedding(self, one: EmbeddingRecord) -> None:
        """Write an embedding's data sheet."""
        seconds = self._run.seconds(one.stamp_ns)
        self._write("embedding", {"seconds": round(seconds, 3), **asdict(one)})

    def summary(self, summary: Figures) -> None:
        """Write the last line."""
        self._write("summary", asdict(summary))

    def __enter__(self) -> RunLog:
        """Return self; the file is closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, kind: str, values: dict[str, Any]) -> None:
        if not self._begun:
            self._begun = True
            run = self._run
            head = {"source": run.source, "model": run.model, "questions": run.questions}
            self._write("run", {**head, "first_frame_ns": run.first_frame_ns})
        self._file.write(json.dumps({"type": kind, **values}) + "\n")


def _told(one: StateRecord) -> str:
    """Return the words of a state, and why they cannot be trusted."""
    if one.doubt:
        return f"{one.text} ({one.doubt})" if one.text else one.doubt
    return one.text or "none of these"
