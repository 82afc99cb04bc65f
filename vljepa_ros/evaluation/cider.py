# SPDX-License-Identifier: Apache-2.0
"""CIDEr-D: how much a sentence agrees with the references of a clip (arXiv 1411.5726).

Sentences are compared by their n-grams of one to four words. An n-gram weighs by how often it
stands in the sentence and by how few clips have it in their references, so words that all clips
share count nothing.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LONGEST = 4  # words of an n-gram
LENGTH_SIGMA = 6.0  # words by which lengths may differ before that costs much
SCALE = 10.0

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_NGram = tuple[str, ...]


def words(sentence: str) -> list[str]:
    """Return the words of a sentence in lower case, without punctuation."""
    return _WORD.findall(sentence.lower())


def cider(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Score one sentence per clip against the clip's references.

    Args:
        candidates: (N) sentences, at least two; with one clip no word tells it from others.
        references: (N) lists of one or more sentences.

    Returns:
        (N) scores from 0 to 10. Papers print the mean times 100.

    Raises:
        ValueError: the numbers differ, there are fewer than two clips, or one has no reference.
    """
    if len(candidates) != len(references):
        raise ValueError(f"{len(candidates)} sentences for {len(references)} clips")
    corpus = Corpus(references)
    scores = [corpus.score(one, clip) for one, clip in zip(candidates, references, strict=True)]
    return np.array(scores, dtype=np.float64)


class Corpus:
    """The references of all clips, which say how rare an n-gram is. For one thread.

    What was counted or scored once is kept: thousands of clips may share few sentences.
    """

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        """Count in how many clips each n-gram is.

        Args:
            references: for each of two or more clips, one or more sentences.

        Raises:
            ValueError: there are fewer than two clips, or one has no reference.
        """
        if len(references) < 2 or not all(references):
            raise ValueError("CIDEr needs at least two clips, and a reference for each")
        self._clips = len(references)
        self._clips_with: Counter[_NGram] = Counter()
        for clip, times in Counter(map(tuple, references)).items():
            for ngram in set().union(*(_ngrams(words(one)) for one in clip)):
                self._clips_with[ngram] += times
        self._sentences: dict[str, _Sentence] = {}
        self._scores: dict[tuple[str, tuple[str, ...]], float] = {}

    def score(self, candidate: str, references: Sequence[str]) -> float:
        """Return 0 to 10 for a sentence against one or more references of one clip.

        Raises:
            ValueError: there is no reference.
        """
        if not references:
            raise ValueError("a sentence needs a reference to be scored against")
        key = candidate, tuple(references)
        if key not in self._scores:
            mine = self._weighed(candidate)
            similarities = [_similarity(mine, self._weighed(one)) for one in references]
            self._scores[key] = SCALE * sum(similarities) / len(similarities)
        return self._scores[key]

    def _weighed(self, sentence: str) -> _Sentence:
        if sentence not in self._sentences:
            tokens = words(sentence)
            weights: list[dict[_NGram, float]] = [{} for _ in range(LONGEST)]
            for ngram, count in _ngrams(tokens).items():
                weights[len(ngram) - 1][ngram] = count * self._rarity(ngram)
            norms = [math.hypot(*part.values()) for part in weights]
            self._sentences[sentence] = _Sentence(len(tokens), weights, norms)
        return self._sentences[sentence]

    def _rarity(self, ngram: _NGram) -> float:
        """Return the inverse document frequency; a document is all the references of one clip."""
        return math.log(self._clips / max(1, self._clips_with[ngram]))


@dataclass(frozen=True)
class _Sentence:
    """Words in it, and for each size of n-grams their weights and the norm of these."""

    length: int
    weights: Sequence[Mapping[_NGram, float]]
    norms: Sequence[float]


def _ngrams(tokens: Sequence[str]) -> Counter[_NGram]:
    return Counter(
        tuple(tokens[start : start + size])
        for size in range(1, LONGEST + 1)
        for start in range(len(tokens) - size + 1)
    )


def _similarity(candidate: _Sentence, reference: _Sentence) -> float:
    """Return the mean over the sizes of n-grams of the clipped cosines, less for other lengths."""
    total = 0.0
    for size in range(LONGEST):
        mine, theirs = candidate.weights[size], reference.weights[size]
        norms = candidate.norms[size] * reference.norms[size]
        if norms > 0:
            common = mine.keys() & theirs.keys()
            total += sum(min(mine[g], theirs[g]) * theirs[g] for g in common) / norms
    difference = candidate.length - reference.length
    return total / LONGEST * math.exp(-(difference**2) / (2 * LENGTH_SIGMA**2))
