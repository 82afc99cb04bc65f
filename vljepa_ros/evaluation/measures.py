# SPDX-License-Identifier: Apache-2.0
"""The four measures: each takes a loaded model, a folder of clips and their annotations.

Every figure stands beside what can be had for nothing: chance, and the most frequent answer if
that means something. A clip that cannot be read is left out of the figures and reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vljepa_ros.evaluation.cider import cider
from vljepa_ros.evaluation.embeddings import embed_clips
from vljepa_ros.evaluation.ranks import hit_rate, majority, mean_per_class, percent, rank_of
from vljepa_ros.evaluation.report import Report
from vljepa_ros.recordings.annotations import Asked, Captioned, Labelled, Span
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.phrases import NoPhrasesError, PhraseBank
from vljepa_ros.runtime.tasks import PLACE, embed_texts, prompts, retrieve


def classification(
    model: VLJepa,
    folder: Path,
    items: Sequence[Labelled],
    query: str,
    template: str = PLACE,
    *,
    stream: bool = False,
) -> Report:
    """Measure how often a clip's own label comes first among all labels of the annotations.

    Args:
        model: a loaded model.
        folder: the folder of the clips.
        items: annotations with at least two different labels.
        query: text of the query.
        template: what a label is put into before it is encoded.
        stream: see every clip that a robot sees in each span, see :func:`embed_clips`.

    Raises:
        ValueError: there is only one label, no clip can be read, or a text cannot be used.
        BackendError: the model failed.
    """
    labels = sorted({item.label for item in items})
    if len(labels) < 2:
        raise ValueError(f"all annotations have the label {labels[0]!r}: nothing to tell apart")
    texts = embed_texts(model, prompts(labels, template))
    clips = embed_clips(model, folder, {item.span: [query] for item in items}, stream=stream)
    read = clips.read(items)
    truth = np.array([labels.index(item.label) for item in read])
    cosines = np.stack([clips.vectors[item.span][0] for item in read]) @ texts.T
    numbers = np.arange(len(labels))
    ranks = [rank_of(row, numbers == label) for row, label in zip(cosines, truth, strict=True)]
    figures = {
        "labels": len(labels),
        "top1": percent(hit_rate(ranks, 1)),
        "top5": percent(hit_rate(ranks, 5)),
        "mean_per_class": percent(mean_per_class(np.equal(ranks, 1), truth)),
        "majority": percent(majority(truth)),
        "chance": percent(1 / len(labels)),
    }
    best = [labels[number] for number in cosines.argmax(axis=1)]
    results = [
        {"clip": str(item.span), "label": item.label, "best": found, "rank": rank}
        for item, found, rank in zip(read, best, ranks, strict=True)
    ]
    return Report.of("classify", clips, figures, results)


def retrieval(
    model: VLJepa,
    folder: Path,
    items: Sequence[Captioned],
    query: str,
    *,
    stream: bool = False,
) -> Report:
    """Measure how high a caption's own clip ranks among all clips.

    Every caption of a clip is looked for on its own. If clips share a caption word by word,
    each of them is right.

    Args:
        model: a loaded model.
        folder: the folder of the clips.
        items: annotations, one for each span.
        query: text of the query that the clips are embedded for.
        stream: see every clip that a robot sees in each span, see :func:`embed_clips`.

    Raises:
        ValueError: no clip can be read, or a text cannot be used.
        BackendError: the model failed.
    """
    clips = embed_clips(model, folder, {item.span: [query] for item in items}, stream=stream)
    read = clips.read(items)
    rows = np.stack([clips.vectors[item.span][0] for item in read])
    ranks, chances, results = [], [], []
    for item, caption in ((one, caption) for one in read for caption in one.captions):
        right = [caption in other.captions for other in read]
        ranks.append(rank_of(retrieve(model, caption, rows).scores, right))
        chances.append(np.mean(right))
        results.append({"clip": str(item.span), "caption": caption, "rank": ranks[-1]})
    figures = {
        "captions": len(ranks),
        **{f"r@{top}": percent(hit_rate(ranks, top)) for top in (1, 5, 10)},
        "median_rank": float(np.median(ranks)),
        "chance_r@1": percent(float(np.mean(chances))),
    }
    return Report.of("retrieve", clips, figures, results)


def question_answering(
    model: VLJepa, folder: Path, items: Sequence[Asked], *, stream: bool = False
) -> Report:
    """Measure how often the right candidate is the best answer to a question about a clip.

    Args:
        model: a loaded model.
        folder: the folder of the clips.
        items: annotations.
        stream: see every clip that a robot sees in each span, see :func:`embed_clips`.

    Raises:
        ValueError: no clip can be read, or a text cannot be used.
        BackendError: the model failed.
    """
    questions: dict[Span, list[str]] = {}
    for item in items:
        questions.setdefault(item.span, []).append(item.question)
    clips = embed_clips(model, folder, questions, stream=stream)
    hits, chances, results = [], [], []
    asked: Counter[Span] = Counter()
    for item in clips.read(items):
        scores = model.answer(clips.vectors[item.span][asked[item.span]], item.answers)
        asked[item.span] += 1
        hits.append(rank_of(scores, [one == item.answer for one in item.answers]) == 1)
        chances.append(1 / len(item.answers))
        best = item.answers[int(np.argmax(scores))]
        results.append(
            {
                "clip": str(item.span),
                "question": item.question,
                "answer": item.answer,
                "best": best,
            }
        )
    figures = {
        "questions": len(hits),
        "accuracy": percent(float(np.mean(hits))),
        "chance": percent(float(np.mean(chances))),
    }
    return Report.of("vqa", clips, figures, results)


def captioning(
    model: VLJepa,
    folder: Path,
    items: Sequence[Captioned],
    query: str,
    text: str,
    bank: PhraseBank | None = None,
    *,
    stream: bool = False,
) -> Report:
    """Measure how well the nearest sentence of a bank agrees with a clip's captions (CIDEr-D).

    Nothing is generated, so no sentence can be better than the best one of the bank. As chance
    stands the score of the same sentences dealt out to the clips at random.

    Args:
        model: a loaded model.
        folder: the folder of the clips.
        items: annotations, one for each span; at least two of their clips can be read.
        query: name of the query, whose phrases are chosen from.
        text: text of the query.
        bank: sentences to choose from instead of the model's own bank.
        stream: see every clip that a robot sees in each span, see :func:`embed_clips`.

    Raises:
        ValueError: fewer than two clips can be read, a text cannot be used, or the query has no
            phrases.
        BackendError: the model failed.
    """
    chooser = bank or model.phrases
    if not chooser.can_answer(query):
        raise NoPhrasesError(query)
    clips = embed_clips(model, folder, {item.span: [text] for item in items}, stream=stream)
    read = clips.read(items)
    said = [chooser.best(query, clips.vectors[item.span][0]).text for item in read]
    captions = [item.captions for item in read]
    dealt = [said[index] for index in np.random.default_rng(0).permutation(len(said))]
    figures = {
        "sentences_used": len(set(said)),
        "cider": 100 * float(cider(said, captions).mean()),
        "chance": 100 * float(cider(dealt, captions).mean()),
    }
    results = [
        {"clip": str(item.span), "captions": list(item.captions), "said": one}
        for item, one in zip(read, said, strict=True)
    ]
    return Report.of("caption", clips, figures, results)


def sentence_bank(model: VLJepa, query: str, sentences: Sequence[str]) -> PhraseBank:
    """Return a bank that answers ``query`` with one of these sentences.

    Raises:
        ValueError: there is no sentence, or one is empty.
        BackendError: the model failed.
    """
    rows = embed_texts(model, sentences)
    return PhraseBank({query: sentences}, rows, model.bundle.logit_scale)
