# SPDX-License-Identifier: Apache-2.0
"""``vljepa export`` turns a model directory into a bundle that loads and answers."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("onnxscript", reason="the export needs onnxscript")
pytest.importorskip("transformers", reason="the text towers are those of transformers")

from support.tiny_model import tiny_directory
from support.training_clips import write_annotations, write_video
from vljepa_ros.commands import export
from vljepa_ros.commands.main import main
from vljepa_ros.model.directory import open_directory
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.calibration import Calibration
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.reference import Reference
from vljepa_ros.runtime.unfamiliarity import KnownClips

STAND_IN = Path(__file__).resolve().parents[1] / "support" / "modelopt_stand_in"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_directory(tmp_path_factory.mktemp("model"))


def test_a_model_directory_becomes_a_bundle_of_the_clip_that_was_asked_for(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queries, phrases = tmp_path / "queries.json", tmp_path / "phrases.json"
    queries.write_text(json.dumps({"colour": "is it red ?"}))
    phrases.write_text(json.dumps({"colour": ["it is red", "it is green"]}))
    words = ["export", "--model", str(directory), "--out", str(tmp_path / "bundle")]
    words += ["--frames", "2", "--clip-rate", "4", "--query-tokens", "9", "--query-table"]
    words += ["--without-text-encoder"]
    words += ["--queries-file", str(queries), "--phrases-file", str(phrases)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "predictor: differs from torch by" in printed
    assert "no statistics of known clips: unfamiliarity will be unknown (NaN). Export" in printed
    assert "no calibration: scores will be the decoder's shares" in printed
    model = VLJepa.load(tmp_path / "bundle")
    bundle = model.bundle
    assert (bundle.clip.frames, bundle.clip.rate_hz, bundle.max_query_tokens) == (2, 4.0, 9)
    assert bundle.queries == {"colour": "is it red ?"}
    assert set(bundle.graphs) == {"x_encoder", "predictor"}
    assert not (bundle.has_statistics or bundle.has_calibration)
    frames = [np.full((48, 64, 3), 90, np.uint8)] * 2
    embedding = model.embed([model.encode_frame(f) for f in frames], ["what is it ?"])[0]
    assert model.describe("colour", embedding).text in ("it is red", "it is green")


def test_clips_that_the_model_knows_become_its_statistics(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = tmp_path / "known"
    known.mkdir()
    lines: list[dict[str, object]] = []
    for number in range(6):
        write_video(known / f"{number}.mp4", ["red", "green", "blue"], frames=30)
        part = {"clip": f"{number}.mp4", "query": "state"}
        lines.append({**part, "end": 4.0, "answer": "it is open"})
        lines.append({**part, "start": 4.0, "answer": "it is closed"})
    write_annotations(known, lines)
    out = tmp_path / "bundle"
    words = ["export", "--model", str(directory), "--out", str(out)]
    words += ["--without-text-encoder", "--known", str(known), "--unseen", str(known)]
    words += ["--foreign", str(known)]
    assert main(words) == 0
    assert "statistics" not in capsys.readouterr().out
    bundle = VLJepa.load(out).bundle
    assert KnownClips.from_bundle(bundle).foreign.size > 0
    assert list(Calibration.from_bundle(bundle).lines) == ["state"]


@pytest.mark.parametrize(
    ("lines", "cause"),
    [([], "need --known"), pytest.param(["one"], "too few", marks=pytest.mark.slow)],
)
def test_statistics_that_cannot_be_made_leave_no_bundle(
    directory: Path, tmp_path: Path, capsys, lines: list[str], cause: str
) -> None:
    write_video(tmp_path / "one.mp4", ["red"], frames=30)
    write_annotations(tmp_path, [{"clip": "one.mp4", "answer": "it is open"}])
    known = ["--known", str(tmp_path)] if lines else ["--unseen", str(tmp_path)]
    out = tmp_path / "bundle"
    assert main(["export", "--model", str(directory), "--out", str(out), *known]) == 1
    assert cause in capsys.readouterr().err
    assert not out.exists()


def test_the_graphs_are_compared_on_clips_of_every_recording(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first clip becomes the bundle's reference."""
    seen = [str(tmp_path / name) for name in ("short.mp4", "red.mp4", "third.mp4")]
    write_video(Path(seen[0]), ["blue"], frames=2)
    write_video(Path(seen[1]), ["red"], frames=30)
    write_video(Path(seen[2]), ["green"], frames=30)
    out = tmp_path / "bundle"
    words = ["export", "--model", str(directory), "--out", str(out)]
    words += ["--without-text-encoder", "--clip-rate", "4", "--video"]
    assert main([*words, *seen]) == 0
    assert "left out: video" in capsys.readouterr().err
    red, green, blue = Reference.from_bundle(Bundle.load(out)).clip[0].mean((0, 1))
    assert red > 150 > green + blue
    Path(seen[2]).write_bytes(b"no video")
    assert main([*words, *seen]) == 1


@pytest.mark.slow
def test_a_precision_is_lowered_checked_and_shown(
    directory: Path, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(STAND_IN))
    out = str(tmp_path / "bundle")
    words = ["--precision", "fp16", "--modelopt-python", sys.executable, "--clip-rate", "4"]
    words += ["--without-text-encoder"]
    assert main(["export", "--model", str(directory), "--out", out, *words]) == 0
    assert "fp16 by nvidia-modelopt 0.0: cosine with fp32 at least 0.9" in capsys.readouterr().out
    assert main(["inspect", out]) == 0
    assert "precision: fp16 by nvidia-modelopt 0.0, cosine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (["--video", "nothing.mp4"], "nothing.mp4 does not exist"),
        (["--clip-rate", "0.01"], "is shorter than one clip of 300.0 s"),
        (["--frames", "3"], "clip_frames 3 is no multiple of 2"),
        pytest.param(["--int8-weights"], "no weight was rounded to int8", marks=pytest.mark.slow),
        (["--int8-weights", "--without-text-encoder"], "which is left out"),
    ],
)
def test_a_refusal_says_why_and_leaves_nothing(
    directory: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: list[str],
    cause: str,
) -> None:
    out = tmp_path / "bundle"
    assert main(["export", "--model", str(directory), "--out", str(out), *change]) == 1
    assert cause in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_of_something_else_is_refused_at_once(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    words = ["export", "--model", str(directory), "--out", str(tmp_path)]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path} is no bundle, it holds thesis.tex. Nothing was changed" in said
    assert main([*words[:-1], str(directory)]) == 1
    assert "is no bundle, it holds config.json" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_of_queries_as_the_nodes_read_it_brings_its_phrases(
    directory: Path, tmp_path: Path
) -> None:
    file = tmp_path / "queries.yaml"
    file.write_text("{state: {phrases: [it is red]}, grip: {text: is it, phrases: [shut, open]}}")
    model = open_directory(directory)
    contents = export._contents(model, Namespace(queries_file=file, phrases_file=None))
    assert contents.queries == {"state": model.queries["state"], "grip": "is it"}
    assert contents.phrases == {"state": ["it is red"], "grip": ["shut", "open"]}


def test_a_directory_without_queries_asks_for_them(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for file in directory.iterdir():
        if file.name != "queries.json":
            (model / file.name).symlink_to(file)
    assert main(["export", "--model", str(model), "--out", str(tmp_path / "bundle")]) == 1
    assert "--queries-file" in capsys.readouterr().err
