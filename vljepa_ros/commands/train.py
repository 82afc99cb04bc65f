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
from vljepa_ros.model.frame_encoder import FrameEncoder
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.recordings.clip_folder import ANNOTATIONS, ClipFolder
from vljepa_ros.recordings.sample import ClipDataset
from vljepa_ros.training.clip_batches import ClipBatches, datasets_of
from vljepa_ros.training.clip_features import ClipFeatures
from vljepa_ros.training.distributed import barrier, rank, started_processes, world
from vljepa_ros.training.feature_cache import Encode, FeatureCache
from vljepa_ros.training.stage import PAPER_STAGES, Stage, load_stages
from vljepa_ros.training.tokenize import Tokenize
from vljepa_ros.training.trainer import SAVE_EVERY, Trainer, TrainingError
from vljepa_ros.training.x_encoder_tokens import XEncoderTokens

FEATURES = "features"
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
        help=f"a data set: a folder with {ANNOTATIONS} or WebDataset shards (*.tar)",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the run's files")
    parser.add_argument(
        "--cache",
        type=Path,
        help="folder for the features of clips from a frozen X-Encoder or image trunk, computed "
        f"once; default: none for an X-Encoder, OUT/{FEATURES} for a trunk",
    )
    parser.add_argument("--workers", type=int, default=0, help="processes that decode clips")
    parser.add_argument("--save-every", type=int, default=SAVE_EVERY, metavar="STEPS")


def run(args: argparse.Namespace) -> int:
    """Train, and write the model directory OUT/model.

    Raises:
        CommandError: the data are not there, or the training cannot start or go on.
        CheckpointError: the model directory cannot be used.
        StageError: the stages cannot be read, or do not fit the model or the data.
    """
    stages = PAPER_STAGES if args.stages == "paper" else load_stages(Path(args.stages))
    _check_place(args)
    directory, datasets = open_directory(args.model), _open_datasets(args.data)
    for stage in stages:  # all before the first, which may take days
        stage.check_tubelet(directory.config.x_encoder.tubelet)
        datasets_of(stage, datasets)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # the decoding processes are forked
    with started_processes() as device:
        try:
            return _StagedRun(directory, datasets, args, device).run(stages)
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
class _StagedRun:
    """A model's way through the stages."""

    directory: ModelDirectory
    datasets: dict[str, ClipDataset]
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
            self.datasets,
            stage,
            config,
            Tokenize(d.query_tokenizer or d.text_tokenizer, queries),
            Tokenize(d.text_tokenizer, texts),
            features=self._features(model, stage),
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

    def _features(self, model: VLJepaModel, stage: Stage) -> ClipFeatures | None:
        """Return what the frozen network before the first trained weight makes of the clips.

        All processes compute it together. None if there is no such network or no cache for it.
        """
        encode: Encode
        if model.config.x_encoder.trunk:
            cache, encode = self._on_trunk(model)
        elif self.args.cache is not None and not stage.train_x_encoder:
            cache = FeatureCache(self.args.cache, model.x_encoder)
            encode = XEncoderTokens(model.x_encoder)
        else:
            return None
        features = ClipFeatures(cache, stage.frames, model.config.frame_pixels)
        features.fill(encode, datasets_of(stage, self.datasets).values(), rank(), world())
        barrier()
        return features

    def _on_trunk(self, model: VLJepaModel) -> tuple[FeatureCache, Encode]:
        # needs onnxscript, which models without a trunk do not
        from vljepa_ros.training.trunk_features import TrunkFeatures

        trunk = FrameEncoder()
        cache = FeatureCache(self.args.cache or self.args.out / FEATURES, trunk)
        return cache, TrunkFeatures(trunk, model.config, cache.folder)

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


def _open_datasets(named: Sequence[str]) -> dict[str, ClipDataset]:
    """Open the data sets that the command line names."""
    datasets: dict[str, ClipDataset] = {}
    for one in named:
        name, _, folder = one.partition("=")
        if not folder:
            raise CommandError(f"--data {one}: NAME=FOLDER is expected")
        datasets[name] = _open(Path(folder))
    return datasets


def _open(folder: Path) -> ClipDataset:
    if (folder / ANNOTATIONS).is_file():
        return ClipFolder(folder)
    if any(folder.glob("*.tar")):
        from vljepa_ros.recordings.shards import TarShards  # needs webdataset, which clips do not

        return TarShards(folder)
    raise CommandError(f"{folder} holds neither {ANNOTATIONS} nor shards (*.tar)")
