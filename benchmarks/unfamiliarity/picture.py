# SPDX-License-Identifier: Apache-2.0
"""The picture: how strange each group looks, and how right the model is on what it speaks of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from benchmarks.unfamiliarity.figures import risk_coverage
from benchmarks.unfamiliarity.report import Measured


def draw(measured: Measured, file: Path) -> None:
    """Draw both panels, and write the file in the format of its name."""
    pyplot.rcParams.update({"svg.hashsalt": "unfamiliarity", "svg.fonttype": "none"})
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10.5, 4.6), width_ratios=(3, 2))
    _distances(left, measured)
    _coverage(right, measured)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
    pyplot.close(figure)


def _distances(axes: Axes, measured: Measured) -> None:
    groups = {name: measured.distances(streams) for name, streams in measured.groups.items()}
    axes.boxplot(
        list(groups.values()),
        orientation="horizontal",
        whis=(1, 99),
        showfliers=False,
        medianprops={"color": "black"},
    )
    axes.set_yticks(range(1, len(groups) + 1), list(groups))
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.axvline(1, color="tab:red")
    axes.set_xlabel("strangeness; 1 raises the alarm (box: half, line: 98 % of the clips)")
    axes.set_title("right of the line: unfamiliar")


def _coverage(axes: Axes, measured: Measured) -> None:
    kinds = (("unseen episodes", measured.held_out), ("unseen cameras", measured.cameras))
    for (name, streams), style in zip(kinds, ("-", "--"), strict=True):
        if not streams:
            continue
        values = measured.distances(streams)
        right = np.concatenate([one.right for one in streams]).mean(axis=1)
        shares, accuracy = risk_coverage(values, right)
        late = shares > 0.02  # of the first few clips no share can be told
        axes.plot(100 * shares[late], 100 * accuracy[late], style, color="black", label=name)
    axes.set_xlabel("clips spoken of, the most familiar first (percent)")
    axes.set_ylabel("answers right, mean of all queries (percent)")
    axes.legend()
    axes.grid(alpha=0.3)
