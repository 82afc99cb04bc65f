# SPDX-License-Identifier: Apache-2.0
"""What is taught with the same clips: our method, and what anybody would try first.

All see the same frozen trunk's features of the same frames and variations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Event

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.teach.experiment import Split
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.teaching.evidence_fit import fit_evidence, pooled_clips
from vljepa_ros.teaching.hold_out import checked_groups
from vljepa_ros.teaching.light_trainer import answers
from vljepa_ros.teaching.method import (
    FitSettings,
    clip_rate,
    evidence_lags,
    fit,
    taught_texts,
)
from vljepa_ros.teaching.seen_lessons import CLIPS_PER_FRAME, SeenLessons
from vljepa_ros.teaching.taught_clips import TaughtClips
from vljepa_ros.teaching.taught_recording import Lessons

Answers = NDArray[np.int64]

_SHORT_S = 0.8
_NEIGHBOURS = 5
_SET_ASIDE = 5  # of so many taught recordings one says which look was the best
_CERTAIN = 1e9


@dataclass(frozen=True)
class Trial:
    """One split.

    Attributes:
        model: rebuilt from the bundle.
        runtime: the bundle.
        work: keeps what the trunk saw.
        settings: of our method.
        split: what is learned from, and other recordings of the same lessons.
    """

    model: VLJepaModel
    runtime: VLJepa
    work: Path
    settings: FitSettings
    split: Split

    @property
    def taught(self) -> Lessons:
        """What is learned from."""
        return self.split.taught

    @cached_property
    def taught_clips(self) -> TaughtClips:
        """All clips that may be learned from."""
        wanted, most = self.settings.copies, self.settings.most_frames
        return self._seen.clips(self.taught, self._seen.copies(self.taught, wanted, most))

    @cached_property
    def tested_clips(self) -> TaughtClips:
        """The clips of recordings as they are that are not learned from."""
        return self._seen.clips(self.split.tested, 0)

    @property
    def short_lag(self) -> tuple[int, ...]:
        """How many frames before the newest one that of 0.8 s ago is."""
        return (max(1, round(_SHORT_S * self._rate_hz)),)

    @property
    def long_lags(self) -> tuple[int, ...]:
        """How many frames before the newest one those are that our method reads."""
        return evidence_lags(self.model.config, self._rate_hz)

    @property
    def sizes(self) -> list[int]:
        """How many texts each query has."""
        return [len(texts) for texts in self.taught.texts.values()]

    @property
    def patch(self) -> int:
        """Side of a patch of the feature map."""
        return self.model.config.x_encoder.patch

    @property
    def clips_hz(self) -> float:
        """How many clips end in a second."""
        return CLIPS_PER_FRAME * self._rate_hz

    @property
    def _rate_hz(self) -> float:
        return clip_rate(self.model.config, self.taught, self.settings)

    @cached_property
    def _seen(self) -> SeenLessons:
        return SeenLessons(self.model.config, self.runtime, self.work / "trunk", self._rate_hz)


def pooled(clips: TaughtClips, patch: int) -> NDArray[np.float32]:
    """Return the means of the patches of clips (clips, T, values)."""
    numbers = np.array_split(np.arange(len(clips)), len(clips) // 64 + 1)
    return np.concatenate([pooled_clips(clips, some, patch) for some in numbers if len(some)])


def majority(trial: Trial) -> Answers:
    """Say the most frequent text of what was taught."""
    labels = trial.taught_clips.labels[:, 0]
    commonest = np.bincount(labels[labels >= 0]).argmax()
    return np.full(len(trial.tested_clips), commonest)


def linear(trial: Trial) -> Answers:
    """Ridge regression on the newest frame and its change over 0.8 s."""
    return _linear(trial, trial.short_lag)


def linear_long(trial: Trial) -> Answers:
    """Ridge regression on the newest frame and its changes over 0.4 to 2.8 s."""
    return _linear(trial, trial.long_lags)


def _linear(trial: Trial, lags: tuple[int, ...]) -> Answers:
    found = fit_evidence(trial.taught_clips.at(lags), trial.sizes, trial.patch)
    tested = pooled(trial.tested_clips.at(lags), trial.patch)
    read = found.reading(tested.reshape(len(tested), -1))
    return read[:, : trial.sizes[0]].argmax(1)


def neighbours(trial: Trial) -> Answers:
    """Ask the nearest taught clips, by frame and change over 0.8 s; rare texts count more."""
    clips = trial.taught_clips.at(trial.short_lag)
    labels, plain = clips.labels[:, 0], np.flatnonzero(clips.plain)
    known = plain[labels[plain] >= 0]
    parts = np.array_split(known, len(known) // 64 + 1)
    values = np.concatenate([pooled_clips(clips, some, trial.patch) for some in parts])
    mean, spread = values[:, -1].mean(0), values[:, -1].std(0) + 1e-3
    tested = pooled(trial.tested_clips.at(trial.short_lag), trial.patch)
    ours, theirs = (_unit(each, mean, spread) for each in (tested, values))
    near = np.argsort(-(ours @ theirs.T), 1)[:, :_NEIGHBOURS]
    votes = np.zeros((len(ours), trial.sizes[0]))
    weight = 1 / np.maximum(np.bincount(labels[known], minlength=trial.sizes[0]), 1)
    for column in near.T:
        votes[np.arange(len(ours)), labels[known][column]] += weight[labels[known][column]]
    return votes.argmax(1)


def _unit(
    values: NDArray[np.float32], mean: NDArray[np.float32], spread: NDArray[np.float32]
) -> NDArray[np.float32]:
    newest = (values[:, -1] - mean) / spread
    change = (values[:, -1] - values[:, 0]) / spread
    joined = np.concatenate([newest, change], 1)
    unit: NDArray[np.float32] = joined / np.linalg.norm(joined, axis=1, keepdims=True)
    return unit


def taught(trial: Trial) -> Answers:
    """Our method, as ``vljepa teach`` has it."""
    aside = checked_groups(trial.taught.recordings)
    return _taught(trial, trial.model, aside, trial.settings)


def light(trial: Trial) -> Answers:
    """Our method with the light parts, whether they gain anything or not."""
    return _light(trial, trial.model)


def light_from_random(trial: Trial) -> Answers:
    """The same from random weights of X-Encoder and Predictor."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fresh = VLJepaModel(trial.model.config)
    for part in ("y_encoder", "log_scale"):
        setattr(fresh, part, getattr(trial.model, part))
    return _light(trial, fresh.eval())


def _light(trial: Trial, model: VLJepaModel) -> Answers:
    recordings = trial.taught.recordings
    aside = {one.group for one in recordings[: len(recordings) // _SET_ASIDE + 1]}
    return _taught(trial, model, aside, replace(trial.settings, least_gain=-_CERTAIN))


def _taught(trial: Trial, model: VLJepaModel, aside: set[str], settings: FitSettings) -> Answers:
    learned, checked = (
        replace(
            trial.taught,
            recordings=tuple(
                one for one in trial.taught.recordings if (one.group in aside) == is_aside
            ),
        )
        for is_aside in (False, True)
    )
    fitted = fit(
        model,
        learned,
        checked,
        trial.runtime,
        trial.work,
        lambda done: None,
        Event(),
        settings,
    )
    texts = taught_texts(trial.taught, trial.runtime)
    return answers(fitted.model, texts, trial.tested_clips)[:, 0]


CONTESTANTS: dict[str, Callable[[Trial], Answers]] = {
    "majority": majority,
    "nearest neighbours": neighbours,
    "linear, change over 0.8 s": linear,
    "linear, changes over 0.4 to 2.8 s": linear_long,
    "teach": taught,
    "light parts too": light,
    "light parts too, random weights": light_from_random,
}
