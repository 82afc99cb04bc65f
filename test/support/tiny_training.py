# SPDX-License-Identifier: Apache-2.0
"""A VL-JEPA of a few thousand weights and made-up batches for it, to train in a moment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist

from vljepa_ros.model.config import ModelConfig, PredictorConfig, XEncoderConfig, YEncoderConfig
from vljepa_ros.model.presets import PAPER
from vljepa_ros.model.vljepa import Tokens, VLJepaModel
from vljepa_ros.training.batch import Batch
from vljepa_ros.training.stage import Stage
from vljepa_ros.training.trainer import Trainer

TINY = replace(
    PAPER,
    name="tiny",
    frame_pixels=32,
    clip_frames=2,
    embedding=16,
    query_vocabulary=50,
    x_encoder=XEncoderConfig(grid=32, width=24, depth=1, heads=2, mlp=32),
    predictor=PredictorConfig(
        width=32, depth=2, heads=4, kv_heads=2, mlp=48, query_width=32, max_query_tokens=6
    ),
    y_encoder=YEncoderConfig(
        tower="bert",
        vocabulary=60,
        width=32,
        depth=2,
        heads=2,
        kv_heads=2,
        head_width=16,
        mlp=48,
        max_tokens=8,
    ),
)

STAGE = Stage(
    name="tiny", steps=6, batch=8, frames=2, learning_rate=3e-3, precision="fp32", clip_norm=0
)


def tiny_model(config: ModelConfig = TINY) -> VLJepaModel:
    torch.manual_seed(0)
    return VLJepaModel(config)


class Case(NamedTuple):
    """What two processes compute the gradient of."""

    stage: Stage
    shared: bool = False
    config: ModelConfig = TINY


class MadeUpBatches:
    """Clips of noise around a picture per answer. Every answer has a text of three tokens."""

    def __init__(self, batch: int = 8, answers: int = 5, *, shared: bool = False) -> None:
        random = np.random.default_rng(0)
        self.size, self.shared = batch, shared
        self.pictures = random.normal(0, 1, (answers, 2, 3, 32, 32)).astype(np.float32)
        self.texts = random.integers(0, 60, (answers, 3))

    def batch(self, step: int, part: int, parts: int) -> Batch:
        random = np.random.default_rng([1, step])
        answers = random.integers(0, len(self.texts), self.size)
        noise = random.normal(0, 0.3, (self.size, *self.pictures.shape[1:]))
        questions = random.integers(0, 50, (self.size, 1, 4))
        answered = random.random(self.size) < 0.9
        mine = slice(part * self.size // parts, (part + 1) * self.size // parts)
        keys = np.arange(len(self.texts)) if self.shared else np.unique(answers[mine])
        targets = np.searchsorted(keys, answers[mine])
        targets[~answered[mine]] = -1
        clips = self.pictures[answers[mine]] + noise[mine]
        texts = torch.from_numpy(self.texts[keys])
        queries = torch.from_numpy(questions[mine])
        return Batch(
            visual=torch.from_numpy(clips).float(),
            queries=Tokens(queries, torch.ones_like(queries, dtype=torch.bool)),
            texts=Tokens(texts, torch.ones_like(texts, dtype=torch.bool)),
            targets=torch.from_numpy(targets)[:, None],
            shared=self.shared,
            keys=torch.from_numpy(keys),
        )


def gradients(out: Path, case: Case) -> dict[str, torch.Tensor]:
    """Return the gradients of step 0, after the processes exchanged theirs."""
    batches = MadeUpBatches(case.stage.batch, shared=case.shared)
    trainer = Trainer(tiny_model(case.config), case.stage, batches, out)
    parts, rank = (dist.get_world_size(), dist.get_rank()) if dist.is_initialized() else (1, 0)
    trainer.loss(0, batches.batch(0, rank, parts)).backward()
    return {
        name: weight.grad for name, weight in trainer.weights.items() if weight.grad is not None
    }


def one_of_two(rank: int, folder: Path, cases: dict[str, Case]) -> None:
    """Do what one of two processes does; process 0 writes its gradients to ``folder``."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    found = {name: gradients(folder / f"{name}-{rank}", case) for name, case in cases.items()}
    if rank == 0:
        torch.save(found, folder / "gradients.pt")
    dist.destroy_process_group()
