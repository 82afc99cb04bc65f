# SPDX-License-Identifier: Apache-2.0
"""The results as a table in Markdown, a file and a picture."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.teach.experiment import Result
from benchmarks.teach.rows import SETS, Row
from benchmarks.teach.score import Score
from vljepa_ros.files import new_file


def table(results: Sequence[Result]) -> str:
    """Return a table for each data set: median recall in percent, exact and near."""
    parts = []
    for data in dict.fromkeys(one.data for one in results):
        of_data = [one for one in results if one.data == data]
        counts = sorted({one.episodes for one in of_data})
        lines = [
            f"| {data} | " + " | ".join(map(_taught, counts)) + " |",
            "|---" * (len(counts) + 1) + "|",
        ]
        for name in dict.fromkeys(one.contestant for one in of_data):
            found = medians(one for one in of_data if one.contestant == name)
            cells = [_cell(found[n]) if n in found else "" for n in counts]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def medians(results: Iterable[Result]) -> dict[int, Score]:
    """Return the medians over the draws, by the number of taught episodes."""
    scores: dict[int, list[Score]] = {}
    for one in results:
        scores.setdefault(one.episodes, []).append(one.score)
    return {n: Score(*np.median(np.array(found), 0).tolist()) for n, found in scores.items()}


def missing(results: Sequence[Result], asked: Iterable[Row], names: Sequence[str]) -> list[str]:
    """Return a line for each number of taught episodes that lacks draws: how many there are."""
    wanted = Counter((row.data, row.episodes) for row in asked)
    there = Counter((one.data, one.episodes, one.contestant) for one in results)
    lines = []
    for (data, episodes), draws in wanted.items():
        few = {name: count for name in names if (count := there[data, episodes, name]) < draws}
        if few:
            found = ", ".join(f"{name} {count}" for name, count in few.items())
            lines.append(f"missing: {data}, {_taught(episodes)}, of {draws} draws: {found}")
    return lines


def _taught(episodes: int) -> str:
    return str(episodes) if episodes else "other rooms"


def _cell(found: Score) -> str:
    return f"{100 * found.exact:.0f} ({100 * found.near:.0f})"


def save(results: Sequence[Result], file: Path) -> None:
    """Write all scores into a JSON file."""
    with new_file(file) as stream:
        stream.write((json.dumps([vars(one) for one in results], indent=1) + "\n").encode())


def load(file: Path) -> list[Result]:
    """Read what :func:`save` wrote."""
    rows = json.loads(file.read_text(encoding="utf-8"))
    return [Result(**{**row, "score": Score(*row["score"])}) for row in rows]


def draw(results: Sequence[Result], file: Path) -> None:
    """Draw recall against the number of episodes, a panel for each data set that has numbers."""
    from matplotlib import pyplot

    counted = {one.data for one in results if one.episodes}
    names = [data for data in SETS if data in counted]
    pyplot.rcParams.update({"svg.hashsalt": "teach", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(1, len(names), figsize=(4.2 * len(names), 3.6), squeeze=False)
    for panel, data in zip(axes[0], names, strict=True):
        of_data = [one for one in results if one.data == data]
        for name in dict.fromkeys(one.contestant for one in of_data):
            found = medians(one for one in of_data if one.contestant == name)
            line = sorted((n, 100 * score.exact) for n, score in found.items())
            panel.plot(*zip(*line, strict=True), marker="o", markersize=3, label=name)
        panel.set_title(data)
        panel.set_xlabel("taught episodes")
    axes[0][0].set_ylabel("mean recall of the newest frame (%)")
    axes[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
    pyplot.close(figure)
