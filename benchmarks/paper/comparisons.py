# SPDX-License-Identifier: Apache-2.0
"""The comparisons, those first that say the most to a user, and who takes part in each."""

from __future__ import annotations

from dataclasses import dataclass

TRAINED = "trained"  # what the results of training are kept under: several comparisons show them

OURS = "embedding prediction"
TOKENS = "token generation"
FRAMES = "CLIP-like"
BASE = "BASE"
BOTH_STAGES = "BASE, then SFT"
JOINT = "visual tokens see the query"


@dataclass(frozen=True)
class Comparison:
    """A table of the report.

    Attributes:
        title: of the table.
        columns: what is shown, and how: figure, heading and format.
        contestants: that are trained for it; none if nothing is trained.
        seeds: at most so many of the seeds that were asked for.
    """

    title: str
    columns: tuple[tuple[str, str, str], ...]
    contestants: tuple[str, ...] = ()
    seeds: int = 99


_COST = (
    ("ms_per_answer", "ms per answer", "{:.1f}"),
    ("ratio", "ratio", "{:.2f}"),
    ("answers_per_s", "answers per second and core", "{:.2f}"),
    ("ms", "ms per run", "{:.1f}"),
    ("resident_mb", "resident MB", "{:.0f}"),
    ("spread", "longest / shortest", "{:.2f}"),
)
_DESCRIBE = ("cider", "describe: CIDEr-D", "{:.0f}")
_TOP1 = ("top1", "classify: top-1 %", "{:.1f}")
_TOP5 = ("top5", "top-5 %", "{:.1f}")
_RETRIEVE = ("retrieve", "retrieve: R@1 %", "{:.1f}")
_ANSWER = ("answer", "answer: %", "{:.1f}")
_COMPOSED = (
    ("composed_top1", "never trained: top-1 %", "{:.1f}"),
    ("composed_top5", "top-5 %", "{:.1f}"),
    ("composed_retrieve", "R@1 %", "{:.1f}"),
)
_TRAINED_COST = (
    ("parameters_m", "trained parameters (M)", "{:.2f}"),
    ("predictor_m", "of them Predictor", "{:.2f}"),
    ("answer_ms", "ms per answer", "{:.1f}"),
)

COMPARISONS = {
    "stream": Comparison("Beside what a user would take instead", _COST),
    "tokens": Comparison(
        "Embedding prediction against token generation",
        (_DESCRIBE, _TOP1, _TOP5, _RETRIEVE, _ANSWER, *_TRAINED_COST),
        (OURS, TOKENS),
    ),
    "clip": Comparison(
        "Beside a CLIP-like model",
        (_TOP1, _TOP5, _RETRIEVE, *_COMPOSED),
        (BASE, FRAMES, OURS),
    ),
    "stages": Comparison(
        "BASE, then SFT, beside SFT alone",
        (_DESCRIBE, _TOP1, _RETRIEVE, _ANSWER),
        (BASE, BOTH_STAGES, OURS),
    ),
    "growth": Comparison("More cameras, more queries", _COST),
    "full-size": Comparison(
        "The paper's sizes on one core",
        (
            ("ms", "ms", "{:.0f}"),
            ("gflop", "GFLOP", "{:.0f}"),
            ("gflop_per_s", "GFLOP per second", "{:.1f}"),
            ("resident_mb", "resident MB", "{:.0f}"),
        ),
    ),
    "ablations": Comparison(
        "Ablations",
        (_TOP1, _RETRIEVE, _ANSWER, _DESCRIBE),
        (
            OURS,
            JOINT,
            "and the answer is pooled over both",
            "causal mask",
            "cosine loss",
            "SIGReg",
            "text encoder's rate 0.05",
            "text encoder's rate 1",
            "no motion channels",
            "tubelets of 2 frames",
            "clips of 4 frames",
            "clips of 16 frames",
        ),
        seeds=1,
    ),
}


def runs(names: list[str], seeds: int) -> list[tuple[str, int]]:
    """Return the contestants and seeds that are trained for comparisons, each once."""
    wanted = [
        (contestant, seed)
        for seed in range(seeds)
        for name in names
        for contestant in COMPARISONS[name].contestants
        if seed < COMPARISONS[name].seeds
    ]
    return list(dict.fromkeys(wanted))
