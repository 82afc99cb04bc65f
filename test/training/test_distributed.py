# SPDX-License-Identifier: Apache-2.0
"""Two processes over gloo have the gradient of one process on the joined batch."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="training is tested where torch is installed")
pytest.importorskip("transformers", reason="training needs transformers (make train-venv)")
pytest.importorskip("tensorboard", reason="training needs tensorboard (make train-venv)")

from support.tiny_training import STAGE, TINY, Case, MadeUpBatches, gradients, one_of_two  # noqa: E402

GEMMA = replace(TINY.y_encoder, tower="gemma3_text", kv_heads=1)
WITH_IMAGE_TOKENS = replace(TINY.x_encoder, image_tokens=True)
CASES = {
    "shared": Case(STAGE, shared=True),
    "joined": Case(STAGE),
    "gemma": Case(STAGE, config=replace(TINY, y_encoder=GEMMA)),
    "sigreg": Case(replace(STAGE, loss="sigreg", sigreg_predicted=0.1, sigreg_text=0.1)),
    "x-encoder": Case(
        replace(STAGE, train_x_encoder=True), config=replace(TINY, x_encoder=WITH_IMAGE_TOKENS)
    ),
}


@pytest.fixture(scope="module")
def of_two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    torch.multiprocessing.spawn(one_of_two, (folder, CASES), nprocs=2)
    return torch.load(folder / "gradients.pt", weights_only=True)


@pytest.mark.parametrize("name", CASES)
def test_two_processes_have_the_gradient_of_one(name, of_two, tmp_path):
    expected = gradients(tmp_path, CASES[name])
    moving = {weight for weight, gradient in expected.items() if gradient.abs().max() > 0}
    assert {"predictor.visual_in.weight", "y_encoder.head.weight"} < moving
    whole = torch.stack([gradient.norm() for gradient in expected.values()]).norm()
    for weight in moving:  # some, such as the biases of keys, have no gradient but rounding
        error = (of_two[name][weight] - expected[weight]).norm() / whole
        assert error < 1e-6, f"{weight}: {error:.1e} of the whole gradient"


def test_the_processes_have_different_numbers_of_texts_and_some_in_common():
    one, two = (MadeUpBatches().batch(0, part, 2).keys.tolist() for part in range(2))
    assert len(one) != len(two)
    assert set(one) & set(two)
