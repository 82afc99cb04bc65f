# SPDX-License-Identifier: Apache-2.0
"""Figures of an evaluation as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vljepa_ros.evaluation.embeddings import EmbeddedClips

_NAMED = 20  # clips with problems that the table names; the JSON file names all


@dataclass(frozen=True)
class Report:
    """What was measured in one task.

    Attributes:
        task: its name.
        figures: counts, ranks, and everything else in percent, by name.
        results: what was found for each clip, in the words of the task.
        unreadable: as in :class:`EmbeddedClips`.
        damaged: as in :class:`EmbeddedClips`.
    """

    task: str
    figures: Mapping[str, float]
    results: Sequence[Mapping[str, object]]
    unreadable: Mapping[str, str]
    damaged: Mapping[str, str]

    @classmethod
    def of(
        cls,
        task: str,
        clips: EmbeddedClips,
        figures: Mapping[str, float],
        results: Sequence[Mapping[str, object]],
    ) -> Report:
        """Put figures and what became of the clips together."""
        counts = {"clips": len(clips.vectors), "unreadable": len(clips.unreadable)}
        return cls(task, {**counts, **figures}, results, clips.unreadable, clips.damaged)

    def table(self) -> str:
        """Return a line for each figure and for each clip with a problem."""
        width = max(map(len, self.figures))
        lines = [f"{name:{width}} {_number(value):>8}" for name, value in self.figures.items()]
        lines += _listed("could not be read", self.unreadable)
        lines += _listed("used although damaged", self.damaged)
        return "\n".join(lines)

    def write_json(self, file: Path, **about: str) -> None:
        """Write everything with full precision; ``about`` says what was measured.

        Raises:
            OSError: the file cannot be written.
        """
        text = json.dumps({**about, **asdict(self)}, indent=1, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.1f}"


def _listed(what: str, clips: Mapping[str, str]) -> Iterator[str]:
    if clips:
        yield f"{what}: {len(clips)}"
    for index, (name, cause) in enumerate(clips.items()):
        if index == _NAMED:
            yield f"  and {len(clips) - _NAMED} more"
            return
        yield f"  {name}: {cause}"
