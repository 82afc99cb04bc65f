# SPDX-License-Identifier: Apache-2.0
"""The rank of the right moment in a store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.recordings import write_video
from support.small_store import SPACE, Part, store_recording, vector_of
from vljepa_ros.commands.main import main
from vljepa_ros.evaluation.moments import moment_retrieval
from vljepa_ros.evaluation.report import Report
from vljepa_ros.index.store import Store
from vljepa_ros.recordings.annotations import Captioned, Span


@pytest.fixture
def store(tmp_path: Path) -> Store:
    parts = [Part(0, 2, "closed"), Part(2, 5, "open"), Part(5, 6, "closed")]
    store_recording(tmp_path / "store", tmp_path / "a.mp4", {"object": parts})
    store_recording(tmp_path / "store", tmp_path / "b.mp4", {"object": [Part(0, 4, "broken")]})
    return Store.open(tmp_path / "store")


def measured(store: Store, tmp_path: Path, *items: Captioned) -> Report:
    return moment_retrieval(store, SPACE, vector_of, tmp_path, items, "object")


def test_a_moment_that_is_found_first_has_rank_one(store: Store, tmp_path: Path) -> None:
    report = measured(store, tmp_path, Captioned(Span("a.mp4", 2.2, 4.8), ("open",)))
    assert report.results == [{"clip": "a.mp4 [2.2..4.8 s]", "caption": "open", "rank": 1}]
    assert report.figures["r@1"] == 100.0
    assert report.figures["moments"] == 4
    assert report.figures["chance_r@1"] == pytest.approx(25.0)


def test_other_moments_count_against_it(store: Store, tmp_path: Path) -> None:
    report = measured(store, tmp_path, Captioned(Span("b.mp4"), ("open",)))
    assert report.results[0]["rank"] > 1
    assert report.figures["r@1"] == 0.0


def test_moments_with_the_same_caption_are_all_right(store: Store, tmp_path: Path) -> None:
    first = Captioned(Span("a.mp4", 0, 2), ("closed",))
    last = Captioned(Span("a.mp4", 5, 6), ("closed",))
    report = measured(store, tmp_path, first, last)
    assert [one["rank"] for one in report.results] == [1, 1]
    alone = measured(store, tmp_path, first)
    assert alone.results[0]["rank"] == 2  # the other one is as near, and counts against it


def test_a_span_that_the_store_does_not_show_is_named(store: Store, tmp_path: Path) -> None:
    wide, absent = Captioned(Span("a.mp4", 2, 5), ("open",)), Captioned(Span("c.mp4"), ("open",))
    report = measured(store, tmp_path, wide, absent)
    assert report.figures["not_found"] == 1
    assert "no segment of query 'object' shows it" in report.unreadable["c.mp4"]
    with pytest.raises(ValueError, match="none of the annotated spans"):
        measured(store, tmp_path, absent)


def test_a_segment_that_only_touches_a_span_does_not_show_it(store: Store, tmp_path: Path) -> None:
    touched = Captioned(Span("a.mp4", 1.8, 4), ("open",))  # 0.2 s of it show "closed"
    report = measured(store, tmp_path, touched)
    assert report.figures["chance_r@1"] == pytest.approx(25.0)


def test_the_command_measures_an_index(colour_bundle: Path, tmp_path: Path, capsys) -> None:
    write_video(tmp_path / "a.mp4", ["red"] * 15 + ["blue"] * 15)
    about = ["--bundle", str(colour_bundle), "--store", str(tmp_path / "store")]
    assert main(["index", str(tmp_path / "a.mp4"), *about, "--workers", "1"]) == 0
    lines = [
        {"clip": "a.mp4", "start": 0, "end": 1.5, "caption": "the scene is red"},
        {"clip": "a.mp4", "start": 1.5, "caption": "the scene is blue"},
    ]
    annotations = tmp_path / "captions.jsonl"
    annotations.write_text("\n".join(map(json.dumps, lines)))
    words = ["--clips", str(tmp_path), "--annotations", str(annotations), "--query", "colour"]
    assert main(["evaluate", "search", *about, *words]) == 0
    printed = capsys.readouterr().out
    assert "r@1            100.0" in printed
    assert "r@5            100.0" in printed
