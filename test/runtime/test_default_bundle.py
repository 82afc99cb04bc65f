# SPDX-License-Identifier: Apache-2.0
"""The shipped model keeps the contract that the nodes rely on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vljepa_ros.runtime.calibration import Calibration
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.reference import Reference


@pytest.fixture(scope="module")
def model(default_bundle: Path) -> Iterator[VLJepa]:
    model = VLJepa.load(default_bundle)
    yield model
    model.close()


def test_it_is_small_enough_to_ship(default_bundle: Path) -> None:
    size = sum(file.stat().st_size for file in default_bundle.rglob("*") if file.is_file())
    assert size <= 40 * 1000 * 1000


def test_it_has_a_model_card(default_bundle: Path) -> None:
    assert (default_bundle / "README.md").is_file()


def test_every_query_has_phrases(model: VLJepa) -> None:
    assert set(model.bundle.queries) == {
        name for name, texts in model.phrases.texts.items() if texts
    }


def test_the_stored_phrases_are_what_the_text_encoder_makes_of_them(model: VLJepa) -> None:
    for query, texts in model.phrases.texts.items():
        for text in texts:
            phrase = model.describe(query, model.embed_text(text))
            assert phrase.cosine == pytest.approx(1.0, abs=0.01)
            assert phrase.text == text


def test_a_clip_gives_one_unit_embedding_per_query(model: VLJepa) -> None:
    random = np.random.default_rng(0)
    frames = [
        model.encode_frame(random.integers(0, 256, (240, 320, 3)).astype(np.uint8))
        for _ in range(model.bundle.clip.frames)
    ]
    embeddings = model.embed(frames, list(model.bundle.queries.values()))
    assert embeddings.shape == (len(model.bundle.queries), model.bundle.dimension)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-4)


def unfamiliarity(model: VLJepa, clip: NDArray[np.uint8]) -> float:
    """Return that of a clip (T, H, W, 3)."""
    questions = list(model.bundle.queries.values())
    seen = model.see_clips([model.encode_frames(list(clip))], questions)
    return model.unfamiliarity(seen.features[0])


def test_its_own_kind_of_clip_is_familiar_and_broken_cameras_are_not(model: VLJepa) -> None:
    own = Reference.from_bundle(model.bundle).clip
    assert unfamiliarity(model, own) < 0.99
    noise = np.random.default_rng(0).integers(0, 256, own.shape, np.uint8)
    blurred = np.stack([cv2.GaussianBlur(image, (0, 0), 15) for image in own])
    for broken in (np.zeros_like(own), noise, np.full_like(own, 255), blurred):
        assert unfamiliarity(model, broken) > 0.99


@pytest.mark.parametrize("decoder", ["phrases", "sentences"])
def test_scores_of_both_decoders_are_calibrated_for_all_queries(
    model: VLJepa, decoder: str
) -> None:
    calibration = Calibration.from_bundle(model.bundle, decoder)
    assert set(calibration.lines) == set(model.bundle.queries)
    for query in model.bundle.queries:
        scores = [calibration.score(query, share, 0.5) for share in (0.3, 0.6, 0.9, 1.0)]
        assert scores == sorted(scores) and 0 < scores[-1] <= 1
        assert calibration.score(query, 1.0, 1.0) < 0.2, "on real footage nothing is claimed"


def test_a_query_gets_the_same_embedding_alone_and_among_others(model: VLJepa) -> None:
    frame = model.encode_frame(np.full((160, 160, 3), 90, dtype=np.uint8))
    clip = [frame] * model.bundle.clip.frames
    texts = list(model.bundle.queries.values())
    together = model.embed(clip, texts)
    for text, row in zip(texts, together, strict=True):
        np.testing.assert_allclose(model.embed(clip, [text])[0], row, atol=1e-4)
