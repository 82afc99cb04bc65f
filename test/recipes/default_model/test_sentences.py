# SPDX-License-Identifier: Apache-2.0
"""The candidates and the queries of a training step, with a small text tower of random weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training is tested where torch is installed")
pytest.importorskip("transformers", reason="training needs transformers (make train-venv)")

from vljepa_ros.model.presets import DEFAULT  # noqa: E402
from vljepa_ros.model.y_encoder import YEncoder  # noqa: E402
from vljepa_ros.recipes.default_model import sentences as sentences_module  # noqa: E402
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES  # noqa: E402
from vljepa_ros.recipes.default_model.label_set import LabelSet  # noqa: E402
from vljepa_ros.recipes.default_model.sentences import NEGATIVES, Sentences  # noqa: E402
from vljepa_ros.recipes.default_model.simulation import language  # noqa: E402
from vljepa_ros.recipes.default_model.texts import FrozenText  # noqa: E402
from vljepa_ros.shipped import shipped  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

LABELS = LabelSet(
    {
        "action": ("approach:the cup", "rest:"),
        "object": ("table:the cup",),
        "held": ("holds:nothing",),
        "task": ("said:wipe the table",),
    }
)


@pytest.fixture(scope="module")
def text() -> FrozenText:
    torch.manual_seed(0)
    small = replace(
        DEFAULT.y_encoder, width=16, depth=1, heads=2, kv_heads=2, head_width=8, mlp=16
    )
    return FrozenText(YEncoder(small, 8), shipped("engines/default/tokenizer.json"), 24)


@pytest.fixture(scope="module")
def sentences(text) -> Sentences:
    return Sentences(LABELS, text)


def test_every_label_is_a_candidate_and_then_others_are(sentences):
    candidates = sentences.sample(np.random.default_rng(0))
    assert sentences.groups[:5].tolist() == [0, 0, 1, 2, 3]
    assert len(candidates) == len(sentences.groups)
    denied = sentences.groups[5:].bincount(minlength=len(QUERY_NAMES))
    assert 0 < denied[0] <= NEGATIVES and 0 < denied[1] <= NEGATIVES
    assert denied[2:].tolist() == [0, 0], "nothing differs in one word from these"


def test_a_candidate_lies_near_the_sentences_of_its_label(sentences, text):
    candidates = sentences.sample(np.random.default_rng(0))
    said = "wipe the table"
    own = torch.nn.functional.normalize(text.sentences([said])[said], dim=-1)
    distance = (candidates[:5] - own).norm(dim=-1)
    assert distance[4] < 0.3 and distance.argmin() == 4


def test_a_step_has_other_sentences_than_the_next(sentences):
    rng = np.random.default_rng(0)
    first, second = sentences.sample(rng), sentences.sample(rng)
    assert (first - second).norm(dim=-1).min() > 0


def test_the_first_wording_of_each_label_is_the_canonical_one(text, monkeypatch):
    monkeypatch.setattr(sentences_module, "WORDINGS", 1)
    monkeypatch.setattr(sentences_module, "TEXT_NOISE", 0.0)
    said = [language.canonical(label) for label in LABELS.all()]
    vectors = text.sentences(said)
    wanted = torch.nn.functional.normalize(torch.stack([vectors[s] for s in said]), dim=-1)
    candidates = Sentences(LABELS, text).sample(np.random.default_rng(0))
    assert torch.allclose(candidates[: len(said)], wanted)


def test_texts_of_several_lengths_have_the_states_that_each_has_alone(text):
    said = ["the robot waits", "it", "the robot pulls the drawer open", "the arm waits"]
    together = text.sentences(said)
    for each in said:
        assert torch.allclose(together[each], text.states(each).mean(0), atol=1e-6)


def test_a_query_is_asked_in_its_wordings_and_between_them(sentences, text):
    wordings = language.training_queries("task")
    chosen = np.zeros((2, len(QUERY_NAMES)), np.int64)
    chosen[1, 3] = len(wordings) + 1
    canonical, moved = (sentences.queries(chosen).values[row, 3] for row in range(2))
    mask = sentences.queries(chosen).mask[1, 3]
    second = text.query(wordings[1])
    assert torch.equal(canonical, text.query(wordings[0]).values)
    assert torch.equal(mask, second.mask) and not moved[~mask].any()
    shift = (moved - second.values)[mask]
    assert shift[0].norm() > 0 and torch.allclose(shift, shift[:1], atol=1e-5)
    drawn = sentences.choose_queries(np.random.default_rng(0), 5000)[:, 3]
    assert set(range(2 * len(wordings))) == set(drawn.tolist())
