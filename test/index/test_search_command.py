# SPDX-License-Identifier: Apache-2.0
"""``vljepa search``: moments by their words, narrowed, and in forms for people and programs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from support.recordings import bag_image, write_bag, write_video

FIRST_NS = 1_777_000_000_000_000_000  # 2026-04-24T03:06:40Z


@pytest.fixture
def indexed(vljepa, tmp_path: Path, capsys) -> None:
    write_video(tmp_path / "drive.mp4", ["red"] * 15 + ["blue"] * 15)
    stamps = [FIRST_NS + number * 100_000_000 for number in range(20)]
    write_bag(tmp_path / "bag", [(stamp, bag_image("green", stamp)) for stamp in stamps])
    vljepa("index", tmp_path / "drive.mp4", tmp_path / "bag")
    capsys.readouterr()


def found(vljepa, capsys, *words: object) -> list[dict[str, object]]:
    vljepa("search", *words, "--json")
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("indexed")
class TestIndexed:
    def test_the_best_moment_stands_first(self, vljepa, capsys, tmp_path) -> None:
        best, *_ = found(vljepa, capsys, "the scene is blue")
        assert best["recording"] == str(tmp_path / "drive.mp4")
        assert (best["text"], best["query"]) == ("the scene is blue", "colour")
        assert best["start"] == pytest.approx(1.5, abs=0.2)
        assert best["date"] == ""

    def test_a_moment_of_a_robots_clock_has_a_date(self, vljepa, capsys) -> None:
        best, *_ = found(vljepa, capsys, "the scene is green")
        assert best["topic"] == "/camera/image_raw"
        assert best["date"] == "2026-04-24T03:06:40.300Z"

    def test_for_people_there_is_a_line_each(self, vljepa, capsys) -> None:
        assert vljepa("search", "the scene is blue", "--limit", 2) == 0
        first, _ = capsys.readouterr().out.splitlines()
        assert "drive.mp4  colour: the scene is blue" in first
        assert "0:01." in first

    def test_csv_is_read_by_other_programs(self, vljepa, capsys) -> None:
        vljepa("search", "the scene is blue", "--csv")
        rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert rows[0]["text"] == "the scene is blue"
        assert float(rows[0]["cosine"]) > float(rows[-1]["cosine"])

    def test_it_is_narrowed_by_query_recording_and_time(self, vljepa, capsys) -> None:
        text = "the scene is blue"
        assert {one["query"] for one in found(vljepa, capsys, text, "--query", "brightness")} == {
            "brightness"
        }
        assert all("bag" in one["id"] for one in found(vljepa, capsys, text, "--recording", "bag"))
        early = found(vljepa, capsys, text, "--recording", "drive", "--to", "1.0")
        assert "the scene is blue" not in [one["text"] for one in early]
        dated = found(vljepa, capsys, text, "--from", "2026-04-24T03:06Z")
        assert {Path(str(one["recording"])).name for one in dated} == {"bag"}

    def test_pictures_are_written(self, vljepa, capsys, tmp_path) -> None:
        folder = tmp_path / "pictures"
        first, *_ = found(vljepa, capsys, "the scene is blue", "--thumbnails", folder)
        assert Path(str(first["thumbnail"])).read_bytes().startswith(b"\xff\xd8")
        assert Path(str(first["thumbnail"])).name.startswith("001-")

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["x", "--recording", "nothing"], "holds no recording 'nothing'"),
            (["x", "--query", "smell"], "no recording was asked 'smell'; there are colour"),
            (["x", "--from", "noon"], "'noon' is no time: write seconds"),
            (["  "], "the text is empty"),
        ],
    )
    def test_what_cannot_be_searched_is_said(self, vljepa, capsys, words, said: str) -> None:
        assert vljepa("search", *words) == 1
        assert said in capsys.readouterr().err


def test_without_an_index_the_command_that_makes_one_is_said(vljepa, capsys) -> None:
    assert vljepa("search", "red") == 1
    assert "make one with `vljepa index SOURCE --store" in capsys.readouterr().err
