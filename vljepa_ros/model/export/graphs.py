# SPDX-License-Identifier: Apache-2.0
"""The parts of a model as the graphs of a bundle: constant positions, and static shapes but three.

Free are B, the number of clips (of frames in the frame encoder), L, the tokens of the longest
query, and Q, the number of queries, if they share a pass of the visual tokens. All clips are asked
the same queries.

Rotary tables are buffers, so that no graph computes a sine or a range of numbers: TensorRT's
parser stumbles over those, and every layer would compute them again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vljepa_ros.model.causal_x_encoder import CausalXEncoder
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.export.text_graph import TextGraph
from vljepa_ros.model.frame_encoder import FrameEncoder
from vljepa_ros.model.normalise import normalised
from vljepa_ros.model.predictor import Predictor
from vljepa_ros.model.rotary import Rotary, time_pairs
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.model.x_encoder import XEncoder
from vljepa_ros.model.y_decoder import YDecoder
from vljepa_ros.runtime.stream_memory import NEXT, PAST, SEEN, STATE, TIME

MAX_QUERIES = 256
MAX_CLIPS = 64
_CLIPS = 2  # of the examples: torch takes a single one for a fixed size


@dataclass(frozen=True)
class Graph:
    """A module and how it is written.

    Attributes:
        module: what becomes the graph.
        inputs: example inputs by name.
        outputs: names of outputs.
        free: the axes of free size by input.
    """

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    free: dict[str, dict[int, torch.export.Dim]] = field(default_factory=dict)


def frame_encoder_graph(trunk: FrameEncoder, config: ModelConfig) -> Graph:
    """Return ``frame`` uint8 (B, H, W, 3) -> ``features`` float32 (B, C, h, w)."""
    side = config.frame_pixels
    frame = torch.zeros(_CLIPS, side, side, 3, dtype=torch.uint8)
    return Graph(trunk, {"frame": frame}, ("features",), {"frame": _free_clips()})


def x_encoder_graph(model: VLJepaModel) -> Graph:
    """Return clips -> ``visual_tokens`` float32 (B, N, width).

    Clips are ``features`` float32 (B, T, C, h, w) if the model has a trunk, and else
    ``frames`` uint8 (B, T, H, W, 3), which the graph normalises. If the X-Encoder has a memory,
    the clips are the windows that end with a new frame of each stream. Then the graph also takes
    what is kept of the past, and gives what is to be kept
    (:mod:`vljepa_ros.runtime.stream_memory`).
    """
    config = model.config
    x = config.x_encoder
    if x.memory:
        return _step_graph(model.x_encoder, config)
    if x.trunk:
        clip = torch.zeros(_CLIPS, config.clip_frames, x.channels, x.grid, x.grid)
        inputs = {"features": clip}
    else:
        side = config.frame_pixels
        frames = torch.zeros(_CLIPS, config.clip_frames, side, side, 3, dtype=torch.uint8)
        inputs, clip = {"frames": frames}, normalised(frames)
    module = _Seeing(model.x_encoder, model.x_encoder.rotary(clip), pixels=not x.trunk)
    return Graph(module, inputs, ("visual_tokens",), dict.fromkeys(inputs, _free_clips()))


def predictor_graph(model: VLJepaModel) -> Graph:
    """Return the Predictor.

    ``visual_tokens`` (B, N, width), ``query_tokens`` (Q, L, E), ``query_mask`` bool (Q, L) ->
    ``embeddings`` (B, Q, D). L is free, so that no query is longer than it must be. Q is free if
    queries share a pass of the visual tokens. If both look at each other (the paper's model)
    every query is a pass of its own, and Q is 1.
    """
    c = model.config
    p = c.predictor
    queries = 1 if p.joint else 2
    length = p.max_query_tokens
    inputs = {
        "visual_tokens": torch.zeros(_CLIPS, c.visual_tokens, c.x_encoder.width),
        "query_tokens": torch.zeros(queries, length, p.query_width),
        "query_mask": torch.ones(queries, length, dtype=torch.bool),
    }
    module = _Predicting(model.predictor, c.visual_tokens, length)
    query = {} if length == 1 else {1: torch.export.Dim("L", min=1, max=length)}
    if not p.joint:
        query[0] = torch.export.Dim("Q", min=1, max=MAX_QUERIES)
    free = {"visual_tokens": _free_clips(), "query_tokens": query, "query_mask": query}
    return Graph(module, inputs, ("embeddings",), free)


def y_encoder_graph(model: VLJepaModel) -> Graph:
    """Return the Y-Encoder of one unpadded text: L tokens, free.

    ``input_ids`` int64 (1, L) -> ``embedding`` (1, D), and ``token_states`` (1, L, E) if
    queries come from them.
    """
    encoder = model.y_encoder
    states = model.config.queries_from == "text_encoder"
    outputs = ("embedding", "token_states") if states else ("embedding",)
    module = TextGraph(encoder, states=states)
    length = {1: torch.export.Dim("L", min=1, max=encoder.config.max_tokens)}
    ids = torch.zeros(1, min(7, encoder.config.max_tokens), dtype=torch.int64)
    return Graph(module, {"input_ids": ids}, outputs, {"input_ids": length})


def y_decoder_graph(decoder: YDecoder) -> Graph:
    """Return the greedy search of a sentence, unrolled to the longest one of L words.

    ``embedding`` float32 (1, D) -> ``words`` int64 (1, L) and ``probability`` float32 (1).
    """
    embedding = torch.zeros(1, decoder.config.embedding)
    return Graph(_GreedyDecoding(decoder), {"embedding": embedding}, ("words", "probability"))


def _step_graph(encoder: CausalXEncoder, config: ModelConfig) -> Graph:
    x, side = config.x_encoder, config.frame_pixels
    if x.trunk:
        inputs = {"features": torch.zeros(_CLIPS, x.window, x.channels, x.grid, x.grid)}
    else:
        inputs = {"frames": torch.zeros(_CLIPS, x.window, side, side, 3, dtype=torch.uint8)}
    inputs[TIME] = torch.zeros(_CLIPS, 2, time_pairs(x))
    inputs[SEEN] = torch.ones(_CLIPS, config.clip_frames - 1, dtype=torch.bool)
    inputs[PAST + STATE] = encoder.no_past(_CLIPS)
    module = _Stepping(encoder, pixels=not x.trunk)
    outputs = ("visual_tokens", NEXT + STATE)
    return Graph(module, inputs, outputs, dict.fromkeys(inputs, _free_clips()))


def _free_clips() -> dict[int, torch.export.Dim]:
    return {0: torch.export.Dim("B", min=1, max=MAX_CLIPS)}


class _Seeing(nn.Module):
    """The X-Encoder for clips of one size."""

    def __init__(self, encoder: XEncoder, rotary: Rotary, *, pixels: bool) -> None:
        super().__init__()
        self.encoder, self.pixels = encoder, pixels
        self.register_buffer("cos", rotary.cos)
        self.register_buffer("sin", rotary.sin)

    def forward(self, clip: Tensor) -> Tensor:
        clip = normalised(clip) if self.pixels else clip
        tokens = self.encoder.encode(self.encoder.embed(clip), Rotary(self.cos, self.sin))
        return self.encoder.with_evidence(tokens, clip)


class _Stepping(nn.Module):
    """The block-causal X-Encoder for a new frame of each stream."""

    def __init__(self, encoder: CausalXEncoder, *, pixels: bool) -> None:
        super().__init__()
        self.encoder, self.pixels = encoder, pixels

    def forward(
        self,
        window: Tensor,
        time: Tensor,
        seen: Tensor,
        past: Tensor,
    ) -> tuple[Tensor, Tensor]:
        window = normalised(window) if self.pixels else window
        return self.encoder.step(window, time, seen, past)


class _Predicting(nn.Module):
    """The Predictor for ``count`` visual tokens and queries of at most ``length`` tokens."""

    def __init__(self, predictor: Predictor, count: int, length: int) -> None:
        super().__init__()
        self.predictor, self.count = predictor, count
        self.count -= predictor.takes_evidence
        rotary = predictor.rotary(self.count + length, torch.device("cpu"))
        self.register_buffer("cos", rotary.cos)
        self.register_buffer("sin", rotary.sin)

    def forward(self, visual: Tensor, query_tokens: Tensor, query_mask: Tensor) -> Tensor:
        rotary = Rotary(self.cos, self.sin)
        seen = rotary.part(0, self.count)
        asked = rotary.part(self.count, self.count + query_tokens.shape[1])
        queries, mask = query_tokens[None], query_mask[None]
        return self.predictor.predict(visual, queries, mask, seen, asked)


class _GreedyDecoding(nn.Module):
    """The Y-Decoder as it runs on a robot, which is not how it is trained."""

    def __init__(self, decoder: YDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        return self.decoder.greedy_decode(embedding)
