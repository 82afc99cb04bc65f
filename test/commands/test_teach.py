# SPDX-License-Identifier: Apache-2.0
"""``vljepa teach`` from the command line: what it refuses, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event

import pytest

from support.recordings import write_video
from vljepa_ros.commands.main import main
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.teaching.teaching_report import PAGE, REPORT

pytest.importorskip("torch")

from vljepa_ros.teaching import teaching_plan


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Return a folder of recordings that go from red to blue."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number in range(4):
        write_video(folder / f"{number}.mp4", ["red"] * 45 + ["blue"] * 45)
    return folder


def labels(folder: Path, lines: list[str]) -> Path:
    file = folder / "labels.csv"
    file.write_text("file,start,end,text\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return file


def teach(file: Path, recordings: Path, out: Path, bundle: Path, *more: str) -> int:
    command = ["teach", "--labels", str(file), "--recordings", str(recordings)]
    return main([*command, "--out", str(out), "--bundle", str(bundle), *more])


def test_every_unusable_row_is_listed_and_nothing_is_written(
    tmp_path: Path,
    recordings: Path,
    default_bundle: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = labels(
        tmp_path,
        ["0,0,4,waits", "0,3,5,moves", "1,0,99,waits", "2,0,1,", "nine,0,1,waits", "3,0,1,moves"],
    )
    assert teach(file, recordings, tmp_path / "mine", default_bundle) == 1
    said = capsys.readouterr().err
    for line, cause in (
        (3, "overlaps 'waits'"),
        (4, "before 99 s"),
        (5, "the text is empty"),
        (6, "'nine' is not in"),
    ):
        assert any(
            f"labels.csv, line {line}: " in one and cause in one for one in said.splitlines()
        )
    assert "4 labels cannot be used, and nothing was written" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "recordings"]


def test_a_place_that_is_taken_is_refused_before_anything_is_computed(
    tmp_path: Path,
    recordings: Path,
    default_bundle: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = labels(tmp_path, ["0,0,4,waits", "0,5,6,moves"])
    assert teach(file, recordings, recordings, default_bundle) == 1
    assert "recordings" in capsys.readouterr().err


def teach_short(tmp_path: Path, bundle: Path) -> int:
    """Teach two recordings of two images each."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name, colour in (("a", "red"), ("b", "blue")):
        write_video(folder / f"{name}.mp4", [colour] * 2)
    file = labels(tmp_path, ["a,,,it is red", "b,,,it is blue"])
    return teach(file, folder, tmp_path / "mine", bundle)


def test_recordings_shorter_than_a_clip_are_refused_before_anything_is_learned(
    tmp_path: Path, colour_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert teach_short(tmp_path, colour_bundle) == 1
    clip = Bundle.load(colour_bundle).clip
    seconds = (clip.frames - 1) / clip.rate_hz
    assert f"the longest recording lasts 0.1 s, and a clip of the model {seconds:.1f} s" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "mine").exists()


def test_recordings_may_be_shorter_than_a_memory(
    tmp_path: Path, streaming_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert teach_short(tmp_path, streaming_bundle) == 1
    said = capsys.readouterr().err
    assert "does not say its dimensions" in said, "the next thing that is checked"


def test_a_stop_before_anything_is_learned_writes_no_bundle(
    tmp_path: Path, recordings: Path, default_bundle: Path
) -> None:
    file = labels(tmp_path, ["0,0,4,waits", "1,0,4,moves"])
    out, work, stop = tmp_path / "mine", tmp_path / "work", Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        teaching_plan.teach(
            teaching_plan.TeachingPlan(default_bundle, (file,), recordings, out, work),
            lambda step, share: None,
            stop,
        )
    assert not out.exists()


@pytest.mark.slow
def test_a_bundle_that_knows_red_from_blue(
    tmp_path: Path,
    recordings: Path,
    default_bundle: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [f"{n},{s},{s + 4.5},{text}" for n in range(4) for s, text in _SHOWN]
    out = tmp_path / "mine"
    query = ["--query", "colour: What colour is it?"]
    assert teach(labels(tmp_path, rows), recordings, out, default_bundle, *query) == 0
    bundle = Bundle.load(out)
    assert (bundle.name, bundle.queries) == ("mine", {"colour": "What colour is it?"})
    assert bundle.space_id != Bundle.load(default_bundle).space_id
    report = json.loads((out / REPORT).read_text(encoding="utf-8"))
    (figures,) = report["queries"]
    assert figures["recordings"] == 1
    assert figures["near"] > 0.9
    assert "<html" in (out / PAGE).read_text(encoding="utf-8")
    assert f"bundle:={out}" in capsys.readouterr().out


_SHOWN = ((0.0, "it is red"), (4.5, "it is blue"))
