# SPDX-License-Identifier: Apache-2.0
"""``vljepa verify`` and ``inspect`` of a bundle, which need no torch."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest

from support.colour_bundle import add_text_decoder, build_streaming_bundle, seal
from vljepa_ros.commands.main import main
from vljepa_ros.runtime.bundle import write_manifest
from vljepa_ros.runtime.unfamiliarity import KnownClips


@pytest.fixture
def bundle(colour_bundle, tmp_path):
    return shutil.copytree(colour_bundle, tmp_path / "bundle")


def test_a_sound_bundle_is_verified(bundle, capsys):
    assert main(["verify", str(bundle)]) == 0
    said = capsys.readouterr().out
    assert "files are what the manifest says" in said
    assert "ok: all graphs run, and make of the bundle's own clip what they did at" in said
    assert "ok: words that the tokenizer does not know are embedded" in said
    assert "phrases embed to the bank's rows" in said


def test_a_text_decoder_is_verified_and_shown(bundle, capsys):
    assert main(["inspect", str(bundle)]) == 0
    assert "decoders: phrases\n" in capsys.readouterr().out
    add_text_decoder(bundle)
    assert main(["verify", str(bundle)]) == 0
    said = capsys.readouterr().out
    assert "the text decoder runs; it says 0 of 8 phrases word for word" in said
    assert main(["inspect", str(bundle)]) == 0
    assert "decoders: phrases, sentences\n" in capsys.readouterr().out


def test_a_memory_is_verified_and_shown(tmp_path, capsys):
    bundle = build_streaming_bundle(tmp_path / "bundle")
    assert main(["verify", str(bundle)]) == 0
    assert "ok: all graphs run, and make of the bundle's own clip" in capsys.readouterr().out
    assert main(["inspect", str(bundle)]) == 0
    said = capsys.readouterr().out
    assert "memory: of a clip, 0.0 MB for each camera; each frame is seen once\n" in said


def test_what_a_bundle_knows_of_itself_is_verified_and_shown(bundle, capsys):
    assert main(["inspect", str(bundle)]) == 0
    said = capsys.readouterr().out
    assert "known clips: none, so nothing is known to be unfamiliar\n" in said
    assert "calibration: none, so scores are the decoder's shares\n" in said
    features = np.random.default_rng(0).normal(0, 1, (40, 10, 3))
    KnownClips.fit({f"{i}": part for i, part in enumerate(features)}).save(bundle / "known.npz")
    line = {"shares": [0.1, 0.9], "scores": [0.2, 0.8], "guess": 0.1}
    (bundle / "calibration.json").write_text(json.dumps({"phrases": {"colour": line}}))
    seal(bundle, known_clips="known.npz", calibration="calibration.json")
    assert main(["verify", str(bundle)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"ok: unfamiliarity of the bundle's own clip is \d.\d\d, of noise", said)
    assert "ok: scores of the decoder 'phrases' are calibrated for colour" in said
    assert main(["inspect", str(bundle)]) == 0
    said = capsys.readouterr().out
    assert "known clips: 3 features, a scale of 40 recordings\n" in said
    assert "calibration: phrases: colour\n" in said
    KnownClips.fit(
        {f"{i}": part for i, part in enumerate(features)}, features.reshape(-1, 3) + 1
    ).save(bundle / "known.npz")
    seal(bundle)
    assert main(["inspect", str(bundle)]) == 0
    assert "a scale of 40 recordings, and foreign ones\n" in capsys.readouterr().out


def test_a_text_decoder_that_does_not_run_is_found(bundle, capsys):
    add_text_decoder(bundle)
    (bundle / "words.json").write_text('{"words": [" it"]}')
    seal(bundle)
    assert main(["verify", str(bundle)]) == 1
    assert "y_decoder.onnx: does not speak" in capsys.readouterr().err


def test_a_changed_file_is_found(bundle, capsys):
    with next(bundle.glob("*.onnx")).open("ab") as file:
        file.write(b"x")
    assert main(["verify", str(bundle)]) == 1
    assert "but the manifest says" in capsys.readouterr().err


def test_a_bank_of_another_model_is_found(bundle, capsys):
    manifest = json.loads((bundle / "manifest.json").read_text())
    rows = np.load(bundle / manifest["phrases"]["embeddings"])
    rows[1:] = np.roll(rows[1:], 1, axis=0)  # the first one is compared whenever it is loaded
    np.save(bundle / manifest["phrases"]["embeddings"], rows)
    fields = {k: v for k, v in manifest.items() if k not in ("format", "files")}
    write_manifest(bundle, fields)
    assert main(["verify", str(bundle)]) == 1
    assert "away from what the Y-Encoder says now" in capsys.readouterr().err


def test_a_model_that_computes_nonsense_is_found(bundle, capsys):
    predictor = onnx.load(bundle / "predictor.onnx")
    for constant in predictor.graph.initializer:
        values = onnx.numpy_helper.to_array(constant)
        if values.dtype == np.float32 and values.ndim > 1:
            constant.CopyFrom(onnx.numpy_helper.from_array(1 - values, constant.name))
    (bundle / "predictor.onnx").write_bytes(predictor.SerializeToString())
    seal(bundle)
    assert main(["verify", str(bundle)]) == 1
    said = capsys.readouterr().err
    assert re.search(r"cosine 0\.\d+ with the reference, in fp32 0\.999 is the least", said)


def test_a_tokenizer_without_its_unknown_token_is_found(bundle, capsys):
    tokenizer = json.loads((bundle / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["[UNKNOWN]"] = tokenizer["model"]["vocab"].pop("[UNK]")
    (bundle / "tokenizer.json").write_text(json.dumps(tokenizer))
    seal(bundle)
    assert main(["verify", str(bundle)]) == 1
    assert "tokenizer.json: the tokenizer has no tokens for 'qzxvjk" in capsys.readouterr().err


def test_a_bundle_is_shown(bundle, capsys):
    assert main(["inspect", str(bundle)]) == 0
    said = capsys.readouterr().out
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert f"bundle, {manifest['name']}" in said
    assert all(name in said for name in (*manifest["files"], *manifest["queries"], "licences:"))


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_neither_needs_torch(bundle, command):
    code = (
        "import sys; sys.modules['torch'] = None; from vljepa_ros.commands.main import main; "
        f"sys.exit(main([{command!r}, {str(bundle)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
