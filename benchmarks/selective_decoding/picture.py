# SPDX-License-Identifier: Apache-2.0
"""The counterpart of the paper's Figure 4: quality against decodes per second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib import pyplot
from matplotlib.axes import Axes

from benchmarks.selective_decoding.experiment import Result
from benchmarks.selective_decoding.judge import ACCURACY, CIDER, Key
from benchmarks.selective_decoding.methods import (
    SEGMENT,
    STATE,
    UNIFORM,
    UNIFORM_POOLED,
    WARD,
    WARD_POOLED,
)
from benchmarks.selective_decoding.outputs import NEAREST, SPAN

ROWS: tuple[tuple[Key, str], ...] = (
    ((CIDER, NEAREST), "CIDEr-D x 100, nearest in time"),
    ((ACCURACY, SPAN), "frames right (%), by spans"),
)
STYLES = {
    UNIFORM: ("0.6", "--"),
    UNIFORM_POOLED: ("0.6", "-"),
    "window variance": ("tab:brown", ":"),
    WARD: ("tab:blue", "--"),
    WARD_POOLED: ("tab:blue", "-"),
    STATE: ("tab:red", "--"),
    SEGMENT: ("tab:red", "-"),
}


def draw(results: Sequence[Result], file: Path) -> None:
    """Draw a column for each set of streams, and write the file in the format of its name."""
    pyplot.rcParams.update({"svg.hashsalt": "selective decoding", "svg.fonttype": "none"})
    size = (4.6 * len(results), 7.0)
    figure, axes = pyplot.subplots(
        len(ROWS), len(results), figsize=size, sharex=True, sharey="row", squeeze=False
    )
    for column, result in enumerate(results):
        for row, (key, label) in enumerate(ROWS):
            _panel(axes[row][column], result, key)
            axes[row][0].set_ylabel(label)
        changes = result.annotations / result.seconds
        axes[0][column].set_title(f"{result.name}: {changes:.2f} changes per second")
        axes[-1][column].set_xlabel("decodes per second")
    axes[0][0].legend(fontsize=8)
    figure.tight_layout()
    metadata = {"Date": None} if file.suffix == ".svg" else None
    figure.savefig(file, metadata=metadata)
    pyplot.close(figure)


def _panel(axes: Axes, result: Result, key: Key) -> None:
    for name, (colour, line) in STYLES.items():
        curve = result.curves[name]
        axes.plot(
            curve.rates, curve.quality(key), line, color=colour, marker=".", lw=1.3, label=name
        )
    (best,) = result.references["every frame"].quality(key)
    axes.axhline(best, color="0.8", lw=0.8)
    axes.set_xscale("log")
    axes.set_xticks([0.01, 0.1, 1], ["0.01", "0.1", "1"])
    axes.grid(alpha=0.2)
