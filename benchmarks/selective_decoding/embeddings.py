# SPDX-License-Identifier: Apache-2.0
"""The embeddings of a split's episodes, one after another as a camera would see them.

They are computed once by the bundle's graphs and cached in the data folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from vljepa_ros.files import new_file
from vljepa_ros.recipes.default_model.episodes import (
    FRAME_RATE_HZ,
    QUERY_NAMES,
    StoredEpisode,
    clip_indices,
    load_episodes,
)
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.clip_embedder import ONE_CAMERA
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.remembered_streams import RememberedStreams
from vljepa_ros.runtime.windowed_streams import StampedFeatures

SEED = 0  # of the order of the episodes


@dataclass(frozen=True)
class EmbeddedSplit:
    """All T frames of a split, its episodes in a random order.

    Attributes:
        embeddings: (T, Q, dimension) by the order of ``QUERY_NAMES``.
        labels: (T) of each query.
        episodes: (T) which episode a frame is of, ascending from 0.
    """

    embeddings: NDArray[np.float32]
    labels: dict[str, list[str]]
    episodes: NDArray[np.intp]


def load_split(data: Path, split: str, model: VLJepa) -> EmbeddedSplit:
    """Return a split, and compute what is not cached of it: some minutes.

    Raises:
        FileNotFoundError: the split was not rendered.
    """
    episodes = load_episodes(data, split)
    order = np.random.default_rng(SEED).permutation(len(episodes))
    episodes = [episodes[index] for index in order]
    return EmbeddedSplit(
        _embeddings(data, split, episodes, model),
        {name: [label for one in episodes for label in one.labels[name]] for name in QUERY_NAMES},
        np.repeat(np.arange(len(episodes)), [len(one) for one in episodes]),
    )


def _embeddings(
    data: Path, split: str, episodes: list[StoredEpisode], model: VLJepa
) -> NDArray[np.float32]:
    total = sum(map(len, episodes))
    cache = data / f"embeddings_{split}_{_digest(model.bundle)}.npz"
    if cache.exists():
        with np.load(cache) as stored:
            embeddings: NDArray[np.float32] = stored["embeddings"]
        if len(embeddings) == total:
            return embeddings
    embeddings = np.stack([*tqdm(_embed(episodes, model), split, total, unit="frame")])
    with new_file(cache) as stream:
        np.savez(stream, embeddings=embeddings)
    return embeddings


def _embed(episodes: Sequence[StoredEpisode], model: VLJepa) -> Iterator[NDArray[np.float32]]:
    """Yield the embeddings (Q, dimension) of what is seen at each frame.

    Clips and memories do not stop at the border of an episode: neither does a camera.
    """
    clip, texts = model.bundle.clip, [model.bundle.queries[name] for name in QUERY_NAMES]
    seen = (model.encode_frame(frame) for episode in episodes for frame in episode.frames())
    if model.bundle.memory is not None:
        streams = RememberedStreams(model, ONE_CAMERA)
        for number, frame in enumerate(seen):
            stamp_ns = round(number * 1e9 / FRAME_RATE_HZ)
            stamped = StampedFeatures(stamp_ns, frame)
            yield streams.add({"": stamped}, texts)[""].vectors
        return
    features = [*seen]
    for end in range(len(features)):
        rows = clip_indices(end, clip.frames, clip.rate_hz)
        yield model.embed([features[row] for row in rows], texts)


def _digest(bundle: Bundle) -> str:
    """Return what tells apart bundles that embed clips differently."""
    graphs = [bundle.graphs[name] for name in ("frame_encoder", "x_encoder", "predictor")]
    graphs += [bundle.graphs[name] for name in ("y_encoder",) if name in bundle.graphs]
    sums = [bundle.files[name].sha256 for name in graphs]
    asked = [bundle.queries[name] for name in QUERY_NAMES]
    return hashlib.sha256("\n".join(sums + asked).encode()).hexdigest()[:12]
