# SPDX-License-Identifier: Apache-2.0
"""A public model from the hub to the running embedder, with tiny weights in the true layouts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the model is made where torch is installed")
pytest.importorskip("transformers", reason="the layouts come from transformers")
pytest.importorskip("onnxscript", reason="the export needs onnxscript")
pytest.importorskip("huggingface_hub", reason="downloads need huggingface_hub")

from support.film import Film
from support.loopback_hub import LoopbackHub
from support.public_hub import QUERIES, TINY_OPEN, stock, tiny_catalogue
from support.ros import Bench
from vljepa_msgs.msg import Embedding
from vljepa_ros.commands.main import main
from vljepa_ros.nodes.common.conversions import to_vector
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.runtime.bundle import Bundle

FRAMES = 100  # of 0.1 s each, by their stamps


@pytest.mark.slow
def test_one_command_then_a_camera_then_other_phrases(
    hub: LoopbackHub,
    ros: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("vljepa_ros.commands.import_.OPEN_VLJEPA", TINY_OPEN)
    stock(hub, tmp_path / "stock")
    out, catalogue = tmp_path / "out", tiny_catalogue(hub, tmp_path)
    line = ["fetch", "open-vljepa", "--catalogue", str(catalogue), "--out", str(out)]
    line.append("--accept-licences")

    assert main(line) == 0
    said = capsys.readouterr().out
    steps = ("$ vljepa import", "$ vljepa verify", "$ vljepa export", "ok: all graphs run")
    assert [step for step in steps if step not in said] == []
    assert "precision fp32" in said and "compared with the hub" in said
    assert f"vljepa.launch.py bundle:={out / 'bundle'} image_topic:=" in said

    bundle = Bundle.load(out / "bundle")
    assert bundle.queries == {name: each["text"] for name, each in QUERIES.items()}
    assert "with --accept-licences" in bundle.licences["accepted"]
    commit = hub.commit("cun-bjy/open-vljepa")
    source = bundle.licences["source: checkpoint/best.pt"]
    assert source.startswith(f"cun-bjy/open-vljepa at {commit}, sha256 ")

    embeddings = ros.inbox(Embedding, "embedder/embedding")
    ros.add(Embedder, bundle=str(bundle.root), queries=["happening"], max_gap_s=60.0)
    film = Film(ros.camera().wait_matched(), embeddings)
    for _ in range(FRAMES):  # the model wants a clip of 3 s, and two clips per second
        film.shoot("red")
        if embeddings.has(1, deadline_s=0.05):
            break
    embeddings.wait(1)
    assert np.linalg.norm(to_vector(embeddings[0].data)) == pytest.approx(1, abs=1e-3)
    assert (embeddings[0].query, embeddings[0].space_id) == ("happening", bundle.space_id)

    questions = out / "queries.yaml"
    questions.write_text(questions.read_text().replace("w3 w4", "w5 w6"))
    hub.asked.clear()
    assert main(line) == 0
    said = capsys.readouterr().out
    assert "was made of these files before" in said and "$ vljepa import" not in said
    assert not [path for _, path, _ in hub.asked if "/cdn/" in path]
    phrases = json.loads((out / "bundle/phrases.json").read_text())
    assert phrases == {"happening": ["w1 w2", "w5 w6"], "person": ["w7"]}
