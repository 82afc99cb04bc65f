# SPDX-License-Identifier: Apache-2.0
"""``vljepa train`` on a model that stands on a frozen image trunk, like the shipped one."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training is tested where torch is installed")
for package in ("transformers", "tensorboard", "onnxscript", "efficientnet_lite_pytorch"):
    pytest.importorskip(package, reason=f"training needs {package} (make train-venv)")

from support.tiny_model import TINY_DEFAULT  # noqa: E402
from support.training_clips import (  # noqa: E402
    COLOURS,
    WORDS,
    write_annotations,
    write_tokenizer,
    write_video,
)
from vljepa_ros.commands.main import main  # noqa: E402
from vljepa_ros.commands.train import STOPPED  # noqa: E402
from vljepa_ros.model.directory import load_model, save_model  # noqa: E402
from vljepa_ros.model.frame_encoder import FrameEncoder  # noqa: E402
from vljepa_ros.model.vljepa import Tokens, VLJepaModel  # noqa: E402
from vljepa_ros.runtime.model import VLJepa  # noqa: E402
from vljepa_ros.training.tokenize import Tokenize  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = replace(
    TINY_DEFAULT,
    predictor=replace(TINY_DEFAULT.predictor, depth=1),
    y_encoder=replace(TINY_DEFAULT.y_encoder, depth=1, vocabulary=len(WORDS)),
)
QUERY = "which colour is it"
ANSWERS = [f"it is {colour}" for colour in COLOURS]
STAGE = {
    "name": "colours",
    "steps": 40,
    "batch": 6,
    "learning_rate": 3e-3,
    "frames": CONFIG.clip_frames,
    "precision": "fp32",
    "average_decay": 0.5,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights behind its trunk, and clips of colours."""
    folder = tmp_path_factory.mktemp("trunk")
    (folder / "clips").mkdir()
    for colour in COLOURS:
        write_video(folder / "clips" / f"{colour}.mp4", [colour])
    lines = [
        {"clip": f"{colour}.mp4", "query": QUERY, "answer": answer}
        for colour, answer in zip(COLOURS, ANSWERS, strict=True)
    ]
    write_annotations(folder / "clips", lines)
    torch.manual_seed(0)
    write_tokenizer(folder / "tokenizer.json")
    save_model(
        folder / "model",
        VLJepaModel(CONFIG),
        licences={"all": "random"},
        text_tokenizer=folder / "tokenizer.json",
        queries={"colour": QUERY},
        phrases={"colour": ANSWERS},
    )
    (folder / "stages.json").write_text(json.dumps([STAGE]))
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    assert main(arguments(folder, "run")) == 0
    return folder / "run"


def arguments(folder: Path, out: str, *more: str) -> list[str]:
    return [
        *("train", "--model", str(folder / "model"), "--stages", str(folder / "stages.json")),
        *("--data", f"clips={folder / 'clips'}", "--out", str(folder / out), *more),
    ]


def still(colour: str) -> list[np.ndarray]:
    """Return a clip of a still picture."""
    side = CONFIG.frame_pixels
    return [np.full((side, side, 3), COLOURS[colour], np.uint8)] * CONFIG.clip_frames


def torch_answers(folder: Path) -> list[str]:
    """Return the answers of a model directory to the query about each colour."""
    model, tokenize = load_model(folder), Tokenize(folder / "text_tokenizer.json", 6)
    clips = torch.from_numpy(np.stack([np.stack(still(colour)) for colour in COLOURS]))
    query = tokenize([QUERY] * len(clips))
    with torch.no_grad():
        features = FrameEncoder()(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])
        asked = Tokens(*(values[:, None] for values in query))
        scores = model.embed(features, asked)[:, 0] @ model.embed_text(tokenize(ANSWERS)).T
    return [ANSWERS[best] for best in scores.argmax(-1)]


def test_x_encoder_and_predictor_learn_on_cached_feature_maps(folder, trained):
    before, after = (load_model(at / "model").state_dict() for at in (folder, trained))
    for name in ("x_encoder.embedding.weight", "predictor.out.weight"):
        assert not torch.equal(before[name], after[name])
    tower = [name for name in before if name.startswith("y_encoder.tower.")]
    assert tower and all(torch.equal(before[name], after[name]) for name in tower)
    cached = [np.load(file) for file in (trained / "features").rglob("*.npy")]
    assert len(cached) == len(COLOURS)  # clips
    assert {features.shape for features in cached} == {(CONFIG.clip_frames, 112, 4, 4)}


@pytest.mark.slow
def test_the_bundle_answers_what_was_trained(folder, trained):
    assert torch_answers(folder / "model") != ANSWERS
    assert main(["export", "--model", str(trained / "model"), "--out", str(trained / "b")]) == 0
    robot = VLJepa.load(trained / "b")
    for colour, answer in zip(COLOURS, ANSWERS, strict=True):
        features = [robot.encode_frame(frame) for frame in still(colour)]
        assert robot.describe("colour", robot.embed(features, [QUERY])[0]).text == answer


def test_a_run_that_was_stopped_continues_to_the_same_model(folder, trained):
    again = arguments(folder, "again", "--save-every", "2", "--cache", str(trained / "features"))
    stop_after(folder / "again" / "1-colours" / "checkpoint.pt")
    assert main(again) == STOPPED
    assert not (folder / "again" / "model").exists()
    assert main(again) == 0
    whole, continued = (load_model(folder / out / "model") for out in ("run", "again"))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, continued.state_dict()[name]), name


def stop_after(file: Path) -> None:
    """Send this process SIGTERM, which training takes for a request to stop, when a file comes."""

    def wait() -> None:
        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


@pytest.mark.parametrize("frames", [2, 6])
def test_clips_that_are_no_whole_tubelets_are_refused_before_anything(
    folder, tmp_path, capsys, frames
):
    stages = tmp_path / "stages.json"
    stages.write_text(json.dumps([STAGE, {**STAGE, "name": "short", "frames": frames}]))
    words = arguments(folder, "none")
    words[words.index("--stages") + 1] = str(stages)
    assert main(words) == 1
    complaint = f"stage 'short': frames {frames} must be 1 or a multiple of the model's tubelet, 4"
    assert complaint in capsys.readouterr().err
    assert not (folder / "none").exists()
