# SPDX-License-Identifier: Apache-2.0
"""How clips become tubelets."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")

from vljepa_ros.model.config import ModelConfig  # noqa: E402
from vljepa_ros.model.x_encoder import DIFFERENCE_GAIN, XEncoder  # noqa: E402

CONFIG = ModelConfig(frame_channels=3, frame_grid=4, width=24, heads=3)


def test_tubelets_hold_the_mean_and_the_motion_of_their_patch():
    features = torch.randn(1, 8, 3, 4, 4)
    tokens = XEncoder(CONFIG)._tubelets(features)
    assert tokens.shape == (1, CONFIG.visual_tokens, 4 * 3 * 2 * 2)
    # four patches a tubelet: token 7 is the last patch of the second
    content = tokens[0, 7].reshape(4, 3, 2, 2)
    patch = features[0, 4:8, :, 2:4, 2:4]
    torch.testing.assert_close(content[0], patch.mean(0))
    torch.testing.assert_close(content[2], (patch[2] - patch[1]) * DIFFERENCE_GAIN)


def test_a_still_clip_has_no_motion():
    features = torch.randn(1, 1, 3, 4, 4).expand(1, 8, 3, 4, 4)
    tokens = XEncoder(CONFIG)._tubelets(features).reshape(1, 2, 4, 4, -1)
    assert tokens[..., 1:, :].abs().max() == 0
    torch.testing.assert_close(tokens[:, 0], tokens[:, 1])


def test_dropped_tokens_leave_the_kept_ones_in_place():
    torch.manual_seed(0)
    encoder = XEncoder(
        ModelConfig(frame_channels=3, frame_grid=4, width=24, heads=3, encoder_blocks=0)
    )
    features = torch.randn(1, 8, 3, 4, 4)
    keep = torch.tensor([[1, 6]])
    torch.testing.assert_close(encoder(features, keep), encoder(features)[:, [1, 6]])
