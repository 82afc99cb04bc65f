# SPDX-License-Identifier: Apache-2.0
"""Block-causal X-Encoder: each frame of a stream is encoded once and sees its past only.

The tokens of a frame are its summary and its patches, and all of them see each other. Of the past
they see every token of the newest frames, and the summaries alone of older ones. So a new frame
costs the same however long the stream is, and the memory is bounded (docs/streaming.md).

There are two forms, which compute the same. :meth:`CausalXEncoder.every_frame` takes whole
streams at once, as training does: what a frame may see is a mask. :meth:`CausalXEncoder.step`
takes one frame and the keys and values of those before it, as a robot does.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vljepa_ros.model.config import XEncoderConfig
from vljepa_ros.model.rotary import Rotary, frame_rotary, space_tables, time_tables
from vljepa_ros.model.x_encoder import TokenMask, XEncoder


class Past(NamedTuple):
    """What is kept of the frames before; the newest stand first.

    Attributes:
        attention: turned keys and values (B, depth, 2, heads, K, head width): those of the patches
            of the dense frames, then those of the summaries of all.
        summaries: the final summaries (B, M - 1, width).
        frames: the frames themselves (B, tubelet - 1, C, H, W), oldest first; None if a tubelet is
            one frame.
    """

    attention: Tensor
    summaries: Tensor
    frames: Tensor | None = None


class CausalXEncoder(XEncoder):
    """Clips (B, T, C, H, W) of any length to the visual tokens (B, N, width) of the last frame.

    Those are the summaries of the memory, newest first, and the patches of the frame.
    """

    def __init__(self, config: XEncoderConfig, frames: int) -> None:
        """Make the layers of a memory of ``frames`` frames, the newest one among them."""
        super().__init__(config, config.tubelet)
        assert config.memory is not None, "it is what tells this encoder from the other"
        self.memory, self.frames = config.memory, frames
        self.summary = nn.Parameter(torch.zeros(1, 1, config.width))
        self.nothing = nn.Parameter(torch.zeros(1, 1, config.width))
        cos, sin = (torch.from_numpy(table) for table in space_tables(config))
        self.register_buffer("space_cos", cos, persistent=False)
        self.register_buffer("space_sin", sin, persistent=False)

    def forward(self, clip: Tensor, token_mask: TokenMask | None = None) -> Tensor:
        """Encode clips whose frames follow each other by one period.

        Raises:
            ValueError: the frames have another size, or tokens are to be dropped.
        """
        if token_mask is not None:
            raise ValueError("a block-causal X-Encoder drops no tokens: its memory needs them all")
        return self.every_frame(clip)[:, -1]

    def every_frame(self, clip: Tensor, times: Tensor | None = None) -> Tensor:
        """Return the visual tokens (B, T, N, width) of every frame of streams.

        Args:
            clip: the streams (B, T, C, H, W).
            times: of the frames (B, T), ascending, in periods; None is one after the other.

        Raises:
            ValueError: the frames have another size.
        """
        self._check_frames(clip)
        count = clip.shape[1]
        if times is None:
            times = torch.arange(count, device=clip.device).expand(clip.shape[0], -1)
        seen = self._seen(times)
        tubelets = self._tubelets(clip, seen)
        x = self._with_summary(self.embedding(tubelets.flatten(0, 1)))
        turn = time_tables(self.config, times).flatten(0, 1)
        tables = frame_rotary(turn, self.space_cos, self.space_sin)
        tables = Rotary(
            *(table.reshape(clip.shape[0], 1, -1, table.shape[-1]) for table in tables)
        )
        x = x.reshape(clip.shape[0], -1, x.shape[-1])
        x = self.encode(x, tables, self._token_mask(seen)).unflatten(1, (count, -1))
        tokens = torch.cat([self._remembered(x[:, :, 0], seen), x[:, :, 1:]], 2).flatten(0, 1)
        return self.with_evidence(tokens, tubelets.flatten(0, 1)).unflatten(0, (-1, count))

    def step(self, frame: Tensor, turn: Tensor, seen: Tensor, past: Past) -> tuple[Tensor, Past]:
        """Encode one frame of each of some streams.

        Args:
            frame: the new frames (B, C, H, W).
            turn: cos and sin (B, 2, pairs) of their times.
            seen: which frames of the past are in the memory (B, M - 1), newest first.
            past: what is kept of them; what is not seen may hold any numbers.

        Returns:
            The visual tokens (B, N, width), and what is kept for the next frame.
        """
        tubelet = self._tubelet(frame, seen, past)
        x = self._with_summary(self.embedding(tubelet))
        rotary = frame_rotary(turn, self.space_cos, self.space_sin)
        mask = self._key_mask(seen)
        kept = []
        for layer, block in enumerate(self.blocks):
            q, *own = block.project(x, rotary)
            old = past.attention[:, layer].unbind(1)
            keys, values = (torch.cat(pair, 2) for pair in zip(own, old, strict=True))
            x = block.mix(x, q, keys, values, mask)
            kept.append(_side_by_side([self._kept(each) for each in (keys, values)]))
        x = self.norm(x)
        summaries = torch.cat([x[:, :1], past.summaries], 1)
        tokens = torch.cat([self._pooled(summaries, _with_itself(seen)), x[:, 1:]], 1)
        frames = None if past.frames is None else tubelet[:, 1:]
        following = Past(_side_by_side(kept), summaries[:, :-1], frames)
        return self.with_evidence(tokens, tubelet), following

    def no_past(self, streams: int = 1) -> Past:
        """Return the past of streams that begin."""
        c, older = self.config, self.frames - 1
        keys = (self.memory.dense - 1) * c.frame_patches + older
        frames = None
        if c.tubelet > 1:
            frames = torch.zeros(streams, c.tubelet - 1, c.channels, c.grid, c.grid)
        return Past(
            torch.zeros(streams, c.depth, 2, c.heads, keys, c.head_width),
            torch.zeros(streams, older, c.width),
            frames,
        )

    def _with_summary(self, patches: Tensor) -> Tensor:
        return torch.cat([self.summary.expand(patches.shape[0], -1, -1), patches], 1)

    def _tubelet(self, frame: Tensor, seen: Tensor, past: Past) -> Tensor:
        """Return the frames (B, tubelet, C, H, W) that end with each.

        All that is before the first frame of a stream is that frame.
        """
        if past.frames is None:
            return frame[:, None]
        begun = seen[:, :1, None, None, None]
        return torch.cat([torch.where(begun, past.frames, frame[:, None]), frame[:, None]], 1)

    def _key_mask(self, seen: Tensor) -> Tensor:
        """Return which of a new frame's own keys and those of the past may be seen (B, keys)."""
        patches = self.config.frame_patches
        own = seen.new_ones(seen.shape[0], 1 + patches)
        dense = seen[:, : self.memory.dense - 1, None].expand(-1, -1, patches).flatten(1)
        return torch.cat([own, dense, seen], 1)

    def _kept(self, keys: Tensor) -> Tensor:
        """Return what stays of keys or values (B, heads, keys, d) when the next frame comes."""
        patches = self.config.frame_patches
        dense = (self.memory.dense - 1) * patches
        summary, new, old = keys.split([1, patches + dense, self.frames - 1], 2)
        return torch.cat([new[:, :, :dense], summary, old[:, :, :-1]], 2)

    def _pooled(self, summaries: Tensor, seen: Tensor) -> Tensor:
        """Return means (B, summaries, width) of neighbouring frames; ``nothing`` if none is seen.

        Args:
            summaries: of the frames (B, M, width), newest first.
            seen: which of them are in the memory (B, M).
        """
        weight = seen.to(summaries.dtype)[..., None]
        groups = (self.memory.summaries, -1)
        total = (summaries * weight).unflatten(1, groups).sum(2)
        count = weight.unflatten(1, groups).sum(2)
        return torch.where(count > 0, total / count.clamp(min=1), self.nothing)

    def _seen(self, times: Tensor) -> Tensor:
        """Return which frame sees which (B, T, T): its memory's newest frames, itself too."""
        number = torch.arange(times.shape[1], device=times.device)
        before = number[:, None] - number
        apart = times[:, :, None] - times[:, None]
        return (before >= 0) & (before < self.frames) & (apart < self.frames)

    def _tubelets(self, clip: Tensor, seen: Tensor) -> Tensor:
        """Return the frames (B, T, tubelet, C, H, W) that end with each."""
        number = torch.arange(clip.shape[1], device=clip.device)
        begins = seen.sum(-1) == 1
        first = torch.where(begins, number, 0).cummax(1).values
        back = torch.arange(self.config.tubelet - 1, -1, -1, device=clip.device)
        wanted = (number[:, None] - back).maximum(first[..., None])
        stream = torch.arange(clip.shape[0], device=clip.device)[:, None, None]
        return clip[stream, wanted]

    def _token_mask(self, seen: Tensor) -> Tensor:
        """Return which token sees which (B, T * tokens, T * tokens)."""
        number = torch.arange(seen.shape[1], device=seen.device)
        dense = seen & (number[:, None] - number < self.memory.dense)
        patches = self.config.frame_patches
        keys = torch.cat([seen[..., None], dense[..., None].expand(-1, -1, -1, patches)], -1)
        return keys.flatten(2).repeat_interleave(1 + patches, 1)

    def _remembered(self, summaries: Tensor, seen: Tensor) -> Tensor:
        """Return what :meth:`_pooled` gives for every frame (B, T, summaries, width)."""
        number = torch.arange(seen.shape[1], device=seen.device)
        wanted = number[:, None] - torch.arange(self.frames, device=seen.device)
        exists = wanted >= 0
        wanted = wanted.clamp(min=0)
        there = seen.gather(2, wanted.expand(seen.shape[0], -1, -1)) & exists
        pooled = self._pooled(summaries[:, wanted].flatten(0, 1), there.flatten(0, 1))
        return pooled.unflatten(0, summaries.shape[:2])

    def _check_frames(self, clip: Tensor) -> None:
        c = self.config
        if clip.shape[2:] != (c.channels, c.grid, c.grid):
            expected = (c.channels, c.grid, c.grid)
            found = tuple(clip.shape[2:])
            raise ValueError(f"frames (channels, rows, columns) of {found} instead of {expected}")


def _with_itself(seen: Tensor) -> Tensor:
    return torch.cat([seen.new_ones(seen.shape[0], 1), seen], 1)


def _side_by_side(parts: list[Tensor]) -> Tensor:
    """Stack (B, ...) to (B, parts, ...), without the view of torch.stack, which exports slowly."""
    return torch.cat([part[:, None] for part in parts], 1)
