# SPDX-License-Identifier: Apache-2.0
"""Streams of one query: embeddings, the true state at every frame, and what a bank says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.selective_decoding.ward import ward_order
from vljepa_ros.recipes.default_model.episodes import FRAME_RATE_HZ
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.runtime.signals import ANSWERS, EMBEDDING, choose_signal

PAPER_STREAM_S = 360.0  # mean length of the paper's videos


@dataclass(frozen=True)
class Words:
    """What the describer knows of a query: its phrases."""

    query: str
    phrases: PhraseBank

    def text(self, embedding: ArrayLike) -> str:
        """Return the phrase nearest to an embedding (dimension)."""
        return self.phrases.best(self.query, embedding).text

    def signals(self, comparison: str, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what a detector compares of each of the embeddings (T, dimension)."""
        signal = choose_signal(comparison, self.phrases)
        return np.stack([signal(self.query, embedding) for embedding in embeddings])


@dataclass(frozen=True, eq=False)
class Stream:
    """T frames of a camera. Two are equal if they are the same object.

    Attributes:
        embeddings: (T, dimension), unit length.
        labels: (T) the true states.
        episodes: (T) which episode of the set each frame is of.
        words: what puts embeddings into words.
    """

    embeddings: NDArray[np.float32]
    labels: Sequence[str]
    episodes: NDArray[np.intp]
    words: Words

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self) / FRAME_RATE_HZ

    @cached_property
    def starts(self) -> NDArray[np.intp]:
        """First frames of the true states, ascending from 0."""
        labels = np.asarray(self.labels)
        return np.append(0, np.flatnonzero(labels[1:] != labels[:-1]) + 1)

    @cached_property
    def answers(self) -> NDArray[np.float64]:
        """The signal of the describer's default."""
        return self.words.signals(ANSWERS, self.embeddings)

    @cached_property
    def scaled(self) -> NDArray[np.float64]:
        """The signal if nobody knows the answers."""
        return self.words.signals(EMBEDDING, self.embeddings)

    @cached_property
    def ward(self) -> NDArray[np.intp]:
        """The order of joins of the embeddings."""
        return ward_order(self.embeddings)

    @cached_property
    def ward_of_answers(self) -> NDArray[np.intp]:
        """The order of joins in the space of the answers."""
        return ward_order(self.answers)


def cut(
    embeddings: NDArray[np.float32],
    labels: Sequence[str],
    episodes: NDArray[np.intp],
    words: Words,
    seconds: float | None,
) -> list[Stream]:
    """Cut a set between episodes into streams of about that length; None is one stream.

    Args:
        embeddings: (T, dimension).
        labels: (T) of the query.
        episodes: (T) ascending from 0.
        words: what puts embeddings into words.
        seconds: length of a stream.
    """
    frames = len(labels)
    parts = max(1, round(frames / FRAME_RATE_HZ / seconds)) if seconds else 1
    borders = np.append(0, np.flatnonzero(np.diff(episodes)) + 1)
    wanted = np.arange(parts) * frames / parts
    edges = [int(borders[np.abs(borders - frame).argmin()]) for frame in wanted] + [frames]
    return [
        Stream(embeddings[a:b], labels[a:b], episodes[a:b], words)
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]
