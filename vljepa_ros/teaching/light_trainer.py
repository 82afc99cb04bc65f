# SPDX-License-Identifier: Apache-2.0
"""Trains X-Encoder and Predictor on what the frozen trunk saw, beside the evidence.

A step follows from its number, so a run that was stopped continues on its curve. Against learning
by heart stand dropped tokens, noise on the gains of the trunk's channels, smoothed labels,
averaged weights, and an early end if recordings were held out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.model.x_encoder import TokenMask
from vljepa_ros.teaching.fit_settings import FitSettings
from vljepa_ros.teaching.taught_clips import TaughtClips
from vljepa_ros.teaching.taught_recording import UNLABELLED
from vljepa_ros.training.checkpoint import write_checkpoint
from vljepa_ros.training.optimiser import ExponentialAverage, set_rate, set_weights

_WARMUP = 20
_LAST_RATE = 0.02  # share of the learning rate at the end
_AT_ONCE = 64  # clips of one run without gradients
_SAVE_EVERY = 25
_LOUD = 50.0
_PINV_LIMIT = 1e-2  # texts that are nearer to each other than that are not told apart further

History = list[dict[str, float]]


@dataclass(frozen=True)
class TaughtTexts:
    """The text side, which stays as it is.

    Attributes:
        tokens: of the queries (Q, L, query width).
        mask: True on real ones (Q, L).
        embeddings: of the texts of all queries, one query after the other (texts, embedding).
        sizes: how many texts each query has.
    """

    tokens: Tensor
    mask: Tensor
    embeddings: Tensor
    sizes: tuple[int, ...]

    def choosing(self) -> Tensor:
        """Return the least map (texts, query width) from a query's mean token to its texts."""
        weight = self.mask.to(self.tokens.dtype)[..., None]
        asked = (self.tokens * weight).sum(1) / weight.sum(1)
        own = torch.block_diag(*(torch.ones(1, size) for size in self.sizes))
        return (torch.linalg.pinv(asked.double()) @ own.double()).T.float()

    def steps(self) -> Tensor:
        """Return the map (embedding, texts) that moves an embedding by the logits of its texts."""
        parts = []
        for texts in self.embeddings.split(self.sizes):
            centred = texts.double() - texts.double().mean(0)
            parts.append(torch.linalg.pinv(centred, rtol=_PINV_LIMIT).float())
        return torch.cat(parts, 1)


class LightTrainer:
    """One run over some clips. ``model`` is trained in place."""

    def __init__(
        self,
        model: VLJepaModel,
        clips: TaughtClips,
        evidence: NDArray[np.float32],
        texts: TaughtTexts,
        held_out: TaughtClips | None,
        settings: FitSettings,
    ) -> None:
        """Take what is needed.

        Args:
            model: reads the evidence of new clips.
            clips: what is taught.
            evidence: of these clips, by readings that do not know them (clips, texts).
            texts: what is asked and answered.
            held_out: clips that say when to end, or None.
            settings: how to train.
        """
        self._model, self._clips, self._texts = model, clips, texts
        self._held_out, self._settings = held_out, settings
        width = model.config.x_encoder.width
        self._evidence = pad(torch.from_numpy(evidence), (0, width - evidence.shape[1]))
        self._shares, self._weights = clips.shares(), clips.weights()
        self._trained = _light_parts(model)
        self._first = {name: one.detach().clone() for name, one in self._trained.items()}
        matrices = [one for one in self._trained.values() if one.ndim > 1]
        others = [one for one in self._trained.values() if one.ndim < 2]
        self._optimiser = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": settings.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            settings.learning_rate,
        )
        self._average = ExponentialAverage(self._trained, settings.average_decay)
        self._step, self._history = 0, History()
        self._losses: list[float] = []  # since the last look
        self._alone = torch.empty(0)  # the hits of the reading alone on held-out clips
        self._best: dict[str, Tensor] = {}
        self._best_found = 0.0
        self._ended = False

    def run(
        self, checkpoint: Path, on_progress: Callable[[float], None], stop: Event
    ) -> tuple[Mapping[str, float], ...]:
        """Train to the end or the stop, and leave the best that was found in the model.

        That is the reading alone, unless held-out recordings show a gain over it that is larger
        than what differs between them by chance.

        Args:
            checkpoint: what to continue from, if it is there; written as it goes on.
            on_progress: told which share is done.
            stop: asks for an end.

        Returns:
            The figures of each look, as :class:`~.method.Fitted` describes.
        """
        if self._held_out is None or not self._settings.steps:
            _alone(self._model)
            return ()
        self._resume(checkpoint)
        if not self._history:
            self._alone = self._reading_alone()
            self._history.append({"step": 0.0, "held_out": float(self._alone.sum())})
        while self._step < self._settings.steps and not stop.is_set() and not self._ended:
            self._losses.append(self._learn())
            self._step += 1
            on_progress(self._step / self._settings.steps)
            if self._step % self._settings.check_every == 0:
                self._look(float(np.mean(self._losses)))
                self._losses.clear()
            if self._step % _SAVE_EVERY == 0:
                self._save(checkpoint)
        self._finish(checkpoint)
        return tuple(self._history)

    def _hits(self) -> Tensor:
        """Return what each held-out clip adds to the mean recall of the model as it is (clips)."""
        assert self._held_out is not None
        right = answers(self._model, self._texts, self._held_out) == self._held_out.labels
        return torch.from_numpy((right * self._held_out.recall_shares()).sum(1))

    def _learn(self) -> float:
        """Take one step and return its loss."""
        settings = self._settings
        self._model.train()
        random = np.random.default_rng([settings.seed, self._step])
        numbers = random.choice(len(self._clips), settings.batch, p=self._shares)
        clip = torch.from_numpy(self._noisy(self._clips.features(numbers), random))
        tokens, kept = self._tokens(clip, random)
        visual = torch.cat([tokens, self._evidence[numbers][:, None]], 1)
        loss = self._loss(text_logits(self._model, self._texts, visual, kept), numbers)
        set_rate(self._optimiser, self._rate())
        self._optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._trained.values(), 1.0)
        self._optimiser.step()
        self._average.update()
        return float(loss.detach())

    def _tokens(
        self, clip: Tensor, random: np.random.Generator
    ) -> tuple[Tensor, TokenMask | None]:
        """Return the visual tokens of clips without their evidence, and which ones stay.

        None is all: a model with a memory needs all of its tokens.
        """
        x = self._model.x_encoder
        if x.config.memory:
            return x(clip)[:, :-1], None
        kept = self._kept(random)
        patches = x.embed(clip).gather(1, kept.ids_keep[..., None].expand(-1, -1, x.config.width))
        return x.encode(patches, x.rotary(clip).rows(kept.ids_keep)), kept

    def _loss(self, logits: list[Tensor], numbers: NDArray[np.int64]) -> Tensor:
        losses = []
        for query, of_query in enumerate(logits):
            labels = torch.from_numpy(self._clips.labels[numbers, query]).long()
            weight = torch.from_numpy(self._weights[numbers, query])
            each = nn.functional.cross_entropy(
                of_query,
                labels,
                ignore_index=UNLABELLED,
                reduction="none",
                label_smoothing=self._settings.smoothing,
            )
            losses.append((each * weight).mean())
        return torch.stack(losses).sum()

    def _noisy(
        self, features: NDArray[np.float32], random: np.random.Generator
    ) -> NDArray[np.float32]:
        """Change the gain of each channel, the same in all frames of a clip."""
        shape = (len(features), 1, features.shape[2], 1, 1)
        return features * np.exp(random.normal(0, self._settings.gain_noise, shape)).astype("f4")

    def _kept(self, random: np.random.Generator) -> TokenMask:
        """Draw the visual tokens that this step sees."""
        c = self._model.config
        total = c.visual_tokens - 1  # the last is the evidence
        count = max(1, round(total * self._settings.kept_tokens))
        order = random.random((self._settings.batch, total)).argsort(1)[:, :count]
        return TokenMask(torch.from_numpy(np.sort(order, 1)), total)

    def _rate(self) -> float:
        settings = self._settings
        if self._step < _WARMUP:
            return settings.learning_rate * (self._step + 1) / _WARMUP
        cosine = 0.5 * (1 + math.cos(math.pi * self._step / settings.steps))
        return settings.learning_rate * (_LAST_RATE + (1 - _LAST_RATE) * cosine)

    def _reading_alone(self) -> Tensor:
        """Return the hits of the evidence without the transformer's answer."""
        step = self._model.predictor.evidence.step.weight
        kept = step.detach().clone()
        _alone(self._model)
        found = self._hits()
        with torch.no_grad():
            step.copy_(kept)
        return found

    def _look(self, loss: float) -> None:
        """Measure the averaged model on held-out clips, and keep it if it is the best."""
        with self._average.applied():
            hits = self._hits()
            found = float(hits.sum())
            if found > self._best_found and self._gains(hits):
                self._best_found = found
                self._best = {name: one.detach().clone() for name, one in self._trained.items()}
        self._history.append({"step": float(self._step), "loss": loss, "held_out": found})
        seen = [one["held_out"] for one in self._history]
        self._ended = len(seen) - 1 - int(np.argmax(seen)) >= self._settings.patience

    def _gains(self, hits: Tensor) -> bool:
        """Whether hits exceed those of the reading alone by more than their standard error."""
        assert self._held_out is not None
        gains = np.bincount(self._held_out.recording, (hits - self._alone).numpy())
        error = math.sqrt(float((gains**2).sum()))  # of a sum of as many gains that are chance
        return float(gains.sum()) > self._settings.least_gain * error

    def _finish(self, checkpoint: Path) -> None:
        self._save(checkpoint)
        if not self._best:
            _alone(self._model)
        set_weights(self._trained, self._best or self._first)

    def _save(self, checkpoint: Path) -> None:
        state = {
            "step": self._step,
            "ended": self._ended,
            "weights": {name: one.detach() for name, one in self._trained.items()},
            "average": self._average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "alone": self._alone,
            "best": self._best,
            "best_found": self._best_found,
            "history": self._history,
            "losses": self._losses,
        }
        write_checkpoint(checkpoint, state)

    def _resume(self, checkpoint: Path) -> None:
        if not checkpoint.exists():
            return
        state: dict[str, Any] = torch.load(checkpoint, weights_only=True)
        set_weights(self._trained, state["weights"])
        self._average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._step, self._ended = int(state["step"]), bool(state["ended"])
        self._alone, self._history = state["alone"], state["history"]
        self._best, self._best_found = state["best"], float(state["best_found"])
        self._losses = state["losses"]


@torch.no_grad()
def answers(model: VLJepaModel, texts: TaughtTexts, clips: TaughtClips) -> NDArray[np.int64]:
    """Return the number of the likeliest text of each query (clips, Q), as a robot says it."""
    model.eval()
    found = []
    for start in range(0, len(clips), _AT_ONCE):
        numbers = np.arange(start, min(start + _AT_ONCE, len(clips)))
        visual = model.x_encoder(torch.from_numpy(clips.features(numbers)))
        logits = text_logits(model, texts, visual)
        found.append(torch.stack([each.argmax(-1) for each in logits], 1).numpy())
    return np.concatenate(found)


def text_logits(
    model: VLJepaModel, texts: TaughtTexts, visual: Tensor, kept: TokenMask | None = None
) -> list[Tensor]:
    """Return for each query the logits of its texts (B, texts), as a robot has them."""
    found = model.predictor(visual, texts.tokens[None], texts.mask[None], kept)
    scale = float(model.scale.detach())
    return [
        scale * found[:, query] @ own.T
        for query, own in enumerate(texts.embeddings.split(texts.sizes))
    ]


@torch.no_grad()
def _alone(model: VLJepaModel) -> None:
    """Let the evidence outweigh the transformer, which still answers what was not taught."""
    model.predictor.evidence.step.weight *= _LOUD


def _light_parts(model: VLJepaModel) -> dict[str, nn.Parameter]:
    """Freeze all but X-Encoder and Predictor, whose evidence is found in closed form."""
    model.requires_grad_(False)
    light = {
        name: one
        for name, one in model.named_parameters()
        if name.startswith(("x_encoder.", "predictor.")) and ".evidence." not in name
    }
    for one in light.values():
        one.requires_grad_(True)
    return light
