# SPDX-License-Identifier: Apache-2.0
"""The four tasks of VL-JEPA on whole clips: describe, classify, retrieve, answer.

The calls are the same for a model of any size, because all of them are one embedding of the clip
for a query and its cosines to embeddings of texts (arXiv 2512.10942, section 4). Nothing is
generated: each task chooses among texts or clips that it is given. Streams have no beginning and
no end; they go through :mod:`vljepa_ros.runtime.clip_embedder` instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.phrases import Phrase
from vljepa_ros.stream.sampling import spread_evenly
from vljepa_ros.stream.vectors import unit

PLACE = "{}"


@dataclass(frozen=True)
class Ranking:
    """How well each candidate fits.

    ``scores`` (N) are in the order of the candidates, ``order`` (N) are the candidates' numbers,
    best first.
    """

    scores: NDArray[np.float32]
    order: NDArray[np.intp]

    @classmethod
    def of(cls, scores: NDArray[np.float32]) -> Ranking:
        """Rank candidates by ``scores`` (N); equal ones keep their order."""
        return cls(scores, np.argsort(-scores, kind="stable"))


def embed_clip(
    model: VLJepa, images: Sequence[NDArray[np.uint8]], queries: Sequence[str]
) -> NDArray[np.float32]:
    """Embed a whole clip for each query with one visual pass.

    Args:
        model: a loaded model.
        images: RGB (H, W, 3) of any size and number, oldest first, at equal distances in time;
            the model sees those that :func:`.spread_evenly` names.
        queries: texts of the queries.

    Returns:
        (Q, dimension), unit length, in the order of the queries.

    Raises:
        ValueError: there is no image, an image is not RGB uint8, or a query is empty.
        BackendError: the model is closed or failed.
    """
    chosen = spread_evenly(len(images), model.bundle.clip.frames)
    features = {index: model.encode_frame(images[index]) for index in dict.fromkeys(chosen)}
    return model.embed([features[index] for index in chosen], queries)


def embed_texts(model: VLJepa, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the unit embeddings (N, dimension) of at least one text.

    Raises:
        ValueError: there is no text, or one is empty.
        BackendError: the model is closed or failed.
    """
    if not texts:
        raise ValueError("there must be at least one text")
    return np.stack([model.embed_text(text) for text in texts])


def prompts(labels: Sequence[str], template: str = PLACE) -> list[str]:
    """Return the text that stands for each label: the template with the label in its ``{}``.

    Raises:
        ValueError: the template has no ``{}``.
    """
    if PLACE not in template:
        raise ValueError(f"the template {template!r} has no {PLACE} where the label would stand")
    return [template.replace(PLACE, label) for label in labels]


def describe(model: VLJepa, images: Sequence[NDArray[np.uint8]], query: str) -> Phrase:
    """Return the phrase of the model's bank that fits a clip best.

    Args:
        model: a loaded model.
        images: as for :func:`embed_clip`.
        query: name of one of the bundle's queries.

    Raises:
        ValueError: the bundle has no such query, or the images cannot be used.
        BackendError: the model is closed or failed.
    """
    queries = model.bundle.queries
    if query not in queries:
        raise ValueError(f"the bundle has no query {query!r}; it has {', '.join(queries)}")
    (embedding,) = embed_clip(model, images, [queries[query]])
    return model.describe(query, embedding)


def classify(
    model: VLJepa,
    images: Sequence[NDArray[np.uint8]],
    labels: Sequence[str],
    query: str,
    template: str = PLACE,
) -> Ranking:
    """Rank labels of any words for a clip.

    Args:
        model: a loaded model.
        images: as for :func:`embed_clip`.
        labels: the classes, at least one.
        query: text of the query, such as "What is the action shown?".
        template: what a label is put into, such as "a person is {}".

    Returns:
        Probabilities among these labels, which add up to one, and the labels' order.

    Raises:
        ValueError: there is no label, a text is empty, the template has no ``{}``, or the images
            cannot be used.
        BackendError: the model is closed or failed.
    """
    return answer(model, images, query, prompts(labels, template))


def answer(
    model: VLJepa, images: Sequence[NDArray[np.uint8]], question: str, answers: Sequence[str]
) -> Ranking:
    """Rank candidate answers to a question about a clip.

    Args:
        model: a loaded model.
        images: as for :func:`embed_clip`.
        question: text of the question, which is the query.
        answers: the candidates, at least one.

    Returns:
        Probabilities among these answers, which add up to one, and the answers' order.

    Raises:
        ValueError: there is no answer, a text is empty, or the images cannot be used.
        BackendError: the model is closed or failed.
    """
    (embedding,) = embed_clip(model, images, [question])
    return Ranking.of(model.answer(embedding, answers))


def retrieve(model: VLJepa, text: str, clips: ArrayLike) -> Ranking:
    """Rank clips for a text.

    Args:
        model: a loaded model.
        text: what is looked for.
        clips: (N, dimension), one embedding per clip, all for the same query.

    Returns:
        Cosines of the text to each clip, and the clips' order.

    Raises:
        ValueError: the embeddings have another shape or are not usable, or the text is empty.
        BackendError: the model is closed or failed.
    """
    rows = unit(clips)
    if rows.ndim != 2 or rows.shape[1] != model.bundle.dimension:
        raise ValueError(f"clips of shape {rows.shape}, expected (N, {model.bundle.dimension})")
    return Ranking.of(rows @ model.embed_text(text))
