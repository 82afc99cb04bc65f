# SPDX-License-Identifier: Apache-2.0
"""A store gives back what was written, and shows recordings whole or not at all."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import lancedb
import numpy as np
import pyarrow as pa
import pytest

from support.small_store import SPACE, START_NS, Part, segment_of, store_recording, vector_of
from vljepa_ros.index import tables
from vljepa_ros.index.recording_writer import RecordingWriter, Tick
from vljepa_ros.index.store import Store, StoreError

DRAWER = {"object": [Part(0.0, 2.0, "closed"), Part(2.0, 5.0, "it's open", 0.6, 0.25)]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_what_is_written_can_be_read(folder: Path) -> None:
    written = store_recording(folder, "/data/b.mp4", DRAWER)
    store = Store.open(folder)
    assert store.recordings() == [written]
    assert store.recording("b") == written
    closed, opened = store.segments(written)
    assert (closed.text, closed.start, closed.end) == ("closed", 0.0, 2.0)
    assert math.isnan(closed.unfamiliarity)
    assert (opened.text, opened.seq) == ("it's open", 1)
    assert opened.score == pytest.approx(0.6)
    assert opened.unfamiliarity == pytest.approx(0.25)
    assert [state.previous_text for state in store.states(written)] == ["", "closed"]
    assert store.thumbnail(written, "object", 1).startswith(b"\xff\xd8")


def test_ticks_are_in_the_order_of_time(folder: Path) -> None:
    recording = store_recording(folder, "/data/b.mp4", DRAWER)
    ticks = Store.open(folder).ticks(recording, "object", vectors=True)
    assert list(ticks.stamps_ns) == [START_NS + number * 500_000_000 for number in range(10)]
    assert ticks.vectors.dtype == np.float16
    assert np.allclose(ticks.vectors[4], vector_of("it's open"), atol=1e-3)
    assert Store.open(folder).ticks(recording, "object").vectors.shape == (10, 0)


def test_many_rows_are_all_read(folder: Path) -> None:
    parts = {"object": [Part(number, number + 1.0, f"state {number}") for number in range(1500)]}
    recording = store_recording(folder, "/data/long.mp4", parts)
    assert [one.seq for one in Store.open(folder).segments(recording)] == list(range(1500))


def test_a_text_finds_the_nearest_segment(folder: Path) -> None:
    store_recording(folder, "/data/a.mp4", {"object": [Part(0, 1, "closed")]})
    store_recording(folder, "/data/b.mp4", DRAWER)
    best, *others = Store.open(folder).search(vector_of("it's open"), SPACE)
    assert (best.recording.id, best.segment.text) == ("b", "it's open")
    assert best.cosine == pytest.approx(1.0, abs=1e-4)
    assert len(others) == 2


def test_search_can_be_narrowed(folder: Path) -> None:
    both = {"object": [Part(0, 1, "closed")], "action": [Part(0, 1, "closed")]}
    store_recording(folder, "/data/a.mp4", both)
    store_recording(folder, "/data/b.mp4", DRAWER)
    store, vector = Store.open(folder), vector_of("closed")
    assert {hit.segment.query for hit in store.search(vector, SPACE, query="action")} == {"action"}
    assert {hit.recording.id for hit in store.search(vector, SPACE, recordings=["b"])} == {"b"}
    late = store.search(vector, SPACE, where="start >= 2")
    assert [hit.segment.start for hit in late] == [2.0]


def test_vectors_of_another_space_are_not_compared(folder: Path) -> None:
    store_recording(folder, "/data/a.mp4", DRAWER)
    store_recording(folder, "/data/b.mp4", DRAWER, space_id="other", dimension=4)
    store = Store.open(folder)
    assert len(store.recordings()) == 2
    assert {hit.recording.id for hit in store.search(vector_of("closed"), SPACE)} == {"a"}
    other = store.search(vector_of("closed", 4), "other")
    assert {hit.recording.id for hit in other} == {"b"}
    assert store.search(vector_of("closed"), "a third") == []


def test_an_unfinished_recording_is_not_seen(folder: Path) -> None:
    store_recording(folder, "/data/a.mp4", DRAWER)
    begun = RecordingWriter(Store.open(folder), "b", SPACE, 10)
    begun.add_ticks([Tick("object", number, 0, vector_of("x"), math.nan) for number in range(999)])
    store = Store.open(folder)
    assert [one.id for one in store.recordings()] == ["a"]
    assert {hit.recording.id for hit in store.search(vector_of("x"), SPACE)} == {"a"}


def test_pictures_do_not_wait_until_there_are_thousands(folder: Path) -> None:
    writer = RecordingWriter(Store.open_or_create(folder), "b", SPACE, 10)
    segment = segment_of("b", "object", 0, Part(0.0, 2.0, "closed"))
    for _ in range(5):
        writer.add_segment(segment, vector_of("closed"), bytes(1_000_000))
    rows = lancedb.connect(folder).open_table(tables.name_of(tables.SEGMENTS, SPACE))
    assert rows.count_rows() == 4


def test_what_a_killed_run_left_is_removed(folder: Path) -> None:
    killed = RecordingWriter(Store.open_or_create(folder), "b", SPACE, 10)
    ticks = [Tick("object", number, 0, vector_of("x"), math.nan) for number in range(20_000)]
    killed.add_ticks(ticks)
    store_recording(folder, "/data/b.mp4", DRAWER)
    rows = lancedb.connect(folder).open_table(tables.name_of(tables.TICKS, SPACE))
    assert rows.count_rows() == 10
    assert lancedb.connect(folder).open_table(tables.RUNS).count_rows() == 0


def test_a_recording_that_is_indexed_anew_is_replaced(folder: Path) -> None:
    store_recording(folder, "/data/b.mp4", DRAWER)
    again = store_recording(folder, "/data/b.mp4", {"object": [Part(0, 1, "new")]})
    moved = store_recording(folder, "/data/b.mp4", DRAWER, space_id="other", dimension=4)
    store = Store.open(folder)
    assert store.recordings() == [moved]
    assert [one.text for one in store.segments(moved)] == ["closed", "it's open"]
    assert store.search(vector_of("new"), again.space_id) == []
    rows = lancedb.connect(folder).open_table(tables.name_of(tables.SEGMENTS, SPACE))
    assert rows.count_rows() == 0


def test_compacting_joins_files_and_changes_nothing_that_is_read(folder: Path) -> None:
    written = [store_recording(folder, f"/data/{n}.mp4", DRAWER) for n in range(5)]
    store = Store.open(folder)
    before = [store.segments(one) for one in written]
    name = tables.name_of(tables.TICKS, SPACE)
    fragments = lancedb.connect(folder).open_table(name).stats()["fragment_stats"]["num_fragments"]
    store.compact()
    assert [str(store.segments(one)) for one in written] == [str(one) for one in before]
    after = lancedb.connect(folder).open_table(name).stats()["fragment_stats"]["num_fragments"]
    assert (fragments, after) == (5, 1)
    assert store.recordings() == written


@pytest.mark.parametrize("attempt", range(8))
def test_writers_that_begin_a_store_at_once_lose_nothing(folder: Path, attempt: int) -> None:
    count = 8
    start = Barrier(count)

    def begin(number: int) -> None:
        start.wait()
        runs = Store.open_or_create(folder).table(tables.RUNS)
        runs.add([{"recording": str(number), "run": "r", "space_id": SPACE, "begun_ns": 0}])

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(begin, range(count)))
    assert lancedb.connect(folder).open_table(tables.RUNS).count_rows() == count


def test_a_table_whose_maker_was_killed_is_made_anew(folder: Path) -> None:
    for name in (tables.RECORDINGS, tables.RUNS, tables.name_of(tables.TICKS, SPACE)):
        Path(folder, f"{name}.lance", "_versions").mkdir(parents=True)
    with pytest.raises(StoreError, match="holds no index"):
        Store.open(folder)
    written = store_recording(folder, "/data/b.mp4", DRAWER)
    Store.open(folder).compact()
    assert Store.open(folder).recordings() == [written]


def test_no_store_is_said_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="vljepa index SOURCE --store"):
        Store.open(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(StoreError, match="is a file"):
        Store.open_or_create(Path(__file__))


def test_a_store_of_a_later_release_is_refused(folder: Path) -> None:
    schema = pa.schema([("id", pa.string())], metadata={tables.FORMAT_KEY: b"99"})
    lancedb.connect(folder).create_table(tables.RECORDINGS, schema=schema)
    for opening in (Store.open, Store.open_or_create):
        with pytest.raises(StoreError, match="later release.*update vljepa_ros"):
            opening(folder)


def test_a_strange_table_is_no_store(folder: Path) -> None:
    lancedb.connect(folder).create_table("recordings", schema=pa.schema([("id", pa.string())]))
    with pytest.raises(StoreError, match="no store of vljepa_ros"):
        Store.open(folder)
