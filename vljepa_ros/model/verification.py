# SPDX-License-Identifier: Apache-2.0
"""A model directory is complete, its values are finite, and it computes unit embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from vljepa_ros.model.checkpoints.tensors import CheckpointError
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.directory import WEIGHTS, ModelDirectory, load_model, open_directory
from vljepa_ros.model.vljepa import Tokens, VLJepaModel
from vljepa_ros.model.y_decoder_files import DECODER_WEIGHTS, load_decoder
from vljepa_ros.runtime.tokenizer import TextTokenizer

_QUERY_LENGTH = 4
_SOME_TOKENS = 64
_TUBELETS = 2  # of the random clip: a longer one costs more and says no more


def verify_model(folder: Path) -> Iterator[str]:
    """Check a model directory, and yield what each check found.

    Raises:
        CheckpointError: a check failed.
    """
    directory = open_directory(folder)
    yield from _check_tokenizers(directory)
    model = load_model(folder)
    yield f"{len(model.state_dict())} tensors of {WEIGHTS}, none missing, left over or misshapen"
    yield _check_finite(model, folder / WEIGHTS)
    yield _check_embeddings(model, folder)
    if directory.decoder is not None:
        decoder = load_decoder(folder, directory.decoder)
        finite = _check_finite(decoder, folder / DECODER_WEIGHTS)
        yield f"the Y-Decoder has {len(directory.decoder.words)} words, and {finite}"


def _check_tokenizers(directory: ModelDirectory) -> Iterator[str]:
    config = directory.config
    yield check_tokenizer(directory.text_tokenizer, config.y_encoder.vocabulary)
    if directory.query_tokenizer is not None:
        yield check_tokenizer(directory.query_tokenizer, config.query_vocabulary)


def check_tokenizer(path: Path, rows: int) -> str:
    """Compare a tokenizer with the table; special tokens (Gemma's for images) may lie beyond.

    Args:
        path: a tokenizer.json.
        rows: of the table of tokens.

    Returns:
        What was found.

    Raises:
        CheckpointError: it cannot be used, or a text may get a token beyond the table.
    """
    try:
        TextTokenizer(path.read_bytes(), _SOME_TOKENS)  # encodes words that it does not know
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{path} is no tokenizer to be used: {error}") from error
    tokenizer = Tokenizer.from_file(str(path))
    largest = max(tokenizer.get_vocab(with_added_tokens=False).values(), default=-1)
    if largest >= rows:
        raise CheckpointError(f"{path} has token {largest}, but the model's table {rows} rows")
    beyond = [text for text, number in tokenizer.get_vocab().items() if number >= rows]
    special = f", and no text may hold {', '.join(beyond)}" if beyond else ""
    return f"{path.name} has token numbers up to {largest}, the table {rows} rows{special}"


def _check_finite(model: nn.Module, file: Path) -> str:
    wrong = [name for name, value in model.state_dict().items() if not value.isfinite().all()]
    if wrong:
        raise CheckpointError(f"{file}: not finite: {', '.join(wrong[:20])}")
    return f"{sum(value.numel() for value in model.parameters()) / 1e6:.1f} M values are finite"


@torch.no_grad()
def _check_embeddings(model: VLJepaModel, folder: Path) -> str:
    torch.manual_seed(0)
    config = model.config
    queries, texts = _some_tokens(config, 1, 1), _some_tokens(config, 2)
    try:
        found = torch.cat([model.embed(_some_clip(config), queries)[0], model.embed_text(texts)])
    except (RuntimeError, ValueError, IndexError) as error:
        raise CheckpointError(f"{folder}: the model does not run ({error})") from error
    length = found.norm(dim=-1)
    if not ((length - 1).abs() < 1e-3).all():  # also if it is not a number
        raise CheckpointError(f"{folder}: embeddings of length {length.tolist()}, not 1")
    return f"a random clip and texts embed to unit vectors of {config.embedding} dimensions"


def _some_clip(config: ModelConfig) -> Tensor:
    x = config.x_encoder
    frames = min(config.clip_frames, _TUBELETS * x.tubelet)
    return torch.randn(1, frames, x.channels, x.grid, x.grid)


def _some_tokens(config: ModelConfig, *shape: int) -> Tokens:
    rows = min(config.y_encoder.vocabulary, config.query_vocabulary or config.y_encoder.vocabulary)
    ids = torch.randint(rows, (*shape, _QUERY_LENGTH))
    return Tokens(ids, torch.ones_like(ids, dtype=torch.bool))
