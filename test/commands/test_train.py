# SPDX-License-Identifier: Apache-2.0
"""``vljepa train`` from a model directory and a folder of clips to a model directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training is tested where torch is installed")
for package in ("transformers", "tensorboard", "safetensors"):
    pytest.importorskip(package, reason=f"training needs {package} (make train-venv)")

from support.tiny_training import tiny_model  # noqa: E402
from support.training_clips import write_clips, write_tokenizer  # noqa: E402
from vljepa_ros.commands.main import main  # noqa: E402
from vljepa_ros.model.directory import load_model, save_model  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
STAGES = [
    {
        "name": "images",
        "steps": 3,
        "batch": 4,
        "learning_rate": 1e-3,
        "frames": 1,
        "queries": False,
        "precision": "fp32",
    },
    {
        "name": "queries",
        "steps": 4,
        "batch": 4,
        "learning_rate": 1e-3,
        "frames": 2,
        "schedule": "cosine",
        "precision": "fp32",
        "average_decay": 0.5,
    },
]


@pytest.fixture
def folder(tmp_path):
    write_clips(tmp_path / "clips")
    write_tokenizer(tmp_path / "tokenizer.json")
    tokenizer = tmp_path / "tokenizer.json"
    save_model(
        tmp_path / "model",
        tiny_model(),
        licences={"all": "random"},
        text_tokenizer=tokenizer,
        query_tokenizer=tokenizer,
    )
    (tmp_path / "stages.json").write_text(json.dumps(STAGES))
    return tmp_path


def arguments(folder, out="run", *more):
    return [
        *("train", "--model", str(folder / "model"), "--stages", str(folder / "stages.json")),
        *("--data", f"clips={folder / 'clips'}", "--out", str(folder / out), *more),
    ]


def test_what_training_must_not_replace_is_refused_at_once(folder, capsys):
    assert main(arguments(folder, ".")) == 1
    assert "is the model to start from" in capsys.readouterr().err
    (folder / "run" / "model").mkdir(parents=True)
    (folder / "run" / "model" / "thesis.tex").touch()
    assert main(arguments(folder)) == 1
    assert "is no model directory, it holds thesis.tex" in capsys.readouterr().err
    assert [path.name for path in (folder / "run").iterdir()] == ["model"]


def weights(folder, out):
    return load_model(folder / out / "model").state_dict()


def test_stages_run_one_after_the_other_and_leave_a_model(folder, capsys):
    assert main(arguments(folder)) == 0
    assert "wrote" in capsys.readouterr().out
    before, after = load_model(folder / "model").state_dict(), weights(folder, "run")
    assert not torch.equal(before["predictor.out.weight"], after["predictor.out.weight"])
    assert torch.equal(before["x_encoder.norm.weight"], after["x_encoder.norm.weight"])
    saved = [folder / f"run/{name}/checkpoint.pt" for name in ("1-images", "2-queries")]
    assert all(path.exists() for path in saved)


def test_a_stopped_run_continues_to_the_same_model(folder):
    assert main(arguments(folder, "whole")) == 0
    assert main(arguments(folder, "again", "--save-every", "2")) == 0
    second = folder / "again/2-queries"
    (second / "checkpoint.pt").unlink()  # as if it had been killed in its second stage
    assert main(arguments(folder, "again")) == 0
    for name, value in weights(folder, "whole").items():
        assert torch.equal(weights(folder, "again")[name], value), name


@pytest.mark.slow
def test_cached_features_train_the_same_model_nearly(folder):
    assert main(arguments(folder, "plain")) == 0
    assert main(arguments(folder, "cached", "--cache", str(folder / "cache"))) == 0
    assert len(list((folder / "cache").rglob("*.npy"))) == 12  # 6 clips, of 1 and of 2 frames
    for name, value in weights(folder, "plain").items():
        torch.testing.assert_close(weights(folder, "cached")[name], value, rtol=0, atol=0.02)


@pytest.mark.slow
def test_two_processes_train_the_model_of_one(folder):
    assert main(arguments(folder, "one")) == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "vljepa_ros", *arguments(folder, "two")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, value in weights(folder, "one").items():
        torch.testing.assert_close(weights(folder, "two")[name], value, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("clips", "NAME=FOLDER is expected"),
        ("clips=/nowhere", "/nowhere holds neither annotations.jsonl nor shards"),
    ],
)
def test_data_that_is_not_there_is_named(folder, data, message, capsys):
    words = arguments(folder)
    words[words.index("--data") + 1] = data
    assert main(words) == 1
    assert message in capsys.readouterr().err


def test_a_batch_that_cannot_be_shared_is_refused(folder, capsys):
    (folder / "stages.json").write_text(json.dumps([{**STAGES[0], "sources": {"films": 1}}]))
    assert main(arguments(folder)) == 1
    assert "add --data films=FOLDER" in capsys.readouterr().err
