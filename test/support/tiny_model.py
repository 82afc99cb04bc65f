# SPDX-License-Identifier: Apache-2.0
"""Models of the shapes of the presets in a size for tests, with random weights and few words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers

from vljepa_ros.model.config import ModelConfig, RotaryScaling
from vljepa_ros.model.directory import save_model
from vljepa_ros.model.export.contents import Contents
from vljepa_ros.model.presets import DEFAULT, PAPER
from vljepa_ros.model.vljepa import VLJepaModel

WORDS = ("[UNK]", "what", "is", "it", "?", "a", "red", "green", "door", "cup", "open", "closed")
QUERIES = {"thing": "what is it ?", "state": "is it open ?"}
PHRASES = {
    "thing": ["a door", "a cup", "a red door", "a green cup"],
    "state": ["it is open", "it is closed"],
}

# The paper's: pixels, Gemma, a table of query tokens, and every token sees every other.
TINY_PAPER = replace(
    PAPER,
    frame_pixels=32,
    clip_frames=4,
    embedding=12,
    query_vocabulary=len(WORDS),
    x_encoder=replace(PAPER.x_encoder, grid=32, width=24, depth=2, heads=2, mlp=40),
    predictor=replace(
        PAPER.predictor,
        width=24,
        depth=2,
        heads=4,
        kv_heads=2,
        mlp=40,
        query_width=20,
        max_query_tokens=6,
        rotary_scaling=RotaryScaling(context=16),
    ),
    y_encoder=replace(
        PAPER.y_encoder,
        vocabulary=len(WORDS),
        width=16,
        depth=1,
        heads=2,
        head_width=8,
        mlp=24,
        window=4,
        max_tokens=16,
    ),
)

# The default model's: a trunk, BERT, whose token states are the queries' tokens, and visual
# tokens that queries share.
TINY_DEFAULT = replace(
    DEFAULT,
    frame_pixels=64,
    embedding=12,
    x_encoder=replace(DEFAULT.x_encoder, grid=4, width=24, depth=1, heads=2, mlp=40),
    predictor=replace(
        DEFAULT.predictor,
        width=24,
        depth=2,
        heads=3,
        kv_heads=3,
        mlp=40,
        query_width=16,
        max_query_tokens=6,
    ),
    y_encoder=replace(
        DEFAULT.y_encoder,
        vocabulary=len(WORDS),
        width=16,
        depth=2,
        heads=2,
        kv_heads=2,
        head_width=8,
        mlp=24,
        max_tokens=16,
    ),
)

# The same with a block-causal encoder, whose memory is three tubelets, two of them with all their
# tokens, and queries of one token.
TINY_STREAM = replace(
    TINY_DEFAULT,
    name="tiny-stream",
    clip_frames=12,
    x_encoder=replace(TINY_DEFAULT.x_encoder, depth=2, memory=2),
    predictor=replace(TINY_DEFAULT.predictor, pool_query=True),
)


def tiny_model(config: ModelConfig, seed: int = 0) -> VLJepaModel:
    """Return a model with random weights that are far from zero and from one."""
    torch.manual_seed(seed)
    model = VLJepaModel(config)
    for value in model.parameters():
        if value.ndim:
            torch.nn.init.normal_(value, std=0.3)
    return model.eval()


def tokenizer_file(folder: Path) -> Path:
    """Write a tokenizer.json that knows WORDS."""
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    path = folder / "words.json"
    tokenizer.save(str(path))
    return path


def tiny_directory(folder: Path) -> Path:
    """Write a model directory of the paper's shape, whole, and return it."""
    words = tokenizer_file(folder)
    save_model(
        folder / "tiny",
        tiny_model(TINY_PAPER),
        licences={"all": "Apache-2.0"},
        text_tokenizer=words,
        query_tokenizer=words,
        queries=QUERIES,
        phrases=PHRASES,
    )
    return folder / "tiny"


def contents(config: ModelConfig, folder: Path) -> Contents:
    """Return what a bundle of a tiny model holds beside its graphs."""
    words = tokenizer_file(folder)
    table = config.queries_from == "table"
    return Contents(QUERIES, PHRASES, words, words if table else None, {"all": "Apache-2.0"})


def random_clips(config: ModelConfig, count: int = 2) -> NDArray[np.uint8]:
    """Return clips of random pixels (count, T, H, W, 3)."""
    side = config.frame_pixels
    shape = (count, config.clip_frames, side, side, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
