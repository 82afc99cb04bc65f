# SPDX-License-Identifier: Apache-2.0
"""``vljepa train-decoder``: from a list of sentences to a bundle that speaks them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("onnxscript", reason="the export needs onnxscript")
pytest.importorskip("transformers", reason="the text towers are those of transformers")

from support.tiny_model import PHRASES, tiny_directory
from vljepa_ros.commands.main import main
from vljepa_ros.runtime.choose_decoder import choose_decoder
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.training import y_decoder_trainer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_directory(tmp_path_factory.mktemp("model"))


@pytest.mark.slow
def test_a_list_of_sentences_becomes_a_bundle_that_speaks(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sentences = [text for group in PHRASES.values() for text in group]
    (tmp_path / "texts.txt").write_text("\n\n".join([*sentences, sentences[0]]) + "\n")
    monkeypatch.setattr(
        y_decoder_trainer, "NOISE", 0.05
    )  # random towers put all texts close together
    words = ["train-decoder", "--model", str(model), "--texts", str(tmp_path / "texts.txt")]
    assert main([*words, "--steps", "150"]) == 0
    assert "6 of 6 sentences are said word for word" in capsys.readouterr().out

    out = str(tmp_path / "bundle")
    assert main(["export", "--model", str(model), "--out", out]) == 0
    assert "y_decoder: differs from torch by" in capsys.readouterr().out
    loaded = VLJepa.load(out)
    decoder = choose_decoder("sentences", loaded.bundle, loaded.phrases)
    for text in sentences:
        spoken = decoder.best("thing", loaded.embed_text(text))
        assert spoken.text == text and 0.5 < spoken.share <= 1

    assert main(["verify", out]) == 0
    assert "says 6 of 6 phrases word for word" in capsys.readouterr().out
    assert main(["inspect", out]) == 0
    said = capsys.readouterr().out
    assert "decoders: phrases, sentences" in said and "y_decoder.onnx" in said
    assert main(["inspect", str(model)]) == 0
    assert "y_decoder.words: " in capsys.readouterr().out


def test_a_file_without_a_sentence_is_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.txt").write_text(" \n\n")
    words = ["train-decoder", "--model", str(model), "--texts", str(tmp_path / "texts.txt")]
    assert main(words) == 1
    assert "holds no sentence: one per line is expected" in capsys.readouterr().err
