# SPDX-License-Identifier: Apache-2.0
"""Block-causal X-Encoder: each frame of a stream is encoded once and sees its past only.

The tokens of a frame are its summary and its patches, and all of them see each other. Of the past
they see every token of the newest frames, and the summaries alone of older ones. So a new frame
costs the same however long the stream is, and the memory is bounded (docs/streaming.md).

There are two forms, which compute the same. :meth:`CausalXEncoder.every_frame` takes whole
streams at once, as training does: every frame collects the keys and values of its past.
:meth:`CausalXEncoder.step` takes one frame and what is kept of those before it, as a robot does.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vljepa_ros.model.config import XEncoderConfig
from vljepa_ros.model.rotary import frame_rotary, space_tables, time_tables
from vljepa_ros.model.x_encoder import TokenMask, XEncoder


class StreamFrames(NamedTuple):
    """How the frames of whole streams follow each other.

    Attributes:
        times: of the frames (B, T), ascending, in periods.
        kept: True on the frames (B, T) that stay in the memory; later frames do not see the
            others. None keeps all.
        asked: numbers of the frames (B, K) that the Predictor is asked about; None is all.
    """

    times: Tensor
    kept: Tensor | None = None
    asked: Tensor | None = None


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
        # Not 0: a norm has a thousandfold gradient there, and clipping would leave others nothing.
        self.summary = nn.Parameter(torch.randn(1, 1, config.width))
        self.nothing = nn.Parameter(torch.randn(1, 1, config.width))
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

    def every_frame(self, clip: Tensor, streams: StreamFrames | None = None) -> Tensor:
        """Return the visual tokens (B, K, N, width) of every asked frame of streams.

        Args:
            clip: the streams (B, T, C, H, W).
            streams: how their frames follow each other; None is one after the other.

        Raises:
            ValueError: the frames have another size.
        """
        self._check_frames(clip)
        if streams is None:
            count = torch.arange(clip.shape[1], device=clip.device)
            streams = StreamFrames(count.expand(clip.shape[0], -1))
        older = _older_frames(streams, self.frames)
        tubelets = self._tubelets(clip, older)
        x = self._with_summary(self.embedding(tubelets))
        turn = time_tables(self.config, streams.times).flatten(0, 1)
        rotary = frame_rotary(turn, self.space_cos, self.space_sin)
        mask = self._key_mask(older.seen)
        for block in self.blocks:
            q, *own = block.project(x, rotary)
            keys, values = (torch.cat([each, *self._of(each, older)], 2) for each in own)
            x = block.mix(x, q, keys, values, mask)
        x = self.norm(x)
        summaries = torch.cat([x[:, :1], older.of(x[:, 0])], 1)
        tokens = torch.cat([self._pooled(summaries, _with_itself(older.seen)), x[:, 1:]], 1)
        tokens = self.with_evidence(tokens, tubelets).unflatten(0, clip.shape[:2])
        if streams.asked is None:
            return tokens
        return tokens[torch.arange(len(tokens), device=tokens.device)[:, None], streams.asked]

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

    def _tubelets(self, clip: Tensor, older: _OlderFrames) -> Tensor:
        """Return the frames (B * T, tubelet, C, H, W) that end with each frame of streams."""
        frames = clip.flatten(0, 1)
        itself = torch.arange(len(frames), device=clip.device)
        begins = torch.where(older.seen.any(1), 0, itself)
        first = begins.cummax(0).values  # the first row of each stream begins anew
        before = older.rows[:, : self.config.tubelet - 1].maximum(first[:, None])
        wanted = torch.cat([before.flip(1), itself[:, None]], 1)
        return frames.index_select(0, wanted.flatten()).unflatten(0, wanted.shape)

    def _of(self, keys: Tensor, older: _OlderFrames) -> tuple[Tensor, Tensor]:
        """Return what every frame sees of the keys or values (B * T, heads, 1 + P, d) of others.

        Those are the patches of dense frames, and the summaries of all.
        """
        dense = older.of(keys[:, :, 1:], self.memory.dense - 1)
        return dense.transpose(1, 2).flatten(2, 3), older.of(keys[:, :, 0]).transpose(1, 2)

    def _check_frames(self, clip: Tensor) -> None:
        c = self.config
        if clip.shape[2:] != (c.channels, c.grid, c.grid):
            expected = (c.channels, c.grid, c.grid)
            found = tuple(clip.shape[2:])
            raise ValueError(f"frames (channels, rows, columns) of {found} instead of {expected}")


class _OlderFrames(NamedTuple):
    """Which frames each frame of streams looks back to, newest first.

    Attributes:
        rows: of these frames (B * T, M - 1) among all frames of all streams; 0 if there is none.
        seen: True on those that the frame sees (B * T, M - 1).
    """

    rows: Tensor
    seen: Tensor

    def of(self, values: Tensor, newest: int | None = None) -> Tensor:
        """Return what the older frames hold (B * T, M - 1, ...) of values (B * T, ...)."""
        rows = self.rows[:, :newest]
        return values.index_select(0, rows.flatten()).unflatten(0, rows.shape)


def _older_frames(streams: StreamFrames, frames: int) -> _OlderFrames:
    """Return which kept frames are in the memory of ``frames`` frames when each frame comes."""
    times = streams.times
    batch, count = times.shape
    kept = torch.ones_like(times, dtype=torch.bool) if streams.kept is None else streams.kept
    in_order = (~kept).int().argsort(dim=1, stable=True)  # the kept ones first, oldest first
    before = kept.cumsum(1) - kept.int()
    place = before[..., None] - torch.arange(1, frames, device=times.device)
    exists, place = place >= 0, place.clamp(min=0)
    rows = in_order.gather(1, place.flatten(1)).unflatten(1, place.shape[1:])
    apart = times[..., None] - times.gather(1, rows.flatten(1)).unflatten(1, place.shape[1:])
    first = torch.arange(0, batch * count, count, device=times.device)[:, None, None]
    seen = exists & (apart < frames)
    return _OlderFrames((rows + first).flatten(0, 1), seen.flatten(0, 1))


def _with_itself(seen: Tensor) -> Tensor:
    return torch.cat([seen.new_ones(seen.shape[0], 1), seen], 1)


def _side_by_side(parts: list[Tensor]) -> Tensor:
    """Stack (B, ...) to (B, parts, ...), without the view of torch.stack, which exports slowly."""
    return torch.cat([part[:, None] for part in parts], 1)
