# SPDX-License-Identifier: Apache-2.0
"""Batches from sources of samples: which clips a step shows follows from its number."""

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
from vljepa_ros.training.feature_cache import FeatureCache
from vljepa_ros.training.stage import Stage, StageError
from vljepa_ros.training.tokenize import Tokenize

_TRIES = 20  # samples that may be unusable in a row

_LOG = logging.getLogger(__name__)


class ClipBatches:
    """Samples drawn with replacement from sources, each by its share in the stage.

    A sample that cannot be used is replaced by one that the same slot of the batch draws next,
    counted in ``unusable`` and logged once.
    """

    def __init__(
        self,
        sources: Mapping[str, ClipDataset],
        stage: Stage,
        config: ModelConfig,
        query_tokens: Tokenize,
        text_tokens: Tokenize,
        *,
        cache: FeatureCache | None = None,
        seed: int = 0,
    ) -> None:
        """Take the sources that the stage names, or where it names none all, equally.

        Raises:
            StageError: the stage names a source that is not given.
        """
        shares = stage.sources or dict.fromkeys(sources, 1.0)
        if missing := sorted(set(shares) - set(sources)):
            raise StageError(
                f"stage {stage.name!r} takes data from {missing[0]!r}, which is not given: "
                f"add --data {missing[0]}=FOLDER"
            )
        self.sources = {name: sources[name] for name in shares}
        self._shares = np.array(list(shares.values())) / sum(shares.values())
        self._stage, self._config, self._cache, self._seed = stage, config, cache, seed
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
        random = np.random.default_rng([self._seed, step, slot])
        chosen = random.choice(len(self._shares), p=self._shares)
        name, source = list(self.sources.items())[chosen]
        for _ in range(_TRIES):
            number = int(random.integers(len(source)))
            try:
                sample = source[number]
                return self._visual(sample), sample
            except SampleError as error:
                self._note(f"{name} {number}", error)
        raise SampleError(f"{_TRIES} samples of {name!r} in a row cannot be used; see the log")

    def _visual(self, sample: Sample) -> Tensor:
        """Return a clip (T, 3, H, W), or its visual tokens (N, width) where there is a cache."""
        if self._cache is None:
            clip = decode(sample, self._stage.frames, self._config.frame_pixels)
            return normalised(torch.from_numpy(clip))
        tokens = self._cache.get(sample)
        if tokens is None:
            raise SampleError(f"{sample.key} has no cached features: it could not be decoded")
        return torch.from_numpy(tokens).float()

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
