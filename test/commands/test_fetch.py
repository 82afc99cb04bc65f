# SPDX-License-Identifier: Apache-2.0
"""``vljepa fetch`` of a public model, up to the import (then: nodes/test_fetched_model.py)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the model is made where torch is installed")
pytest.importorskip("transformers", reason="the layouts come from transformers")
pytest.importorskip("huggingface_hub", reason="downloads need huggingface_hub")

from support.loopback_hub import LoopbackHub  # noqa: E402
from support.public_hub import TINY_OPEN, stock, tiny_catalogue  # noqa: E402
from vljepa_ros.commands import public_model  # noqa: E402
from vljepa_ros.commands.main import main  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def catalogue(hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of what the hub has; open-vljepa has TINY_OPEN's size as long as a test runs."""
    monkeypatch.setattr("vljepa_ros.commands.import_.OPEN_VLJEPA", TINY_OPEN)
    stock(hub, tmp_path / "stock")
    return tiny_catalogue(hub, tmp_path)


def fetch(catalogue: Path, out: Path, *more, what: str = "open-vljepa") -> int:
    given = (what, "--catalogue", catalogue, "--out", out, "--accept-licences", *more)
    return main(["fetch", *map(str, given)])


def test_an_encoder_is_downloaded_and_its_import_is_shown(
    catalogue: Path, tmp_path: Path, capsys
) -> None:
    assert fetch(catalogue, tmp_path / "out", what="encoder") == 0
    place = tmp_path / "out/downloads/x_encoder"
    assert f"vljepa import --x-encoder {place} --predictor" in capsys.readouterr().out
    assert (place / "model.safetensors").is_file()


def test_a_tokenizer_with_other_numbers_is_refused(
    catalogue: Path, tmp_path: Path, capsys
) -> None:
    catalogue.write_text(catalogue.read_text().replace("w2: 2", "w2: 3"))
    assert fetch(catalogue, tmp_path / "out") == 1
    assert "is another tokenizer: w2 is 2 in it, not 3" in capsys.readouterr().err
    assert not (tmp_path / "out/model").exists()


def test_a_disk_that_is_too_small_is_told_before_the_download(
    catalogue: Path, hub: LoopbackHub, tmp_path: Path, capsys
) -> None:
    catalogue.write_text(catalogue.read_text().replace("disk_gb: 0.001", "disk_gb: 1000000"))
    assert fetch(catalogue, tmp_path / "out") == 1
    assert "1000000.0 GB are needed: make room" in capsys.readouterr().err
    assert not [path for method, path, _ in hub.asked if "/cdn/" in path]


def test_terms_come_before_everything_else(
    catalogue: Path, hub: LoopbackHub, tmp_path: Path, capsys
) -> None:
    given = ("fetch", "open-vljepa", "--catalogue", str(catalogue), "--out", str(tmp_path / "out"))
    assert main(given) == 1
    caught = capsys.readouterr()
    assert "Gemma: terms of Gemma" in caught.out and "computed, not measured" in caught.out
    assert "nobody is there to accept these terms" in caught.err
    assert hub.asked == [] and not (tmp_path / "out").exists()


def test_a_machine_that_is_too_small_is_told(catalogue: Path, tmp_path: Path, capsys) -> None:
    catalogue.write_text(catalogue.read_text().replace("memory_gb: 0.001", "memory_gb: 1000000"))
    main(["fetch", "open-vljepa", "--catalogue", str(catalogue), "--out", str(tmp_path / "out")])
    assert "import and export take about 1e+06 GB: make the bundle on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("there", "options", "said"),
    [
        ((), [], "has no TensorRT"),
        (("tensorrt",), [], "nvidia-modelopt is not"),
        (("tensorrt", "modelopt"), ["--precision", "fp16"], "fp16: TensorRT is here"),
    ],
)
def test_the_precision_that_suits_the_machine(monkeypatch, capsys, there, options, said) -> None:
    monkeypatch.setattr(public_model, "find_spec", lambda name: name if name in there else None)
    args = Namespace(precision="auto", modelopt_python=None)
    assert public_model._precision(args) == options
    assert said in capsys.readouterr().out


def test_ctrl_c_and_the_same_command_again(
    catalogue: Path, hub: LoopbackHub, tmp_path: Path
) -> None:
    """As a user does it: HF_ENDPOINT and a process of its own."""
    hub.slow.add("/cdn/")
    words = ("fetch", "encoder", "--catalogue", catalogue, "--out", tmp_path / "out")
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path / "hf_home"),
        "PYTHONPATH": str(ROOT),
    }
    line = [sys.executable, "-m", "vljepa_ros", *map(str, words), "--accept-licences"]
    process = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True)
    assert hub.sending.wait(60)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "What was downloaded stays" in said and "vljepa fetch: stopped" in said
    hub.slow.clear()
    again = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "model.safetensors" in again.stdout
