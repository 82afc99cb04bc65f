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
from collections.abc import Iterable, Mapping, Sequence
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
    if len(candidates) < 2 or not all(references):
        raise ValueError("CIDEr needs at least two clips, and a reference for each")
    counted = [[_ngrams(words(one)) for one in clip] for clip in references]
    weights = _rarity(counted)
    scores = [
        _agreement(_ngrams(words(candidate)), clip, weights)
        for candidate, clip in zip(candidates, counted, strict=True)
    ]
    return np.array(scores, dtype=np.float64)


def _ngrams(tokens: Sequence[str]) -> Counter[_NGram]:
    return Counter(
        tuple(tokens[start : start + size])
        for size in range(1, LONGEST + 1)
        for start in range(len(tokens) - size + 1)
    )


@dataclass(frozen=True)
class _Rarity:
    """Inverse document frequency; a document is all the references of one clip."""

    clips: int
    clips_with: Mapping[_NGram, int]

    def of(self, ngram: _NGram) -> float:
        return math.log(self.clips / max(1, self.clips_with.get(ngram, 0)))


def _rarity(references: Sequence[Iterable[Counter[_NGram]]]) -> _Rarity:
    clips_with: Counter[_NGram] = Counter()
    for clip in references:
        clips_with.update(set().union(*clip))
    return _Rarity(len(references), clips_with)


def _agreement(
    candidate: Counter[_NGram], references: Sequence[Counter[_NGram]], rarity: _Rarity
) -> float:
    similarities = [_similarity(candidate, reference, rarity) for reference in references]
    return SCALE * sum(similarities) / len(similarities)


def _similarity(candidate: Counter[_NGram], reference: Counter[_NGram], rarity: _Rarity) -> float:
    """Return the mean over the sizes of n-grams of the clipped cosines, less for other lengths."""
    total = 0.0
    for size in range(1, LONGEST + 1):
        mine, theirs = _vector(candidate, size, rarity), _vector(reference, size, rarity)
        norms = math.hypot(*mine.values()) * math.hypot(*theirs.values())
        if norms > 0:
            common = mine.keys() & theirs.keys()
            total += sum(min(mine[g], theirs[g]) * theirs[g] for g in common) / norms
    difference = _length(candidate) - _length(reference)
    return total / LONGEST * math.exp(-(difference**2) / (2 * LENGTH_SIGMA**2))


def _vector(counts: Counter[_NGram], size: int, rarity: _Rarity) -> dict[_NGram, float]:
    return {g: n * rarity.of(g) for g, n in counts.items() if len(g) == size}


def _length(counts: Counter[_NGram]) -> int:
    return sum(n for ngram, n in counts.items() if len(ngram) == 1)
