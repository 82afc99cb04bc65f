# SPDX-License-Identifier: Apache-2.0
"""The demo replaces its own files, touches nothing else, and knows early what it cannot write."""

from __future__ import annotations

from pathlib import Path

import pytest

from vljepa_ros.demo.out_folder import OutFolder, OutputError


def test_files_of_an_earlier_run_go_and_all_others_stay(tmp_path: Path) -> None:
    nodes = tmp_path / "nodes"
    nodes.mkdir()
    old = [tmp_path / "annotated.mp4", tmp_path / "timeline.png", tmp_path / "log.jsonl"]
    old += [nodes / "pipeline.log", nodes / "replay.yaml"]
    others = [tmp_path / "thesis.tex", tmp_path / "annotated.mp4.txt", nodes / "notes.md"]
    for path in (*old, *others):
        path.write_text("content")
    OutFolder(tmp_path).prepare("recording.mp4")
    assert not any(path.exists() for path in old)
    assert [path.read_text() for path in others] == ["content"] * 3


def test_folders_are_made_as_needed(tmp_path: Path) -> None:
    out = OutFolder(tmp_path / "a" / "b")
    out.prepare("recording.mp4")
    assert out.nodes.is_dir()
    assert list(out.path.iterdir()) == [out.nodes]


@pytest.mark.parametrize(
    "name", ["annotated.mp4", "timeline.png", "log.jsonl", "nodes/pipeline.log"]
)
def test_an_output_that_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(OutputError, match=rf"{name} cannot be written: Is a directory"):
        OutFolder(tmp_path).prepare("recording.mp4")


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("content")
    with pytest.raises(OutputError, match="out.* cannot be written"):
        OutFolder(tmp_path / "out").prepare("recording.mp4")
    assert (tmp_path / "out").read_text() == "content"


def test_what_is_replayed_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The annotated video of one run is the recording of the next."""
    monkeypatch.chdir(tmp_path)
    video = tmp_path / "annotated.mp4"
    video.write_text("content")
    with pytest.raises(OutputError, match="annotated.mp4 would be overwritten.*--out"):
        OutFolder(tmp_path).prepare("annotated.mp4")
    assert video.read_text() == "content"
