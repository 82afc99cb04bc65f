# SPDX-License-Identifier: Apache-2.0
"""Train the default model: ``python -m vljepa_ros.training.train --data data --out run``.

Stop it and start it again: it continues from its last checkpoint on the same curve, because every
step draws from its own seed.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.tensorboard import SummaryWriter
from tqdm import trange

from ..model.config import ModelConfig
from ..model.vljepa import VLJepaModel
from .dataset import ClipSet, Sentences, Vocabulary
from .episodes import QUERY_NAMES, load_episodes
from .features import cache_features
from .losses import info_nce

BATCH = 64
LEARNING_RATE = 1.2e-3
WARMUP = 100
TOKEN_DROP = 0.25
MIRROR = 0.3
CUT = 0.08  # share of clips whose beginning shows another scene, as at a cut or a camera switch
WEIGHT_DECAY = 0.05
AVERAGE_DECAY = 0.998
SAVE_EVERY = 250


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("run"))
    parser.add_argument("--steps", type=int, default=3000)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    cache_features(args.data, ["val", "train"])
    Training(args.data, args.out, args.steps).run()


class Training:
    """Model, averaged model, optimiser and data of one run."""

    def __init__(self, data: Path, out: Path, steps: int) -> None:
        torch.manual_seed(0)
        config = ModelConfig()
        vocabulary = Vocabulary.of(load_episodes(data, "train"))
        self.out, self.steps, self.vocabulary = out, steps, vocabulary
        self.train_set = ClipSet(data, "train", config, vocabulary)
        self.val_set = ClipSet(data, "val", config, vocabulary)
        self.sentences = Sentences(vocabulary, config)
        self.model = VLJepaModel(config)
        sample = self.train_set.features[:: max(1, len(self.train_set) // 500)]
        self.model.x_encoder.feature_scale.fill_(1.0 / float(sample.astype(np.float32).std()))
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE_DECAY))
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        self.start = self._resume()

    def run(self) -> None:
        """Train to the last step, saving and validating on the way."""
        log = SummaryWriter(str(self.out))
        bar = trange(self.start, self.steps, initial=self.start, total=self.steps)
        for step in bar:
            loss = self._step(step)
            bar.set_postfix(loss=f"{loss:.3f}")
            log.add_scalar("loss", loss, step)
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == self.steps:
                accuracy = self.validate()
                for name, value in accuracy.items():
                    log.add_scalar(f"val/{name}", value, step)
                with (self.out / "log.jsonl").open("a") as file:
                    file.write(json.dumps({"step": step + 1, "loss": loss, **accuracy}) + "\n")
                self._save(step + 1)

    def _step(self, step: int) -> float:
        rng = np.random.default_rng([0, step])
        for group in self.optimiser.param_groups:
            group["lr"] = LEARNING_RATE * _schedule(step, self.steps)
        features, targets = self.train_set.batch(rng.integers(0, len(self.train_set), BATCH))
        if rng.random() < MIRROR:
            features = features.flip(-1)
        features = _with_cuts(features, rng)
        tokens, mask = self.sentences.sample_queries(rng, BATCH)
        count = self.model.config.visual_tokens
        kept = np.stack(
            [rng.permutation(count)[: round(count * (1 - TOKEN_DROP))] for _ in range(BATCH)]
        )
        with torch.autocast("cpu", torch.bfloat16):
            predicted = self.model(features, tokens, mask, torch.from_numpy(np.sort(kept, 1)))
            candidates = self.model.embed_text(self.sentences.sample(rng))
        loss = info_nce(
            predicted.float().flatten(0, 1),
            candidates.float(),
            targets.flatten(),
            self.model.scale,
        )
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.average.update_parameters(self.model)
        return float(loss.detach())

    @torch.no_grad()
    def validate(self, clips: int = 1000) -> dict[str, float]:
        """Return each query's top-1 accuracy on validation clips, among its own labels.

        At most ``clips`` of them are taken, spread evenly over the split.
        """
        model = self.average.module.eval()
        clips = min(clips, len(self.val_set))
        rows = np.linspace(0, len(self.val_set) - 1, clips).astype(np.int64)
        candidates = model.embed_text(self.sentences.canonical())
        hits = []
        for part in np.array_split(rows, math.ceil(clips / BATCH)):
            features, targets = self.val_set.batch(part)
            with torch.autocast("cpu", torch.bfloat16):
                predicted = model(features, *self.sentences.canonical_queries(len(part)))
            hits.append(self._top1(predicted.float() @ candidates.T) == targets)
        accuracy = torch.cat(hits).float().mean(0)
        return {name: round(float(a), 4) for name, a in zip(QUERY_NAMES, accuracy, strict=True)}

    def _top1(self, scores: torch.Tensor) -> torch.Tensor:
        best, first = [], 0
        for i, name in enumerate(QUERY_NAMES):
            last = first + len(self.vocabulary.labels[name])
            best.append(scores[:, i, first:last].argmax(-1) + first)
            first = last
        return torch.stack(best, -1)

    def _save(self, step: int) -> None:
        state = {
            "step": step,
            "config": self.model.config.to_dict(),
            "labels": {name: list(labels) for name, labels in self.vocabulary.labels.items()},
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        part = self.out / "checkpoint.part"
        torch.save(state, part)
        part.replace(self.out / "checkpoint.pt")

    def _resume(self) -> int:
        path = self.out / "checkpoint.pt"
        if not path.exists():
            return 0
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        return int(state["step"])


def _with_cuts(features: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Replace the first frames of some clips (B, T, ...) by the last ones of their neighbours."""
    cut = features.clone()
    for clip in np.flatnonzero(rng.random(len(features)) < CUT):
        frames = int(rng.integers(1, features.shape[1] - 2))
        cut[clip, :frames] = features[clip - 1, -frames:]
    return cut


def _schedule(step: int, steps: int) -> float:
    """Linear warm-up, then a cosine down to one hundredth."""
    if step < WARMUP:
        return (step + 1) / WARMUP
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps))


if __name__ == "__main__":
    main()
