# SPDX-License-Identifier: Apache-2.0
"""The results as tables in Markdown and as pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.paper.comparisons import COMPARISONS, OURS, TOKENS, TRAINED, Comparison
from benchmarks.paper.results import Result, Results

_LEAST_ROWS = 2  # of medians that a range is shown for


def tables(results: Results, names: Sequence[str]) -> str:
    """Return a table for each comparison that has results: medians over the seeds, and ranges."""
    parts = []
    for name in names:
        comparison = COMPARISONS[name]
        found = rows(results, name)
        if found:
            parts.append(f"{comparison.title}\n\n{_table(comparison, found)}")
    return "\n\n".join(parts)


def rows(results: Results, name: str) -> dict[str, list[Result]]:
    """Return the newest results of each contestant of a comparison, one for each seed."""
    contestants = COMPARISONS[name].contestants
    newest: dict[tuple[str, int], Result] = {}
    for one in results.of(TRAINED if contestants else name):
        key = one.contestant, one.seed
        if key not in newest or one.clips >= newest[key].clips:
            newest[key] = one
    found = defaultdict(list)
    for (contestant, _), one in newest.items():
        if not contestants or contestant in contestants:
            found[contestant].append(one)
    order = contestants or tuple(found)
    return {contestant: found[contestant] for contestant in order if contestant in found}


def missing(results: Results, wanted: Sequence[tuple[str, int]], clips: int) -> list[str]:
    """Return a line for each training that has not seen all its clips."""
    seen: dict[tuple[str, int], int] = defaultdict(int)
    for one in results.of(TRAINED):
        key = one.contestant, one.seed
        seen[key] = max(seen[key], one.clips)
    return [
        f"missing: {contestant}, seed {seed}: {seen[contestant, seed]} of {clips} clips"
        for contestant, seed in wanted
        if seen[contestant, seed] < clips
    ]


def _table(comparison: Comparison, found: dict[str, list[Result]]) -> str:
    headings = ["", *(heading for _, heading, _ in comparison.columns)]
    lines = ["| " + " | ".join(headings) + " |", "|---" * len(headings) + "|"]
    for contestant, results in found.items():
        cells = [_cell(results, figure, form) for figure, _, form in comparison.columns]
        lines.append(f"| {contestant} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(results: Sequence[Result], figure: str, form: str) -> str:
    values = [one.figures[figure] for one in results if figure in one.figures]
    if not values:
        return ""
    median = form.format(np.median(values))
    if len(values) < _LEAST_ROWS:
        return median
    return f"{median} ({form.format(min(values))} to {form.format(max(values))})"


def draw(results: Results, file: Path) -> None:
    """Draw what embedding prediction and token generation reach after how many clips."""
    from matplotlib import pyplot

    pyplot.rcParams.update({"svg.hashsalt": "paper", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(1, 2, figsize=(8.4, 3.6))
    panels = zip(axes, (("cider", "CIDEr-D of descriptions"), ("top5", "top-5 (%)")), strict=True)
    for panel, (name, label) in panels:
        for contestant in (OURS, TOKENS):
            points = _curve(results, contestant, name)
            clips = sorted(points)
            middle, low, high = (
                [turn(points[n]) for n in clips] for turn in (np.median, np.min, np.max)
            )
            (line,) = panel.plot(clips, middle, marker="o", markersize=3, label=contestant)
            panel.fill_between(clips, low, high, alpha=0.2, color=line.get_color())
        panel.set_xlabel("clips seen in training")
        panel.set_ylabel(label)
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
    pyplot.close(figure)


def _curve(results: Results, contestant: str, figure: str) -> dict[int, list[float]]:
    points = defaultdict(list)
    for one in results.of(TRAINED):
        if one.contestant == contestant and figure in one.figures:
            points[one.clips].append(one.figures[figure])
    return points
