# SPDX-License-Identifier: Apache-2.0
"""``vljepa evaluate`` from the command line, on generated videos."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.colour_bundle import phrase
from support.recordings import write_video
from vljepa_ros.commands.main import main

ROOT = Path(__file__).resolve().parents[2]
SHOWN = ("red", "green", "blue", "black")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for colour in SHOWN:
        write_video(folder / f"{colour}.mp4", [colour] * 8)
    return folder


@pytest.fixture
def evaluate(colour_bundle: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Return a function that evaluates lines of annotations: status, figures, all that it said."""

    def evaluate(task: str, lines: list[object], *options: str):
        file, figures = tmp_path / "annotations.jsonl", tmp_path / "figures.json"
        file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        command = ["evaluate", task, "--bundle", str(colour_bundle), "--clips", str(clips)]
        status = main([*command, "--annotations", str(file), "--json", str(figures), *options])
        said = capsys.readouterr()
        found = json.loads(figures.read_text("utf-8")) if figures.exists() else {}
        return status, found, said.out + said.err

    return evaluate


def test_classify(evaluate) -> None:
    lines = [{"clip": f"{colour}.mp4", "label": colour} for colour in SHOWN]
    status, found, said = evaluate("classify", lines, "--template", "the scene is {}")
    assert status == 0
    assert (found["task"], found["bundle"]) == ("classify", "colour")
    assert found["query"] == "What colour is the scene?"
    assert found["figures"]["top1"] == 100.0
    assert "asked 'What colour is the scene?'" in said
    assert ["top1", "100.0"] in [line.split() for line in said.splitlines()]


def test_the_query_decides_what_is_measured(evaluate) -> None:
    shown = {"green": "bright", "black": "dark", "blue": "green"}
    lines = [{"clip": f"{colour}.mp4", "label": label} for colour, label in shown.items()]
    for query in ("brightness", "mine: how bright ?"):
        status, found, _ = evaluate("classify", lines, "--query", query)
        assert (status, round(found["figures"]["top1"])) == (0, 67)
    _, found, _ = evaluate("classify", lines)
    assert found["figures"]["top1"] < 50  # a green clip is "green" when its colour is asked for


def test_retrieve(evaluate) -> None:
    lines = [{"clip": f"{colour}.mp4", "captions": [phrase(colour), colour]} for colour in SHOWN]
    status, found, _ = evaluate("retrieve", lines)
    assert (status, found["figures"]["r@1"], found["figures"]["captions"]) == (0, 100.0, 8)


def test_vqa(evaluate) -> None:
    question = {"question": "How bright is the scene?", "answers": ["dark", "bright"]}
    lines = [
        {"clip": "green.mp4", **question, "answer": "bright"},
        {"clip": "black.mp4", **question, "answer": "dark"},
    ]
    status, found, _ = evaluate("vqa", lines)
    assert (status, found["figures"]["accuracy"], found["figures"]["chance"]) == (0, 100.0, 50.0)


def test_caption_with_the_bundles_bank_and_with_a_file(evaluate, tmp_path: Path) -> None:
    lines = [{"clip": f"{colour}.mp4", "caption": f"it is {colour}"} for colour in SHOWN]
    status, own, _ = evaluate("caption", lines)
    bank = tmp_path / "bank.txt"
    bank.write_text("\n".join(f"it is {colour}\n" for colour in SHOWN), encoding="utf-8")
    _, given, _ = evaluate("caption", lines, "--bank", str(bank))
    assert status == 0
    # No sentence has four words, so n-grams of that size agree in nothing.
    assert given["figures"]["cider"] == pytest.approx(750.0)
    assert 0 < own["figures"]["cider"] < 750.0


@pytest.mark.parametrize(
    ("task", "lines", "options", "cause"),
    [
        ("classify", [{"clip": "red.mp4"}], [], "annotations.jsonl, line 1: label is missing"),
        ("classify", [{"clip": "red.mp4", "label": "a"}] * 2, [], "nothing to tell apart"),
        ("retrieve", [{"clip": "gone.mp4", "caption": "a"}], [], "gone.mp4 does not exist"),
        ("retrieve", [{"clip": "red.mp4", "caption": "a"}], ["--query", "*"], "takes one query"),
        ("retrieve", [{"clip": "red.mp4", "caption": "a"}], ["--query", "smell"], "no query"),
        ("caption", [{"clip": "red.mp4", "caption": "a"}], ["--bank", "/dev/null"], "no sentence"),
        ("vqa", [], [], "holds no annotation"),
    ],
)
def test_what_cannot_be_measured_is_an_error_in_one_line(
    evaluate, task: str, lines: list[object], options: list[str], cause: str
) -> None:
    status, found, said = evaluate(task, lines, *options)
    assert (status, found) == (1, {})
    assert said.startswith("vljepa evaluate: ") and cause in said
    assert said.count("\n") == 1


def test_a_bundle_that_is_none_is_an_error(
    tmp_path: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "annotations.jsonl"
    file.write_text('{"clip": "red.mp4", "label": "red"}')
    command = ["evaluate", "classify", "--bundle", str(tmp_path), "--clips", str(clips)]
    assert main([*command, "--annotations", str(file)]) == 1
    assert "manifest.json" in capsys.readouterr().err


def test_it_needs_neither_torch_nor_ros() -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['rclpy'] = None\n"
        "from vljepa_ros.commands.main import main\n"
        "main(['evaluate', 'vqa', '--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--annotations" in done.stdout
