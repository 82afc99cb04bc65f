# SPDX-License-Identifier: Apache-2.0
"""What a model costs to run, computed from its dimensions. Nothing here was measured.

Multiply-adds are counted for matrix products and attention; all else is small beside them. A rate
is what a device of the given speed reaches if nothing but the model runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vljepa_ros.model.config import ModelConfig, PredictorConfig, XEncoderConfig
from vljepa_ros.model.presets import PAPER, V_JEPA_2, V_JEPA_2_1

FRAMES = 8
"""Frames of the clip that costs are given for, as open-vljepa was trained."""

QUERY_TOKENS = 32
"""Tokens of the query that they are given for, if it is a whole model."""

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


DIMENSIONS: Mapping[str, XEncoderConfig | ModelConfig] = {
    "open-vljepa": PAPER,
    **{f"v-jepa-2-{name}": each for name, each in V_JEPA_2.items()},
    **{f"v-jepa-2.1-{name}": each for name, each in V_JEPA_2_1.items()},
}
"""Dimensions by the names that the catalogue uses."""


def cost_of(dimensions: XEncoderConfig | ModelConfig) -> ModelCost:
    """Return what a clip of FRAMES frames costs an encoder alone, or a whole model."""
    if isinstance(dimensions, XEncoderConfig):
        return _cost(dimensions.matrix_values, _products(dimensions, dimensions.tokens(FRAMES)))
    x, p = dimensions.x_encoder, dimensions.predictor
    seen = x.tokens(FRAMES)
    products = _products(x, seen) + _products(p, seen + QUERY_TOKENS)
    return _cost(x.matrix_values + p.matrix_values, products)


def _cost(values: int, products: int) -> ModelCost:
    return ModelCost(weights_gb=2 * values / 1e9, gflop=2 * products / 1e9)


def _products(layers: XEncoderConfig | PredictorConfig, tokens: int) -> int:
    """Return the multiply-adds of the matrices for all tokens, and of their attention."""
    return tokens * layers.matrix_values + layers.depth * 2 * tokens**2 * layers.width
