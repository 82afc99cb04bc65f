# SPDX-License-Identifier: Apache-2.0
"""Batches from data sets of clips: which clips a step shows follows from its number."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.normalise import normalised
from vljepa_ros.recordings.sample import DESCRIBE, ClipDataset, Sample, SampleError, decode
from vljepa_ros.training.batch import Batch
from vljepa_ros.training.clip_features import ClipFeatures
from vljepa_ros.training.stage import Stage, StageError
from vljepa_ros.training.tokenize import Tokenize

_TRIES = 20  # samples that may be unusable in a row

_LOG = logging.getLogger(__name__)


def datasets_of(stage: Stage, datasets: Mapping[str, ClipDataset]) -> dict[str, ClipDataset]:
    """Return the data sets that a stage names, or all of them if it names none.

    Raises:
        StageError: the stage names one that is not given.
    """
    if missing := sorted(set(stage.sources) - set(datasets)):
        raise StageError(
            f"stage {stage.name!r} takes data from {missing[0]!r}, which is not given: "
            f"add --data {missing[0]}=FOLDER"
        )
    return {name: datasets[name] for name in stage.sources or datasets}


class ClipBatches:
    """Samples drawn with replacement from data sets, each by its share in the stage.

    A sample that cannot be used is replaced by one that the same slot of the batch draws next. It
    is counted in ``unusable`` and logged once.
    """

    def __init__(
        self,
        datasets: Mapping[str, ClipDataset],
        stage: Stage,
        config: ModelConfig,
        query_tokens: Tokenize,
        text_tokens: Tokenize,
        *,
        features: ClipFeatures | None = None,
    ) -> None:
        """Take the data sets that the stage names, or all of them equally if it names none.

        Args:
            datasets: data sets by name.
            stage: says how large a batch is and how long its clips are.
            config: says how large the frames are.
            query_tokens: tokenizer of queries.
            text_tokens: tokenizer of answers.
            features: what a frozen network makes of the clips; None gives the clips themselves.

        Raises:
            StageError: the stage names a data set that is not given.
        """
        self._datasets = datasets_of(stage, datasets)
        shares = np.array([stage.sources.get(name, 1.0) for name in self._datasets])
        self._shares = shares / shares.sum()
        self._stage, self._config, self._features = stage, config, features
        self._query_tokens, self._text_tokens = query_tokens, text_tokens
        self.unusable: set[str] = set()

    def batch(self, step: int, part: int, parts: int) -> Batch:
        """Return part ``part`` of ``parts`` of a step's batch; its candidates are its answers."""
        size = self._stage.batch
        slots = range(part * size // parts, (part + 1) * size // parts)
        visual, samples = zip(*(self._usable(step, slot) for slot in slots), strict=True)
        answers = [sample.annotation.answer for sample in samples]
        texts = list(dict.fromkeys(answers))
        queries = self._query_tokens([self._query(sample) for sample in samples])
        return Batch(
            visual=torch.stack(visual),
            queries=type(queries)(*(values.unsqueeze(1) for values in queries)),
            texts=self._text_tokens(texts),
            targets=torch.tensor([[texts.index(answer)] for answer in answers]),
            shared=False,
            keys=torch.tensor([_key(text) for text in texts]),
        )

    def _usable(self, step: int, slot: int) -> tuple[Tensor, Sample]:
        """Return the clip that a slot of the batch shows, and its sample."""
        random = np.random.default_rng([self._stage.seed, step, slot])
        chosen = random.choice(len(self._shares), p=self._shares)
        name, dataset = list(self._datasets.items())[chosen]
        for _ in range(_TRIES):
            number = int(random.integers(len(dataset)))
            try:
                sample = dataset[number]
                return self._visual(sample), sample
            except SampleError as error:
                self._note(f"{name} {number}", error)
        raise SampleError(f"{_TRIES} samples of {name!r} in a row cannot be used; see the log")

    def _visual(self, sample: Sample) -> Tensor:
        """Return a clip (T, 3, H, W), or what a frozen network made of it.

        That is visual tokens (N, width), or feature maps (T, C, h, w) if the model stands on a
        frozen image trunk.
        """
        if self._features is not None:
            return torch.from_numpy(self._features.get(sample)).float()
        clip = decode(sample, self._stage.frames, self._config.frame_pixels)
        return normalised(torch.from_numpy(clip))

    def _query(self, sample: Sample) -> str:
        return (sample.annotation.query if self._stage.queries else "") or DESCRIBE

    def _note(self, sample: str, error: SampleError) -> None:
        if sample not in self.unusable:
            self.unusable.add(sample)
            _LOG.warning("left out (%d so far): %s", len(self.unusable), error)


def _key(text: str) -> int:
    """Return a number that stands for a text in every process."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
