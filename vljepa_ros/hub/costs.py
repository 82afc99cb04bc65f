# SPDX-License-Identifier: Apache-2.0
"""What a model costs to run, computed from its dimensions. Nothing here was measured.

Multiply-adds are counted for matrix products and attention; all else is small beside them. A rate
is what a device of the given speed reaches if nothing but the model runs.
"""

from __future__ import annotations

from dataclasses import dataclass

from vljepa_ros.model.config import ModelConfig, PredictorConfig, XEncoderConfig
from vljepa_ros.model.presets import PAPER, V_JEPA_2, V_JEPA_2_1

FRAMES = 8
"""Frames of the clip that costs are given for, as open-vljepa was trained."""

DEVICES = {"Orin Nano": 7.0, "AGX Orin": 17.0, "RTX 5070 Ti": 17.3, "CPU": 0.13}
"""TFLOP/s that matrix products of these models reach in half precision (CPU: single).

Orin Nano: V-JEPA 2 ViT-L on 64 frames in 1.66 s, as a user of it published. AGX Orin: 40 % of its
data sheet. RTX 5070 Ti: ViT-L on 16 frames in 95.7 ms, as published. CPU: 2 threads of a server
(docs/export.md).
"""


@dataclass(frozen=True)
class ModelCost:
    """What one clip costs.

    Attributes:
        weights_gb: of the graphs that see, in half precision.
        gflop: of one clip and one query.
    """

    weights_gb: float
    gflop: float

    def rate_hz(self, tflops: float) -> float:
        """Return the clips per second of a device that reaches ``tflops`` TFLOP/s."""
        return tflops * 1000 / self.gflop


def _dimensions() -> dict[str, XEncoderConfig | ModelConfig]:
    encoders = {f"v-jepa-2-{name}": each for name, each in V_JEPA_2.items()}
    newer = {f"v-jepa-2.1-{name}": each for name, each in V_JEPA_2_1.items()}
    return {"open-vljepa": PAPER, **encoders, **newer}


DIMENSIONS = _dimensions()
"""Dimensions by the names that the catalogue uses."""


def cost_of(dimensions: XEncoderConfig | ModelConfig, query_tokens: int = 32) -> ModelCost:
    """Return what a clip of FRAMES frames costs.

    Args:
        dimensions: of an encoder alone or of a whole model.
        query_tokens: of the query, if it is a whole model.
    """
    if isinstance(dimensions, XEncoderConfig):
        return _cost(_encoder_values(dimensions), _encoder_products(dimensions))
    x, p = dimensions.x_encoder, dimensions.predictor
    tokens = x.tokens(FRAMES) + query_tokens
    values = _encoder_values(x) + p.depth * _layer_values(p)
    products = _encoder_products(x) + p.depth * (
        tokens * _layer_values(p) + 2 * tokens**2 * p.width
    )
    return _cost(values, products)


def _cost(values: int, products: int) -> ModelCost:
    return ModelCost(weights_gb=2 * values / 1e9, gflop=2 * products / 1e9)


def _encoder_values(x: XEncoderConfig) -> int:
    patch = x.width * x.channels * x.tubelet * x.patch**2
    return patch + x.depth * x.width * (4 * x.width + 2 * x.mlp)


def _encoder_products(x: XEncoderConfig) -> int:
    tokens = x.tokens(FRAMES)
    return tokens * _encoder_values(x) + x.depth * 2 * tokens**2 * x.width


def _layer_values(p: PredictorConfig) -> int:
    key_width = p.width * p.kv_heads // p.heads
    return p.width * (2 * p.width + 2 * key_width + 3 * p.mlp)
