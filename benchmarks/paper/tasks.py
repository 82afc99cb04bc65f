# SPDX-License-Identifier: Apache-2.0
"""How good a contestant is at the paper's tasks: describe, classify, retrieve, answer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.paper.batches import Questions
from benchmarks.paper.clips import Clips
from benchmarks.paper.results import Figures
from benchmarks.paper.sentence_tree import SentenceTree
from benchmarks.paper.token_model import TokenModel
from benchmarks.paper.wordings import COMPOSED, Wordings
from vljepa_ros.evaluation.cider import cider
from vljepa_ros.evaluation.ranks import hit_rate, percent, rank_of
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.vljepa import Tokens, VLJepaModel
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES

_BATCH = 50
_TIMED = 20  # answers
_ASKED = QUERY_NAMES.index(COMPOSED)


class Answering(Protocol):
    """A trained model as it answers."""

    def scores(self, visual: Tensor, queries: Tokens) -> Tensor:
        """Return how well every label (B, Q, labels) answers each query about clips."""

    def descriptions(self, visual: Tensor, queries: Tokens, scores: Tensor) -> list[str]:
        """Return a sentence (B) that answers the query ``COMPOSED``."""

    def answer(self, visual: Tensor, queries: Tokens) -> None:
        """Answer one query about one clip with a sentence, as a robot would ask it."""


class EmbeddingAnswers:
    """By the cosine of an answer and the canonical sentence of each label."""

    def __init__(self, model: VLJepaModel, wordings: Wordings, bank: Tensor) -> None:
        """Take the embeddings of the canonical sentences (labels, D)."""
        self._model, self._wordings, self._bank = model, wordings, bank

    @torch.inference_mode()
    def scores(self, visual: Tensor, queries: Tokens) -> Tensor:
        """Return the cosines; a model that is not asked gives the same for every query."""
        answers = self._model.embed(visual, queries)
        return (answers @ self._bank.T).expand(-1, len(QUERY_NAMES), -1)

    def descriptions(self, visual: Tensor, queries: Tokens, scores: Tensor) -> list[str]:
        """Return the nearest canonical sentences."""
        own = self._wordings.of_query(COMPOSED)
        best = scores[:, _ASKED, own].argmax(-1) + own.start
        return [self._wordings.paraphrases[number][0] for number in best.tolist()]

    def answer(self, visual: Tensor, queries: Tokens) -> None:
        """Embed, and find the nearest sentence."""
        self.descriptions(visual, queries, self.scores(visual, queries))


class TokenAnswers:
    """By the likelihood of the canonical sentence of each label.

    Sentences of a label are drawn alike in training, so a label is as many times likelier than its
    canonical sentence as it has sentences.
    """

    def __init__(self, model: TokenModel, wordings: Wordings) -> None:
        """Cut the canonical sentences into words."""
        self._model, self._wordings = model, wordings
        numbers = [model.vocabulary.numbers(each[0]) for each in wordings.paraphrases]
        self._trees = [SentenceTree.of(numbers[wordings.of_query(name)]) for name in QUERY_NAMES]
        self._counts = torch.tensor([len(each) for each in wordings.paraphrases]).log()

    def scores(self, visual: Tensor, queries: Tokens) -> Tensor:
        """Return logarithms of likelihoods; -inf for labels of other queries."""
        context = self._model.contexts(visual, queries)
        found = torch.full((len(visual), len(QUERY_NAMES), len(self._counts)), -torch.inf)
        for number, name in enumerate(QUERY_NAMES):
            own = self._wordings.of_query(name)
            asked = context.rows(torch.arange(number, len(context.real), len(QUERY_NAMES)))
            likely = self._model.log_likelihoods(asked, self._trees[number])
            found[:, number, own] = likely + self._counts[own]
        return found

    def descriptions(self, visual: Tensor, queries: Tokens, scores: Tensor) -> list[str]:
        """Return what is generated."""
        asked = Tokens(*(each[:, _ASKED, None] for each in queries))
        return self._model.descriptions(self._model.contexts(visual, asked))

    def answer(self, visual: Tensor, queries: Tokens) -> None:
        """Generate a sentence."""
        self._model.descriptions(self._model.contexts(visual, queries))


def measure(
    answering: Answering, clips: Clips, wordings: Wordings, questions: Questions,
    config: ModelConfig, count: int,
) -> Figures:  # fmt: skip
    """Return all figures, in percent but for CIDEr-D, which is times 100, and milliseconds."""
    ends = clips.tested(count, wordings)
    scores, said = [], []
    for part in np.array_split(ends, len(ends) // _BATCH + 1):
        visual, queries = clips.visual(part, config), questions.canonical(len(part))
        scores.append(answering.scores(visual, queries))
        said += answering.descriptions(visual, queries, scores[-1])
    found, targets = torch.cat(scores).numpy(), clips.targets[ends]
    trained = np.isin(targets[:, _ASKED], wordings.trained)
    return {
        **_described(said, targets, trained, wordings),
        **_classified(found, targets, trained, wordings),
        "answer": percent(_answered(found, targets, wordings)),
        "answer_ms": _milliseconds(answering, clips, ends, questions, config),
    }


def _described(
    said: Sequence[str], targets: NDArray[np.int64], used: NDArray[np.bool_], wordings: Wordings
) -> Figures:
    places = np.flatnonzero(used)
    references = [wordings.paraphrases[targets[place, _ASKED]] for place in places]
    return {"cider": 100 * float(cider([said[place] for place in places], references).mean())}


def _classified(
    scores: NDArray[np.float32],
    targets: NDArray[np.int64],
    trained: NDArray[np.bool_],
    wordings: Wordings,
) -> Figures:
    """Return the figures of the labels of ``COMPOSED``: of trained ones, and of left out ones."""
    own = wordings.of_query(COMPOSED)
    right = targets[:, _ASKED] - own.start
    among = scores[:, _ASKED, own]
    figures = {}
    for name, used in (("", trained), ("composed_", ~trained & (right >= 0))):
        if not used.any():
            continue
        numbers = np.arange(among.shape[1])
        ranks = [
            rank_of(row, numbers == one) for row, one in zip(among[used], right[used], strict=True)
        ]
        of_texts = [rank_of(among[:, one], right == one) for one in np.unique(right[used])]
        figures[f"{name}top1"] = percent(hit_rate(ranks, 1))
        figures[f"{name}top5"] = percent(hit_rate(ranks, 5))
        figures[f"{name}retrieve"] = percent(hit_rate(of_texts, 1))
        figures[f"{name}clips"] = len(ranks)
    return figures


def _answered(
    scores: NDArray[np.float32], targets: NDArray[np.int64], wordings: Wordings
) -> float:
    """Return the share of right answers to the other queries, each query counting the same."""
    shares = []
    for number, name in enumerate(QUERY_NAMES):
        asked = targets[:, number] >= 0
        if name != COMPOSED and asked.any():
            own = wordings.of_query(name)
            best = scores[asked, number, own].argmax(1) + own.start
            shares.append(float((best == targets[asked, number]).mean()))
    return float(np.mean(shares))


def _milliseconds(
    answering: Answering,
    clips: Clips,
    ends: NDArray[np.int64],
    questions: Questions,
    config: ModelConfig,
) -> float:
    """Return CPU milliseconds of an answer in torch, without the trunk."""
    query = Tokens(*(each[:, _ASKED % each.shape[1], None] for each in questions.canonical(1)))
    times = []
    for end in ends[:_TIMED]:
        visual = clips.visual(np.array([end]), config)
        began = time.process_time()
        answering.answer(visual, query)
        times.append(1e3 * (time.process_time() - began))
    return statistics.median(times)
