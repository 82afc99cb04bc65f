# SPDX-License-Identifier: Apache-2.0
"""``vljepa train``: take a model directory through stages, see docs/training-full-size.md.

Start it under torchrun and it runs on as many processes. Stop it and start it again with the same
arguments, and it continues.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from vljepa_ros.commands.main import CommandError
from vljepa_ros.files import check_replaceable
from vljepa_ros.model.directory import (
    MODEL_DIRECTORY,
    ModelDirectory,
    load_model,
    open_directory,
    save_model,
)
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.recordings.clip_folder import ANNOTATIONS, ClipFolder
from vljepa_ros.recordings.sample import ClipDataset
from vljepa_ros.training.clip_batches import ClipBatches
from vljepa_ros.training.distributed import barrier, rank, started_processes, world
from vljepa_ros.training.feature_cache import FeatureCache
from vljepa_ros.training.stage import PAPER_STAGES, Stage, load_stages
from vljepa_ros.training.tokenize import Tokenize
from vljepa_ros.training.trainer import SAVE_EVERY, Trainer, TrainingError

STOPPED = 3  # exit status of a run that was asked to stop and can be continued


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command line may hold."""
    parser.add_argument("--model", type=Path, required=True, help="model directory to start from")
    parser.add_argument(
        "--stages", required=True, help="JSON or YAML file with an array of stages, or 'paper'"
    )
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="NAME=FOLDER",
        help=f"a data source: a folder with {ANNOTATIONS} or WebDataset shards (*.tar)",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the run's files")
    parser.add_argument("--cache", type=Path, help="folder for visual tokens, computed once")
    parser.add_argument("--workers", type=int, default=0, help="processes that decode clips")
    parser.add_argument("--save-every", type=int, default=SAVE_EVERY, metavar="STEPS")


def run(args: argparse.Namespace) -> int:
    """Train, and write the model directory OUT/model."""
    stages = PAPER_STAGES if args.stages == "paper" else load_stages(Path(args.stages))
    _check_place(args)
    directory = open_directory(args.model)
    if directory.config.x_encoder.trunk:
        raise CommandError(
            "this model stands on a frozen image trunk: python -m "
            "vljepa_ros.recipes.default_model.train_model trains it"
        )
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # the decoding processes are forked
    with started_processes() as device:
        course = _Course(directory, _sources(args.data), args, device)
        try:
            return course.run(stages)
        except TrainingError as error:
            raise CommandError(str(error)) from error


def _check_place(args: argparse.Namespace) -> None:
    """Refuse before days of training what would be refused after them."""
    folder = args.out / "model"
    if folder.resolve() == args.model.resolve():
        raise CommandError(
            f"{folder} is the model to start from, and training would replace it: "
            "give another --out"
        )
    check_replaceable(folder, MODEL_DIRECTORY)


@dataclass(frozen=True)
class _Course:
    """A model's way through the stages."""

    directory: ModelDirectory
    sources: dict[str, ClipDataset]
    args: argparse.Namespace
    device: torch.device

    def run(self, stages: Sequence[Stage]) -> int:
        """Run the stages that are left, and write the model."""
        model = load_model(self.directory.root).to(self.device).train()
        for number, stage in enumerate(stages, start=1):
            if not self._trainer(model, stage, f"{number}-{stage.name}").run():
                print(f"stopped in stage {stage.name!r}; the same command continues it")
                return STOPPED
        if rank() == 0:
            self._write(model)
        return 0

    def _trainer(self, model: VLJepaModel, stage: Stage, name: str) -> Trainer:
        d, config = self.directory, self.directory.config
        queries, texts = config.predictor.max_query_tokens, config.y_encoder.max_tokens
        batches = ClipBatches(
            self.sources,
            stage,
            config,
            Tokenize(d.query_tokenizer or d.text_tokenizer, queries),
            Tokenize(d.text_tokenizer, texts),
            cache=self._cache(model, stage),
        )
        return Trainer(
            model,
            stage,
            batches,
            self.args.out / name,
            device=self.device,
            save_every=self.args.save_every,
            workers=self.args.workers,
        )

    def _cache(self, model: VLJepaModel, stage: Stage) -> FeatureCache | None:
        """Return the cache, filled by all processes together."""
        if self.args.cache is None or stage.train_x_encoder:
            return None
        pixels = self.directory.config.frame_pixels
        cache = FeatureCache(self.args.cache, model.x_encoder, stage.frames, pixels)
        sources = [self.sources[name] for name in stage.sources or self.sources]
        cache.fill(model.x_encoder, sources, rank(), world())
        barrier()
        return cache

    def _write(self, model: VLJepaModel) -> None:
        d, folder = self.directory, self.args.out / "model"
        save_model(
            folder,
            model,
            licences=d.licences,
            text_tokenizer=d.text_tokenizer,
            query_tokenizer=d.query_tokenizer,
            queries=d.queries,
            phrases=d.phrases,
        )
        print(f"wrote {folder}")


def _sources(named: Sequence[str]) -> dict[str, ClipDataset]:
    """Open the data sources that the command line names."""
    sources: dict[str, ClipDataset] = {}
    for one in named:
        name, _, folder = one.partition("=")
        if not folder:
            raise CommandError(f"--data {one}: NAME=FOLDER is expected")
        sources[name] = _open(Path(folder))
    return sources


def _open(folder: Path) -> ClipDataset:
    if (folder / ANNOTATIONS).is_file():
        return ClipFolder(folder)
    if any(folder.glob("*.tar")):
        from vljepa_ros.recordings.shards import TarShards  # needs webdataset, which clips do not

        return TarShards(folder)
    raise CommandError(f"{folder} holds neither {ANNOTATIONS} nor shards (*.tar)")
