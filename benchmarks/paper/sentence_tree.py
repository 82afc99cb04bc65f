# SPDX-License-Identifier: Apache-2.0
"""Sentences as a tree of their beginnings: what they have in common is read once.

Candidates such as "the robot lifts the puck" and "the robot lifts the ball" differ in a few words.
A decoder that reads the tree in one pass, in which every beginning sees only those before it,
finds the likelihood of all of them at a fraction of the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vljepa_ros.model.vocabulary import END


class SentenceTree(NamedTuple):
    """N beginnings of C sentences of up to W words; the first beginning has no word.

    Attributes:
        words: the last word of each beginning (N), int64; END if it has none.
        depths: words of each beginning (N).
        sees: whether a beginning sees another one (N, N): itself and those that it begins with.
        before: the beginning that stands before each word of a sentence (C, W).
        following: these words (C, W).
        real: which of them are real (C, W).
    """

    words: Tensor
    depths: Tensor
    sees: Tensor
    before: Tensor
    following: Tensor
    real: Tensor

    @staticmethod
    def of(sentences: Sequence[Sequence[int]]) -> SentenceTree:
        """Make the tree of sentences, each the numbers of its words and its end."""
        places: dict[tuple[int, ...], int] = {}
        for sentence in sentences:
            for length in range(len(sentence)):
                places.setdefault(tuple(sentence[:length]), len(places))
        sees = torch.zeros(len(places), len(places), dtype=torch.bool)
        for beginning, place in places.items():
            seen = [places[beginning[:length]] for length in range(len(beginning) + 1)]
            sees[place, seen] = True
        before = [
            torch.tensor([places[tuple(each[:length])] for length in range(len(each))])
            for each in sentences
        ]
        following = [torch.tensor(list(each)) for each in sentences]
        return SentenceTree(
            words=torch.tensor([(END, *each)[-1] for each in places]),
            depths=torch.tensor([len(each) for each in places]),
            sees=sees,
            before=pad_sequence(before, True),
            following=pad_sequence(following, True),
            real=pad_sequence([torch.ones(len(each), dtype=torch.bool) for each in before], True),
        )
