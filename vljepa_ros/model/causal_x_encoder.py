# SPDX-License-Identifier: Apache-2.0
"""Block-causal X-Encoder: each frame of a stream is encoded once and sees its past only.

Every frame ends a tubelet, and its past is cut into tubelets too: those that end one, two, three
tubelets before. So the clip that a frame looks back on is cut without overlap, as V-JEPA cuts
clips. The tokens of a tubelet are its summary and its patches, and all of them see each other. Of
the past they see every token of the newest tubelets, and the summaries alone of older ones. So a
new frame costs the same however long the stream is, and the memory is bounded (docs/streaming.md).

There are two forms, which compute the same. :meth:`CausalXEncoder.every_tubelet` takes whole
streams at once, as training does: every tubelet collects the keys and values of its past.
:meth:`CausalXEncoder.step` takes one tubelet and what is kept of those before it, as a robot does.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vljepa_ros.model.config import XEncoderConfig
from vljepa_ros.model.rotary import frame_rotary, space_tables, time_tables
from vljepa_ros.model.x_encoder import TokenMask, XEncoder


class StreamTubelets(NamedTuple):
    """How the tubelets of whole streams follow each other.

    Attributes:
        times: of the last frame of each tubelet (B, N), ascending, in periods.
        asked: numbers of the tubelets (B, K) that the Predictor is asked about. None is all.
        stride: tubelets from one to the next older one that it sees: 1 if they are cut without
            overlap, and the frames of a tubelet if one ends with every frame.
    """

    times: Tensor
    asked: Tensor | None = None
    stride: int = 1


class CausalXEncoder(XEncoder):
    """Clips (B, T, C, H, W) of any length to the visual tokens (B, N, width) of the last frame."""

    def __init__(self, config: XEncoderConfig, frames: int) -> None:
        """Make the layers of a memory of ``frames`` frames, the newest one among them.

        They are whole tubelets.
        """
        super().__init__(config)
        assert config.memory, "it is what tells this encoder from the other"
        self.frames, self.tubelets = frames, frames // config.tubelet
        # The frames before the newest one whose patches or summaries stay.
        self.dense_frames = (config.memory - 1) * config.tubelet
        self.older_frames = frames - config.tubelet
        self.summary = nn.Parameter(torch.zeros(1, 1, config.width))
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
        self._check_frames(clip)
        tubelet = self.config.tubelet
        missing = -clip.shape[1] % tubelet  # what is before the first frame is that frame
        whole = torch.cat([clip[:, :1].expand(-1, missing, -1, -1, -1), clip], 1)
        tubelets = whole.unflatten(1, (-1, tubelet))
        numbers = torch.arange(tubelets.shape[1], device=clip.device).expand(len(clip), -1)
        streams = StreamTubelets(tubelet * numbers, asked=numbers[:, -1:])
        return self.every_tubelet(tubelets, streams)[:, 0]

    def every_tubelet(self, tubelets: Tensor, streams: StreamTubelets) -> Tensor:
        """Return the visual tokens (B, K, N, width) of every asked tubelet of streams.

        Args:
            tubelets: of the streams (B, N, tubelet, C, H, W).
            streams: how they follow each other.

        Raises:
            ValueError: the frames have another size.
        """
        self._check_frames(tubelets)
        older = _older(streams, self.tubelets, self.frames)
        flat = tubelets.flatten(0, 1)
        x = self._with_summary(self.embedding(flat))
        turn = time_tables(self.config, streams.times).flatten(0, 1)
        rotary = frame_rotary(turn, self.space_cos, self.space_sin)
        mask = self._key_mask(older.seen)
        for block in self.blocks:
            q, *own = block.project(x, rotary)
            keys, values = (torch.cat([each, *self._of(each, older)], 2) for each in own)
            x = block.mix(x, q, keys, values, mask)
        tokens = self.norm(x[:, 1:])
        if self.config.evidence:
            tokens = torch.cat([tokens, self._evidence(tubelets, streams.stride)], 1)
        tokens = tokens.unflatten(0, streams.times.shape)
        if streams.asked is None:
            return tokens
        return tokens[torch.arange(len(tokens), device=tokens.device)[:, None], streams.asked]

    def step(
        self, window: Tensor, turn: Tensor, seen: Tensor, past: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Encode the tubelet that ends with a new frame, of each of some streams.

        Args:
            window: the newest frames (B, ``config.window``, C, H, W), oldest first.
            turn: cos and sin (B, 2, pairs) of the new frames' times.
            seen: which frames of the past are in the memory (B, M - 1), newest first.
            past: turned keys and values (B, depth, 2, heads, K, head width) of the frames before,
                newest first: the patches of the newest ones, then the summaries of all. What is
                not seen may hold any numbers.

        Returns:
            The visual tokens (B, N, width), and the past of the next frame.
        """
        x = self._with_summary(self.embedding(window[:, -self.config.tubelet :]))
        rotary = frame_rotary(turn, self.space_cos, self.space_sin)
        mask = self._key_mask(_ends(seen, self.config.tubelet))
        following = []
        for layer, block in enumerate(self.blocks):
            q, *own = block.project(x, rotary)
            both = list(zip(own, past[:, layer].unbind(1), strict=True))
            keys, values = (torch.cat([new, *self._seen_of(kept)], 2) for new, kept in both)
            x = block.mix(x, q, keys, values, mask)
            following.append(_side_by_side([self._kept_of(*pair) for pair in both]))
        # What the Predictor sees of a tubelet is all but its summary.
        return self.with_evidence(self.norm(x[:, 1:]), window), _side_by_side(following)

    def no_past(self, streams: int = 1) -> Tensor:
        """Return the past of streams that begin."""
        c = self.config
        keys = self.dense_frames * c.frame_patches + self.older_frames
        return torch.zeros(streams, c.depth, 2, c.heads, keys, c.head_width)

    def _with_summary(self, patches: Tensor) -> Tensor:
        """Put the summary (B, 1 + P, width) before patches; it begins as their mean.

        So a norm finds it at the size of the others, and its gradient as well.
        """
        return torch.cat([self.summary + patches.mean(1, keepdim=True), patches], 1)

    def _evidence(self, tubelets: Tensor, stride: int) -> Tensor:
        """Return the evidence (B * N, 1, width) of every tubelet of streams (B, N, ...)."""
        numbers = torch.arange(tubelets.shape[1], device=tubelets.device)
        frames = []
        for lag in self.evidence.lags:
            back, into = divmod(lag, self.config.tubelet)
            place = numbers - stride * back
            row = torch.where(place < 0, 0, self.config.tubelet - 1 - into)
            # What is before the first frame is that frame.
            frames.append(tubelets[:, place.clamp(min=0), row].flatten(0, 1))
        return self.evidence.of(frames)

    def _key_mask(self, seen: Tensor) -> Tensor:
        """Return which keys of a new tubelet and of its past (B, keys) may be seen.

        Args:
            seen: which tubelets of the past are in the memory, newest first.
        """
        patches = self.config.frame_patches
        own = seen.new_ones(seen.shape[0], 1 + patches)
        dense = seen[:, : self.config.memory - 1, None].expand(-1, -1, patches).flatten(1)
        return torch.cat([own, dense, seen], 1)

    def _seen_of(self, kept: Tensor) -> list[Tensor]:
        """Return the keys or values (B, heads, keys, d) of the past that a new tubelet sees."""
        patches, summaries = self._parts(kept)
        return [
            _ends(part, self.config.tubelet, 2).flatten(2, -2) for part in (patches, summaries)
        ]

    def _kept_of(self, new: Tensor, kept: Tensor) -> Tensor:
        """Return what is kept of keys or values when a tubelet's own have joined them."""
        patches, summaries = self._parts(kept)
        patches = torch.cat([new[:, :, None, 1:], patches], 2)[:, :, : self.dense_frames]
        return torch.cat([patches.flatten(2, 3), new[:, :, :1], summaries[:, :, :-1]], 2)

    def _parts(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Return the patches (B, heads, frames, P, d) and the summaries (B, heads, frames, d)."""
        dense = self.dense_frames, self.config.frame_patches
        patches, summaries = kept.split([dense[0] * dense[1], self.older_frames], 2)
        return patches.unflatten(2, dense), summaries

    def _of(self, keys: Tensor, older: _Older) -> tuple[Tensor, Tensor]:
        """Return what every tubelet sees of the keys or values (R, heads, 1 + P, d) of others.

        Those are the patches of dense tubelets, and the summaries of all.
        """
        dense = older.of(keys[:, :, 1:], self.config.memory - 1)
        return dense.transpose(1, 2).flatten(2, 3), older.of(keys[:, :, 0]).transpose(1, 2)

    def _check_frames(self, frames: Tensor) -> None:
        c = self.config
        if frames.shape[-3:] != (c.channels, c.grid, c.grid):
            expected = (c.channels, c.grid, c.grid)
            found = tuple(frames.shape[-3:])
            raise ValueError(f"frames (channels, rows, columns) of {found} instead of {expected}")


class _Older(NamedTuple):
    """Which tubelets each of some streams looks back to, newest first.

    Attributes:
        rows: of these (R, K) among all tubelets of all streams; 0 if there is none.
        seen: True on those that it sees (R, K).
    """

    rows: Tensor
    seen: Tensor

    def of(self, values: Tensor, newest: int | None = None) -> Tensor:
        """Return what the older ones hold (R, K, ...) of values (R, ...)."""
        rows = self.rows[:, :newest]
        return values.index_select(0, rows.flatten()).unflatten(0, rows.shape)


def _older(streams: StreamTubelets, memory: int, span: int) -> _Older:
    """Return what is in the memory when each tubelet comes.

    Args:
        streams: how the tubelets follow each other.
        memory: tubelets that a clip is cut into, the new one among them.
        span: periods that the memory spans.
    """
    times = streams.times
    batch, count = times.shape
    numbers = torch.arange(count, device=times.device)
    back = streams.stride * torch.arange(1, memory, device=times.device)
    place = numbers[:, None] - back
    exists, place = place >= 0, place.clamp(min=0)
    apart = times[..., None] - times[:, place]
    first = count * torch.arange(batch, device=times.device)[:, None, None]
    return _Older((place + first).flatten(0, 1), (exists & (apart < span)).flatten(0, 1))


def _ends(frames: Tensor, tubelet: int, dim: int = 1) -> Tensor:
    """Return those of the frames before a new one, newest first, that end a tubelet of its past.

    ``frames`` has them in dimension ``dim``.
    """
    return frames[(slice(None),) * dim + (slice(tubelet - 1, None, tubelet),)]


def _side_by_side(parts: list[Tensor]) -> Tensor:
    """Stack (B, ...) to (B, parts, ...), without the view of torch.stack, which exports slowly."""
    return torch.cat([part[:, None] for part in parts], 1)
