# SPDX-License-Identifier: Apache-2.0
"""``vljepa import``: put a model directory together from public checkpoints.

Nothing is downloaded: the paths lead to files and directories that were fetched before, see
docs/checkpoints.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from vljepa_ros.commands.main import CommandError
from vljepa_ros.files import check_replaceable
from vljepa_ros.model.checkpoints import licences
from vljepa_ros.model.checkpoints.llama import load_llama
from vljepa_ros.model.checkpoints.open_vljepa import CONFIG as OPEN_VLJEPA
from vljepa_ros.model.checkpoints.open_vljepa import load_open_vljepa
from vljepa_ros.model.checkpoints.text_tower import load_text_tower
from vljepa_ros.model.checkpoints.v_jepa_official import KEYS
from vljepa_ros.model.checkpoints.x_encoder_weights import read_x_encoder
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.directory import (
    MODEL_DIRECTORY,
    save_model,
    stored_phrases,
    stored_queries,
)
from vljepa_ros.model.empty import empty_model, initialise_rest
from vljepa_ros.model.presets import PAPER, PRESETS
from vljepa_ros.model.verification import check_tokenizer
from vljepa_ros.model.vljepa import VLJepaModel

SEED = 0
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class _Made:
    """A model, the licences of its parts, its tokenizers (queries', texts'), and new parts."""

    model: VLJepaModel
    licences: Mapping[str, str]
    tokenizers: tuple[Path, Path]
    new: Sequence[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command line may hold."""
    parser.add_argument("--out", type=Path, required=True, help="model directory to write")
    parser.add_argument("--x-encoder", type=Path, help="V-JEPA 2 or 2.1: directory or .pt file")
    parser.add_argument(
        "--x-encoder-key", choices=KEYS, help="which encoder of a .pt file, if not the usual one"
    )
    parser.add_argument("--pixels", type=int, help="side of the frames, if not the preset's")
    parser.add_argument("--predictor", type=Path, help="Llama: transformers directory")
    parser.add_argument("--y-encoder", type=Path, help="EmbeddingGemma: transformers directory")
    parser.add_argument("--open-vljepa", type=Path, help="best.pt, instead of the two before")
    parser.add_argument(
        "--preset", choices=PRESETS, default=PAPER.name, help="dimensions; default: %(default)s"
    )
    parser.add_argument("--random", choices=PRESETS, help="random weights instead, to try things")
    parser.add_argument(
        "--tokenizer",
        type=Path,
        nargs="+",
        help="tokenizer.json of queries and of texts, or one for both: for --open-vljepa and "
        "--random, which bring none",
    )


def run(args: argparse.Namespace) -> int:
    """Import, write and print what was done.

    Questions and phrases that lie in the model directory already stay: a user wrote them.

    Raises:
        CommandError: the options do not go together.
        CheckpointError: a checkpoint is damaged or does not fit.
        OccupiedError: the place is taken by something other than a model directory.
    """
    check_replaceable(args.out, MODEL_DIRECTORY)
    made = _make(args)
    queries, texts = made.tokenizers
    config = made.model.config
    check_tokenizer(texts, config.y_encoder.vocabulary)
    if config.queries_from == "table":
        check_tokenizer(queries, config.query_vocabulary)
    save_model(
        args.out,
        made.model,
        licences=made.licences,
        text_tokenizer=texts,
        query_tokenizer=queries if config.queries_from == "table" else None,
        queries=stored_queries(args.out),
        phrases=stored_phrases(args.out),
    )
    _report(made, args.out)
    return 0


def _make(args: argparse.Namespace) -> _Made:
    if args.random:
        _only(args, "--random", "--tokenizer")
        return _random(PRESETS[args.random], _given_tokenizers(args))
    if args.x_encoder is None:
        raise CommandError("--x-encoder is missing (or --random, to try things without weights)")
    if args.open_vljepa:
        _only(args, "--open-vljepa", "--tokenizer", "--x-encoder", "--x-encoder-key", "--pixels")
        return _from_open_vljepa(args)
    if args.predictor is None or args.y_encoder is None:
        raise CommandError("give --predictor and --y-encoder, or --open-vljepa")
    return _from_parts(args)


def _random(config: ModelConfig, tokenizers: tuple[Path, Path]) -> _Made:
    torch.manual_seed(SEED)
    parts = ("x_encoder", "predictor", "y_encoder")
    model = VLJepaModel(config).eval()
    return _Made(model, dict.fromkeys(parts, licences.RANDOM), tokenizers, ["everything"])


def _from_parts(args: argparse.Namespace) -> _Made:
    model = _with_x_encoder(PRESETS[args.preset], args)
    load_llama(model, args.predictor)
    load_text_tower(model.y_encoder, args.y_encoder)
    used = {
        "x_encoder": licences.V_JEPA,
        "predictor": licences.LLAMA,
        "y_encoder": licences.TOWERS[model.config.y_encoder.tower],
    }
    tokenizers = (args.predictor / TOKENIZER, args.y_encoder / TOKENIZER)
    return _Made(model, used, tokenizers, initialise_rest(model, SEED))


def _from_open_vljepa(args: argparse.Namespace) -> _Made:
    tokenizers = _given_tokenizers(args)
    model = _with_x_encoder(OPEN_VLJEPA, args)
    load_open_vljepa(model, args.open_vljepa)
    used = {
        "x_encoder": licences.V_JEPA,
        "predictor": f"{licences.OPEN_VLJEPA}; made from {licences.LLAMA}",
        "y_encoder": f"{licences.OPEN_VLJEPA}; made from {licences.GEMMA}",
    }
    return _Made(model, used, tokenizers, initialise_rest(model, SEED))


def _with_x_encoder(preset: ModelConfig, args: argparse.Namespace) -> VLJepaModel:
    if preset.x_encoder.trunk or preset.x_encoder.memory:
        raise CommandError(f"the preset {preset.name} has no public X-Encoder: train it")
    weights = read_x_encoder(args.x_encoder, args.x_encoder_key)
    pixels = args.pixels or preset.frame_pixels
    config = replace(preset, frame_pixels=pixels, x_encoder=weights.config(pixels))
    model = empty_model(config)
    weights.fill(model.x_encoder)
    return model


def _given_tokenizers(args: argparse.Namespace) -> tuple[Path, Path]:
    given = args.tokenizer or []
    if len(given) not in (1, 2):
        raise CommandError("--tokenizer takes one tokenizer.json for both, or queries' and texts'")
    return given[0], given[-1]


def _only(args: argparse.Namespace, option: str, *allowed: str) -> None:
    """Refuse options that would be ignored beside ``option``."""
    public = ("--x-encoder", "--x-encoder-key", "--pixels", "--predictor", "--y-encoder")
    for other in (*public, "--open-vljepa"):
        value = getattr(args, other[2:].replace("-", "_"))
        if other not in (option, *allowed) and value is not None:
            raise CommandError(f"{other} has no meaning with {option}")


def _report(made: _Made, out: Path) -> None:
    count = sum(value.numel() for value in made.model.parameters())
    print(f"{out}: {made.model.config.name}, {count / 1e6:.1f} M parameters")
    for part, licence in made.licences.items():
        print(f"  {part:10} {licence}")
    print("New, with random values, so train before you use it:", ", ".join(made.new) or "nothing")
