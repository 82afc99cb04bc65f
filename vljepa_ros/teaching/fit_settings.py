# SPDX-License-Identifier: Apache-2.0
"""How a model is taught: everything that is set, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FitSettings:
    """How a model is taught; the defaults are what measured best.

    Attributes:
        rate_hz: the lowest one of the frames of a clip: eight frames at 2.5 Hz reach back 2.8 s.
            Short recordings need a higher one (:func:`.method.clip_rate`).
        copies: variations of every recording, beside the recording as it is.
        most_frames: frames that the trunk is to see; fewer variations are made of much material.
        steps: of the light parts; with 0 the reading answers alone.
        batch: clips of a step.
        learning_rate: the highest one.
        weight_decay: of matrices.
        average_decay: of the averaged weights, which are what is kept.
        kept_tokens: share of the visual tokens that a step sees.
        gain_noise: standard deviation of the logarithm of each channel's gain, per clip.
        smoothing: share of the truth that is given to the other texts of a query.
        check_every: steps between two looks at the held-out recordings.
        least_gain: of the light parts over the reading alone on held-out recordings, in standard
            errors; below it the reading answers alone.
        patience: looks without a gain before it ends.
        seed: of every draw.
    """

    rate_hz: float = 2.5
    copies: int = 8
    most_frames: int = 60_000
    steps: int = 150
    batch: int = 32
    learning_rate: float = 5e-4
    weight_decay: float = 0.05
    average_decay: float = 0.97
    kept_tokens: float = 0.4
    gain_noise: float = 0.15
    smoothing: float = 0.1
    check_every: int = 50
    least_gain: float = 1.0
    patience: int = 3
    seed: int = 0
