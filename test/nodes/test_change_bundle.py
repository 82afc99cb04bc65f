# SPDX-License-Identifier: Apache-2.0
"""Nodes that run change to another bundle, each through its own life, over real DDS."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support.colour_bundle import COLOURS, LEVELS, phrase, seal
from support.film import Film
from support.ros import Bench
from vljepa_msgs.msg import Embedding, ModelInfo, StateDescription
from vljepa_ros.nodes.common.qos import latched
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder


def turned(text: str) -> str:
    """The same words in another order have the same embedding in the colour bundle."""
    return " ".join(reversed(text.split()))


@pytest.fixture
def other(bundle: str, tmp_path: Path) -> str:
    """A bundle with a space id and phrases of its own."""
    root = Path(shutil.copytree(bundle, tmp_path / "other"))
    texts = {"colour": COLOURS, "brightness": LEVELS}
    phrases = {query: [turned(phrase(w)) for w in words] for query, words in texts.items()}
    (root / "phrases.json").write_text(json.dumps(phrases), encoding="utf-8")
    seal(root, space_id="other-2", name="other")
    return str(root)


def change(ros: Bench, node: str, bundle: str) -> None:
    for label in ("deactivate", "cleanup"):
        assert ros.transition(node, label)
    assert ros.set_parameters(node, bundle=bundle).successful
    for label in ("configure", "activate"):
        assert ros.transition(node, label)


def test_both_nodes_change_to_another_bundle_while_they_run(
    ros: Bench, bundle: str, other: str
) -> None:
    states = ros.inbox(StateDescription, "describer/state", latched(10))
    infos = ros.inbox(ModelInfo, "embedder/model_info", latched(1))
    embeddings = ros.inbox(Embedding, "embedder/embedding")
    reports = ros.diagnostics("describer")
    ros.add(Embedder, bundle=bundle, queries=["colour"])
    ros.add(Describer, bundle=bundle, min_gap_s=0.0)
    camera = ros.camera()
    film = Film(camera.wait_matched(), embeddings)
    film.roll("red")
    assert states.wait(1)[0].text == phrase("red")
    early = ros.set_parameters("embedder", bundle=other)
    assert not early.successful and "deactivate and clean it up first" in early.reason

    change(ros, "embedder", other)
    infos.wait_for(lambda info: info.space_id == "other-2", "the new space id")
    film.roll("red")
    report = reports.wait_for(lambda one: "another space" in one.message, "what is wrong")
    assert "start both with the same `bundle`, or set it on both" in report.message
    film.show("red", 3)
    assert not any(state.text == turned(phrase("red")) for state in states)

    change(ros, "describer", other)
    film.show("red", 2)
    film.show("blue", 10)
    for colour in ("red", "blue"):
        text = turned(phrase(colour))
        state = states.wait_for(lambda one, text=text: one.text == text, f"the text {text!r}")
        assert state.query == "colour"


def test_a_bundle_that_is_none_leaves_a_node_that_can_take_another(
    ros: Bench, bundle: str, tmp_path: Path
) -> None:
    embedder = ros.add(Embedder, bundle=bundle)
    ros.wait(lambda: embedder.phase.value == "active", "it is active")
    for label in ("deactivate", "cleanup"):
        assert ros.transition("embedder", label)
    assert ros.set_parameters("embedder", bundle=str(tmp_path)).successful
    assert not ros.transition("embedder", "configure")
    assert str(tmp_path) in embedder.failure
    assert ros.set_parameters("embedder", bundle=bundle).successful
    for label in ("configure", "activate"):
        assert ros.transition("embedder", label)
