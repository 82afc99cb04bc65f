# SPDX-License-Identifier: Apache-2.0
"""X-Encoder: a clip to visual tokens, as V-JEPA 2 and 2.1 do it (paper section 3.1).

One class for every member of the family, from the default model's two blocks to ViT-G: the
differences are fields of :class:`~.config.XEncoderConfig`.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vljepa_ros.model.config import XEncoderConfig
from vljepa_ros.model.evidence import FrameEvidence
from vljepa_ros.model.layers import Attention, Block, GeluMlp
from vljepa_ros.model.rotary import Rotary, axial_tables

NORM_EPS = 1e-6
MOTION_GAIN = 2.0


class TokenMask(NamedTuple):
    """Which visual tokens stay when some are dropped in training, as in masked autoencoders.

    Attributes:
        ids_keep: numbers of the tokens that stay, int64 (B, K).
        total: tokens of a clip before any is dropped.
    """

    ids_keep: Tensor
    total: int


class TubeletEmbedding(nn.Module):
    """Clips (B, T, C, H, W) to patches (B, T/tubelet * H/patch * W/patch, width).

    The weight is that of V-JEPA's three-dimensional convolution, whose kernel is its stride: one
    matrix product does it. With ``motion`` the weight is kept for another basis of the tubelet's
    frames, their mean and their differences. That changes no result, but what training finds
    first: motion, which a frozen image trunk does not see.
    """

    def __init__(self, config: XEncoderConfig, tubelet: int) -> None:
        super().__init__()
        self.patch, self.tubelet = config.patch, tubelet
        content = config.channels * tubelet * config.patch**2
        reference = nn.Linear(content, config.width)  # for torch's usual initial values
        shape = (config.width, config.channels, tubelet, config.patch, config.patch)
        self.weight = nn.Parameter(reference.weight.detach().reshape(shape).clone())
        self.bias = nn.Parameter(reference.bias.detach().clone())
        basis = _motion_basis(tubelet) if config.motion else torch.eye(tubelet)
        self.register_buffer("basis", basis, persistent=False)

    def forward(self, clip: Tensor) -> Tensor:
        """Embed a clip whose sizes are multiples of tubelet and patch."""
        b, _, _, h, w = clip.shape
        p = self.patch
        weight = torch.einsum("dckhw,kt->dhwtc", self.weight, self.basis).flatten(1)
        # Channels move last before patches are cut: two plain copies cost less than one of pairs.
        pixels = clip.reshape(b, -1, self.tubelet * clip.shape[2], h * w).transpose(2, 3)
        rows = pixels.reshape(b, -1, p, w // p, p * pixels.shape[3])
        patches = rows.transpose(2, 3).reshape(b, -1, weight.shape[1])
        return torch.nn.functional.linear(patches, weight, self.bias)


class XEncoder(nn.Module):
    """Clips (B, T, C, H, W), normalised pixels or features, to visual tokens (B, N, width)."""

    def __init__(self, config: XEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = TubeletEmbedding(config, config.tubelet)
        if config.image_tokens:
            self.image_embedding = TubeletEmbedding(config, 1)
            self.image_offset = nn.Parameter(torch.zeros(config.width))
            self.video_offset = nn.Parameter(torch.zeros(config.width))
        norm = partial(nn.LayerNorm, config.width, eps=NORM_EPS)
        self.blocks = nn.ModuleList(
            Block(
                norm,
                Attention(config.width, config.heads, config.heads, bias=True),
                GeluMlp(config.width, config.mlp),
            )
            for _ in range(config.depth)
        )
        self.norm = norm()
        if config.evidence:
            self.evidence = FrameEvidence(config)

    def forward(self, clip: Tensor, token_mask: TokenMask | None = None) -> Tensor:
        """Encode clips of any size; only the tokens of ``token_mask``, if some are dropped.

        Raises:
            ValueError: the clip is not made of whole tubelets and patches.
        """
        x = self.embed(clip)
        rotary = self.rotary(clip)
        if token_mask is not None:
            x = x.gather(1, token_mask.ids_keep[..., None].expand(-1, -1, x.shape[-1]))
            rotary = rotary.rows(token_mask.ids_keep)
        return self.with_evidence(self.encode(x, rotary), clip)

    def embed(self, clip: Tensor) -> Tensor:
        """Return the patches (B, N, width), in (time, row, column) order.

        A single image has tokens of its own in V-JEPA 2.1; in V-JEPA 2 it fills a tubelet.
        """
        self._check(clip)
        if clip.shape[1] > 1:
            x = self.embedding(clip)
            return x + self.video_offset if self.config.image_tokens else x
        if self.config.image_tokens:
            return self.image_embedding(clip) + self.image_offset
        return self.embedding(clip.expand(-1, self.config.tubelet, -1, -1, -1))

    def rotary(self, clip: Tensor) -> Rotary:
        """Return the rotary tables of a clip's tokens."""
        c = self.config
        frames, rows, columns = (clip.shape[i] for i in (1, 3, 4))
        cos, sin = axial_tables(
            c, max(1, frames // c.tubelet), rows // c.patch, columns // c.patch
        )
        return Rotary(*(torch.from_numpy(t).to(clip.device) for t in (cos, sin)))

    def encode(self, x: Tensor, rotary: Rotary) -> Tensor:
        """Turn patches (B, N, width) into visual tokens."""
        for block in self.blocks:
            x = block(x, rotary)
        return self.norm(x)

    def with_evidence(self, tokens: Tensor, clip: Tensor) -> Tensor:
        """Add the evidence of the clip as the last token, if there is any."""
        return torch.cat([tokens, self.evidence(clip)], 1) if self.config.evidence else tokens

    def _check(self, clip: Tensor) -> None:
        c = self.config
        _, t, channels, h, w = clip.shape
        if channels != c.channels or (t > 1 and t % c.tubelet) or h % c.patch or w % c.patch:
            raise ValueError(
                f"a clip (frames, channels, rows, columns) of {tuple(clip.shape[1:])} is not made "
                f"of tubelets of {c.tubelet} frames and patches of {c.channels} x {c.patch} x "
                f"{c.patch}"
            )


def _motion_basis(tubelet: int) -> Tensor:
    """Return the rows that turn a tubelet's frames into their mean and their differences."""
    basis = torch.full((tubelet, tubelet), 1 / tubelet)
    basis[1:] = MOTION_GAIN * (torch.eye(tubelet)[1:] - torch.eye(tubelet)[:-1])
    return basis
