# SPDX-License-Identifier: Apache-2.0
"""Rotary positions as two constant tables, for V-JEPA's three axes and for Llama's one.

Both models turn pairs of channels by angles that depend on the position. Here the partner of
channel ``i`` of a head is always channel ``i + half``, as in Llama: V-JEPA's heads are brought to
that order when weights are read (:func:`head_order`), which changes no result, because queries
and keys are reordered alike. What is left of the rotation is ``x * cos + swapped(x) * sin``, which
is what TensorRT and ONNX Runtime run without a table lookup, a stack or a strided slice.

V-JEPA 2's tables are no true rotation: its frequencies are tiled while its partners are
interleaved, so the two channels of a pair turn by different angles. That is how it was trained.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vljepa_ros.model.config import PredictorConfig, RotaryScaling, XEncoderConfig
from vljepa_ros.stream.time_turn import ROTARY_BASE, time_turn


class Rotary(NamedTuple):
    """``cos`` and ``sin`` (..., tokens, head width) for keys; queries take them scaled."""

    cos: Tensor
    sin: Tensor

    def turn(self, x: Tensor, scale: float = 1.0) -> Tensor:
        """Rotate heads ``x`` (..., tokens, head width) and scale them."""
        half = x.shape[-1] // 2
        swapped = torch.cat([x[..., half:], x[..., :half]], -1)
        return x * (self.cos * scale) + swapped * (self.sin * scale)

    def rows(self, index: Tensor) -> Rotary:
        """Return the rows (B, 1, K, head width) of tokens ``index`` (B, K), for every head."""
        return Rotary(self.cos[index].unsqueeze(1), self.sin[index].unsqueeze(1))

    def part(self, start: int, end: int) -> Rotary:
        """Return the rows of the tokens ``start`` to ``end``."""
        return Rotary(self.cos[start:end], self.sin[start:end])


def head_order(width: int) -> NDArray[np.int64]:
    """Return which of V-JEPA's channels stands at each place of a head of ``width`` channels.

    V-JEPA rotates three groups (frame, row, column) of interleaved pairs and leaves the rest.
    """
    group = _group(width)
    pairs = np.arange(3 * group).reshape(-1, 2)
    rest = np.arange(3 * group, width)
    half = len(rest) // 2
    return np.concatenate([pairs[:, 0], rest[:half], pairs[:, 1], rest[half:]])


@lru_cache(maxsize=16)
def axial_tables(
    config: XEncoderConfig, frames: int, rows: int, columns: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return cos and sin (frames * rows * columns, head width) of V-JEPA's visual tokens.

    Every size gets its own positions. (transformers takes them from ``crop_size``, whatever comes
    in.)

    Args:
        config: sizes of the X-Encoder.
        frames: number of tubelets in time.
        rows: number of patches in a column of the frame.
        columns: number of patches in a row of the frame.
    """
    group, width = _group(config.head_width), config.head_width
    t, y, x = np.meshgrid(np.arange(frames), np.arange(rows), np.arange(columns), indexing="ij")
    places = [t, _stretched(y, config, rows), _stretched(x, config, columns)]
    pairs = np.arange(group // 2)
    omega = ROTARY_BASE ** (-pairs / (group / 2))
    if config.rotary == "interleaved":
        first = second = omega
    else:  # channel c of a group turns with frequency c modulo half
        channels = np.arange(group) % (group // 2)
        first, second = omega[channels[0::2]], omega[channels[1::2]]
    angles = [
        np.concatenate([place.reshape(-1, 1) * part for place in places], 1)
        for part in (first, second)
    ]
    still = np.zeros((angles[0].shape[0], (width - 3 * group) // 2))
    one, two = (np.concatenate([angle, still], 1) for angle in angles)
    cos = np.concatenate([np.cos(one), np.cos(two)], 1)
    sin = np.concatenate([-np.sin(one), np.sin(two)], 1)
    return cos.astype(np.float32), sin.astype(np.float32)


def time_tables(config: XEncoderConfig, times: Tensor) -> Tensor:
    """Return cos and sin (..., 2, pairs) of frames at ``times`` (...), in periods of a clip."""
    turns = time_turn(times.double().cpu().numpy(), time_pairs(config))
    return torch.from_numpy(turns).to(times.device)


def time_pairs(config: XEncoderConfig) -> int:
    """Return how many pairs of channels of a head turn with time."""
    return _group(config.head_width) // 2


def space_tables(config: XEncoderConfig) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return cos and sin (1 + patches, pairs) of the pairs that do not turn with time.

    The first row is that of a token without a place in the frame.
    """
    side = config.grid // config.patch
    cos, sin = axial_tables(config, 1, side, side)
    first, half = time_pairs(config), config.head_width // 2
    still = np.zeros((1, half - first), np.float32)
    return (
        np.concatenate([still + 1, cos[:, first:half]]),
        np.concatenate([still, sin[:, half + first :]]),
    )


def frame_rotary(turn: Tensor, cos: Tensor, sin: Tensor) -> Rotary:
    """Return the tables (B, 1, tokens, head width) of frames at their times, for every head.

    Args:
        turn: of the times (B, 2, pairs), see :func:`time_tables`.
        cos: of places in the frame (tokens, other pairs), see :func:`space_tables`.
        sin: of the same.
    """
    batch, tokens = turn.shape[0], cos.shape[0]
    whole = [
        torch.cat([turn[:, n, None].expand(-1, tokens, -1), part.expand(batch, -1, -1)], -1)
        for n, part in enumerate((cos, sin))
    ]
    return Rotary(
        torch.cat([whole[0]] * 2, -1)[:, None], torch.cat([-whole[1], whole[1]], -1)[:, None]
    )


@lru_cache(maxsize=16)
def sequence_tables(
    config: PredictorConfig, tokens: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return cos and sin (tokens, head width) of Llama's positions 0 to ``tokens`` - 1."""
    width = config.head_width
    frequency = config.rotary_base ** (-np.arange(0, width, 2) / width)
    if config.rotary_scaling is not None:
        frequency = _long_context(frequency, config.rotary_scaling)
    angle = np.arange(tokens)[:, None] * frequency
    cos, sin = np.cos(angle), np.sin(angle)
    return (
        np.concatenate([cos, cos], 1).astype(np.float32),
        np.concatenate([-sin, sin], 1).astype(np.float32),
    )


def _group(head_width: int) -> int:
    """Channels of a head that one of the three axes turns."""
    return 2 * (head_width // 3 // 2)


def _stretched(
    places: NDArray[np.int64], config: XEncoderConfig, count: int
) -> NDArray[np.float64]:
    if not config.position_grid or count == 1:
        return places.astype(np.float64)
    return places * (config.position_grid - 1) / (count - 1)


def _long_context(frequency: NDArray[np.float64], s: RotaryScaling) -> NDArray[np.float64]:
    """Llama 3.1's rule: low frequencies are divided, high ones kept, the others blended."""
    turns = s.context * frequency / (2 * np.pi)
    keep = np.clip((turns - s.low) / (s.high - s.low), 0, 1)
    blended: NDArray[np.float64] = keep * frequency + (1 - keep) * frequency / s.factor
    return blended
