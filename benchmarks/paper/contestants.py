# SPDX-License-Identifier: Apache-2.0
"""How each contestant differs from ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.paper.causal_model import causal_model
from benchmarks.paper.comparisons import BASE, BOTH_STAGES, FRAMES, JOINT, OURS, TOKENS
from benchmarks.paper.frame_model import FrameModel, frame_config
from benchmarks.paper.token_model import TokenModel
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.presets import DEFAULT
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.model.vocabulary import Vocabulary

# The recipe's sizes, with clips that are seen as a whole, as the paper's are.
COMPARED = replace(
    DEFAULT,
    clip_frames=8,
    clip_rate_hz=5.0,
    x_encoder=replace(DEFAULT.x_encoder, memory=0, tubelet=4, motion=True),
    predictor=replace(DEFAULT.predictor, joint=False, pool_query=False, pool_visual=False),
)


@dataclass(frozen=True)
class Recipe:
    """What is trained.

    Attributes:
        config: sizes.
        make: the model of a configuration and of the words of all sentences.
        asked: for each stage, of equal length, whether questions are asked (SFT) or not (BASE).
        loss: of :class:`vljepa_ros.training.stage.Stage`, with its weights.
    """

    config: ModelConfig = COMPARED
    make: Callable[[ModelConfig, Vocabulary], VLJepaModel] = lambda config, _: VLJepaModel(config)
    asked: tuple[bool, ...] = (True,)
    loss: tuple[tuple[str, Any], ...] = ()


def _x_encoder(**changes: Any) -> Recipe:
    return Recipe(replace(COMPARED, x_encoder=replace(COMPARED.x_encoder, **changes)))


def _predictor(**changes: Any) -> ModelConfig:
    return replace(COMPARED, predictor=replace(COMPARED.predictor, **changes))


def _text_rate(rate: float) -> Recipe:
    return Recipe(replace(COMPARED, y_encoder=replace(COMPARED.y_encoder, rate=rate)))


_NO_SPREADING = (("loss", "sigreg"), ("sigreg_predicted", 0.0), ("sigreg_text", 0.0))

RECIPES = {
    OURS: Recipe(),
    TOKENS: Recipe(make=TokenModel),
    FRAMES: Recipe(frame_config(COMPARED), lambda config, _: FrameModel(config), asked=(False,)),
    BASE: Recipe(asked=(False,)),
    BOTH_STAGES: Recipe(asked=(False, True)),
    JOINT: Recipe(_predictor(joint=True)),
    "and the answer is pooled over both": Recipe(_predictor(joint=True, pool_visual=True)),
    "causal mask": Recipe(_predictor(joint=True), lambda config, _: causal_model(config)),
    "cosine loss": Recipe(loss=_NO_SPREADING),
    "SIGReg": Recipe(loss=(("loss", "sigreg"),)),
    "text encoder's rate 0.05": _text_rate(0.05),
    "text encoder's rate 1": _text_rate(1.0),
    "no motion channels": _x_encoder(motion=False),
    "tubelets of 2 frames": _x_encoder(tubelet=2),
    "clips of 4 frames": Recipe(replace(COMPARED, clip_frames=4)),
    "clips of 16 frames": Recipe(replace(COMPARED, clip_frames=16)),
}
