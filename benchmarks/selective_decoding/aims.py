# SPDX-License-Identifier: Apache-2.0
"""What the causal detector was meant to reach, and whether it does."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.selective_decoding.comparison import losses
from benchmarks.selective_decoding.experiment import Result
from benchmarks.selective_decoding.judge import CIDER
from benchmarks.selective_decoding.methods import CAUSAL, UNIFORM, UNIFORM_POOLED, WARD_POOLED
from benchmarks.selective_decoding.outputs import NEAREST

FEWER_DECODES = {"paced": 2.85, "dense": 1.8}  # the paper's factor, and one where nothing waits
WORST_LOSS = -0.05


class Aim(NamedTuple):
    """A figure that was wanted (at least) and the one that was reached."""

    text: str
    wanted: float
    reached: float

    @property
    def is_met(self) -> bool:
        """Whether it was reached; nan was not."""
        return self.reached >= self.wanted


def aims(result: Result) -> list[Aim]:
    """Hold both outputs of the detector against the aims, in the paper's reading of CIDEr-D."""
    ward = result.curves[WARD_POOLED]
    found = []
    for name in CAUSAL:
        factor = {
            one.reference: one.factor
            for one in result.reductions
            if (one.method, one.measure, one.reading) == (name, CIDER, NEAREST)
        }
        loss = min(losses(result.curves[name], ward, (CIDER, NEAREST)))
        wanted = FEWER_DECODES[result.name]
        found += [
            Aim(f"{name}: fewer decodes than {UNIFORM} at 1 Hz", wanted, factor[UNIFORM]),
            Aim(f"{name}: fewer decodes than {UNIFORM_POOLED} at 1 Hz", 1, factor[UNIFORM_POOLED]),
            Aim(
                f"{name}: least relative CIDEr-D to {WARD_POOLED} at equal rate "
                f"(at {loss.rate_hz:.2f} Hz)",
                WORST_LOSS,
                loss.relative,
            ),
        ]
    return found
