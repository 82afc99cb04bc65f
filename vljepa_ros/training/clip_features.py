# SPDX-License-Identifier: Apache-2.0
"""The features of the clips of data sets, from a cache that is filled before the first step."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from vljepa_ros.recordings.sample import ClipDataset, Sample, SampleError, decode
from vljepa_ros.training.feature_cache import Encode, FeatureCache, content_mark

_LOG = logging.getLogger(__name__)


class ClipFeatures:
    """Features of clips of ``frames`` frames of ``pixels`` pixels a side."""

    def __init__(self, cache: FeatureCache, frames: int, pixels: int) -> None:
        self._cache, self._frames, self._pixels = cache, frames, pixels

    def get(self, sample: Sample) -> NDArray[np.float16]:
        """Return the features of a clip, as the frozen network gave them.

        Raises:
            SampleError: the clip could not be encoded when the cache was filled.
        """
        features = self._cache.get(self._key(sample))
        if features is None:
            raise SampleError(f"{sample.key} has no cached features: it could not be decoded")
        return features

    def fill(self, encode: Encode, datasets: Iterable[ClipDataset], part: int, parts: int) -> None:
        """Encode part ``part`` of ``parts`` of the clips, each unless its features are there.

        A clip that cannot be decoded is logged and left out.
        """
        for dataset in datasets:
            for number in tqdm(range(part, len(dataset), parts), "features", disable=part > 0):
                try:
                    self._add(encode, dataset[number])
                except SampleError as error:
                    _LOG.warning("no features: %s", error)

    def _add(self, encode: Encode, sample: Sample) -> None:
        key = self._key(sample)
        if self._cache.get(key) is None:
            self._cache.put(key, encode(decode(sample, self._frames, self._pixels)))

    def _key(self, sample: Sample) -> str:
        try:
            mark = content_mark(sample.media)
        except OSError as error:
            raise SampleError(f"{sample.key} cannot be read: {error}") from error
        return f"{sample.key} {mark} {self._frames}x{self._pixels}"
