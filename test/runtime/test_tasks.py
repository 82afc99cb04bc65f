# SPDX-License-Identifier: Apache-2.0
"""The four tasks on whole clips, with the colour bundle, whose answers are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from support.colour_bundle import COLOURS, DIMENSION, QUERIES, colour_frame, phrase
from vljepa_ros.runtime import tasks
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.stream.vectors import EmbeddingError

COLOUR, BRIGHTNESS = QUERIES["colour"], QUERIES["brightness"]
FRAMES = 4  # of the bundle's clip; its colour is the mean of the newest two


@pytest.fixture(scope="module")
def model(colour_bundle: Path) -> Iterator[VLJepa]:
    model = VLJepa.load(colour_bundle)
    yield model
    model.close()


def images(*colours: str) -> list[NDArray[np.uint8]]:
    return [colour_frame(colour) for colour in colours]


def test_a_clip_without_images_is_refused(model: VLJepa) -> None:
    with pytest.raises(ValueError, match="at least one image"):
        tasks.embed_clip(model, [], [COLOUR])


def test_a_long_clip_is_embedded_as_the_images_that_are_sampled_from_it(model: VLJepa) -> None:
    colours = ["black"] * 10
    colours[1] = colours[8] = "red"
    colours[3], colours[6] = "green", "blue"
    features = [model.encode_frame(image) for image in images("red", "green", "blue", "red")]
    expected = model.embed(features, [COLOUR, BRIGHTNESS])
    found = tasks.embed_clip(model, images(*colours), [COLOUR, BRIGHTNESS])
    np.testing.assert_array_equal(found, expected)


def test_a_single_image_is_a_clip(model: VLJepa) -> None:
    assert tasks.describe(model, images("yellow"), "colour").text == phrase("yellow")


def test_the_query_decides_what_is_described(model: VLJepa) -> None:
    assert tasks.describe(model, images("yellow"), "brightness").text == phrase("bright")
    with pytest.raises(ValueError, match="no query 'smell'; it has colour, brightness"):
        tasks.describe(model, images("yellow"), "smell")


def test_labels_are_ranked_with_probabilities(model: VLJepa) -> None:
    labels = ["blue", "red", "green"]
    found = tasks.classify(model, images("red"), labels, COLOUR, "the scene is {} ?")
    assert found.scores.shape == (3,)
    assert found.scores.sum() == pytest.approx(1.0)
    assert labels[found.order[0]] == "red"
    assert found.order.tolist() == sorted(range(3), key=lambda i: -found.scores[i])


def test_the_template_is_what_the_label_is_read_in(model: VLJepa) -> None:
    plain = tasks.classify(model, images("red"), ["red", "blue"], COLOUR)
    same = tasks.classify(model, images("red"), ["red", "blue"], COLOUR, "{}")
    other = tasks.classify(model, images("red"), ["red", "blue"], COLOUR, "green {}")
    np.testing.assert_array_equal(plain.scores, same.scores)
    (embedding,) = tasks.embed_clip(model, images("red"), [COLOUR])
    np.testing.assert_array_equal(
        other.scores, model.answer(embedding, ["green red", "green blue"])
    )
    assert other.scores[0] < plain.scores[0]
    assert tasks.prompts(["a {b}"], "see {} now") == ["see a {b} now"]
    with pytest.raises(ValueError, match="no {}"):
        tasks.classify(model, images("red"), ["red"], COLOUR, "the scene is red")


def test_a_question_is_answered_from_candidates(model: VLJepa) -> None:
    for question, answers, right in (
        (COLOUR, ["dark", "bright", "black", "white"], "black"),
        (BRIGHTNESS, ["white", "bright", "black", "dark"], "dark"),
    ):
        found = tasks.answer(model, images("black"), question, answers)
        assert answers[found.order[0]] == right
        assert found.scores.sum() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="at least one answer"):
        tasks.answer(model, images("black"), COLOUR, [])


def test_clips_are_retrieved_for_a_text(model: VLJepa) -> None:
    names = list(COLOURS)
    clips = np.vstack([tasks.embed_clip(model, images(name), [COLOUR]) for name in names])
    for name in names:
        found = tasks.retrieve(model, phrase(name), clips)
        assert names[found.order[0]] == name
        np.testing.assert_allclose(found.scores, clips @ model.embed_text(phrase(name)), atol=1e-6)


def test_only_embeddings_of_the_models_space_are_searched(model: VLJepa) -> None:
    for shape in ((DIMENSION,), (2, DIMENSION + 1)):
        with pytest.raises(ValueError, match="expected"):
            tasks.retrieve(model, "red", np.ones(shape))
    with pytest.raises(EmbeddingError):
        tasks.retrieve(model, "red", np.zeros((2, DIMENSION)))


def test_texts_are_embedded_in_their_order(model: VLJepa) -> None:
    rows = tasks.embed_texts(model, ["red", "blue"])
    np.testing.assert_array_equal(rows[1], model.embed_text("blue"))
    with pytest.raises(ValueError, match="at least one text"):
        tasks.embed_texts(model, [])
