# SPDX-License-Identifier: Apache-2.0
"""Draw how the detector decides: ``python -m benchmarks.selective_decoding.rule_picture FILE``.

A made-up stream of three answers goes through the detector, and the evidence is that of its own
:class:`~vljepa_ros.stream.spread.Spread`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from numpy.typing import NDArray

from vljepa_ros.runtime.signals import answer_signal
from vljepa_ros.stream.change import ChangeConfig, ChangeDetector, Reason
from vljepa_ros.stream.spread import Spread

STEP_S = 0.1
ANSWERS = ("reaches for the mug", "lifts the mug", "puts the mug down")
GLITCH, CHANGE, END = 18, 40, 62  # frames
COLOURS = ("tab:blue", "tab:red", "0.6")


def main() -> None:
    """Draw the answers above, the evidence below."""
    pyplot.rcParams.update({"svg.hashsalt": "the rule", "svg.fonttype": "none", "font.size": 9})
    probabilities = _probabilities()
    signals = np.stack([answer_signal(row) for row in probabilities])
    detector = ChangeDetector(ChangeConfig())
    decodes, required = [], []
    for frame, signal in enumerate(signals):
        decode = detector.update(round(frame * STEP_S * 1e9), signal, signal)
        decodes += [decode] if decode else []
        required.append(detector.required_s)
    change = next(one for one in decodes if one.reason is Reason.CHANGE)
    cut, found = change.since_ns * 1e-9, change.stamp_ns * 1e-9
    evidence = _evidence(signals, round(cut / STEP_S), round(found / STEP_S))
    figure, (above, below) = pyplot.subplots(2, 1, figsize=(8.2, 4.6), sharex=True)
    times = STEP_S * np.arange(END)
    for answer, colour, row in zip(ANSWERS, COLOURS, probabilities.T, strict=True):
        above.plot(times, row, ".-", color=colour, lw=1, ms=4, label=answer)
    below.plot(times, evidence, ".-", color="k", lw=1, ms=4, label="evidence: distance x time")
    below.plot(times, required, "--", color="tab:green", label="evidence that a change needs")
    _mark((above, below), cut, found)
    above.set_ylabel("probability")
    below.set_ylabel("seconds")
    below.set_xlabel("time in s")
    below.text(GLITCH * STEP_S + 0.2, 0.075, "one frame alone is not confirmed", ha="center")
    above.legend(loc="center left", fontsize=8)
    below.legend(loc="upper left", fontsize=8)
    below.set_ylim(0, 0.25)
    figure.tight_layout()
    figure.savefig(Path(sys.argv[1]), metadata={"Date": None})


def _probabilities() -> NDArray[np.float64]:
    """Return the answers' probabilities (END, 3): a glitch, then a change within three frames."""
    rng = np.random.default_rng(3)
    frames = np.arange(END)
    logits = rng.normal(0.0, 0.35, (END, 3)) + [4.0, 0.0, 0.0]
    logits[frames >= CHANGE] += [-4.0, 4.0, 0.0]
    logits[CHANGE] += [2.5, -2.5, 0.0]
    logits[GLITCH] += [-5.0, 0.0, 3.0]
    exponentials = np.exp(logits)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def _evidence(signals: NDArray[np.float64], cut: int, found: int) -> NDArray[np.float64]:
    """Return at each frame the evidence of the best place to cut what was seen since a decode."""
    spread, evidence = Spread(signals.shape[1]), np.zeros(len(signals))
    for now, signal in enumerate(signals):
        spread.add(signal, STEP_S)
        split = spread.best_split(ChangeConfig().confirmations)
        evidence[now] = split.evidence_s if split else 0.0
        if now == found:
            spread.keep_after(cut)
    return evidence


def _mark(panels: tuple[Axes, Axes], cut: float, found: float) -> None:
    for axes in panels:
        axes.axvline(cut - STEP_S / 2, color="tab:orange", ls=":")
        axes.axvline(found, color="tab:orange")
        axes.grid(alpha=0.2)
    panels[0].text(cut - 0.1, 0.5, "since: the best cut ", ha="right", color="tab:orange")
    panels[0].text(found, 0.5, " decode: ~/state says it", color="tab:orange")
    panels[1].text(found, 0.16, " now this is the state", color="tab:orange")


if __name__ == "__main__":
    main()
