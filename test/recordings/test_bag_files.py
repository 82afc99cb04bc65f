# SPDX-License-Identifier: Apache-2.0
"""A bag plays whatever wrote it and however it ended, and its files stay as they are."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcap.writer import CompressionType, IndexType
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from support.bags import (
    Topic,
    images_topic,
    ros1_images,
    write_mcap,
    write_ros1_bag,
    write_topics,
)
from support.recordings import bag_image, seen, serialised
from vljepa_ros.recordings.bag_file import full_type, in_time_order
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.source import SourceError

SEQUENCE = ["red", "green", "blue", "black", "green"] * 4
UNINDEXED = {"index_types": IndexType.NONE, "use_statistics": False, "repeat_channels": False}
LINEAR = {"use_chunking": False, **UNINDEXED}
WRITERS: dict[str, dict[str, Any]] = {
    "indexed": {"chunk_size": 30_000},
    "lz4": {"chunk_size": 30_000, "compression": CompressionType.LZ4},
    "plain chunks": {"chunk_size": 30_000, "compression": CompressionType.NONE},
    "no index": {"chunk_size": 30_000, **UNINDEXED},
    "no chunks": LINEAR,
}


@contextmanager
def untouched(folder: Path) -> Iterator[None]:
    """Fail if any file below a folder is changed, made or removed."""

    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    before = content()
    yield
    assert content() == before


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("profile", ["ros2", "", "px4"])
def test_mcap_files_of_all_writers_are_played(tmp_path: Path, writer: str, profile: str) -> None:
    topics = [images_topic(SEQUENCE)]
    path = write_mcap(tmp_path / "a.mcap", topics, profile=profile, **WRITERS[writer])
    source = open_source(str(path))
    assert seen(source) == SEQUENCE
    assert not source.notes
    assert not source.problems


UNWANTED = {
    "json": Topic("/log", [(1, b"{}")], "foxglove.Log", "json", "jsonschema", b"{}"),
    "protobuf": Topic("/scan", [(1, b"\1")], "foxglove.Grid", "protobuf", "protobuf", b"\xff\xfe"),
    "ros1": Topic("/odom", [(1, b"")], "nav_msgs/Odometry", "ros1", "ros1msg", b"Header header"),
    "unparsable": Topic("/x", [(1, b"")], "my_msgs/msg/X", schema=b"my_msgs/Part part\n===\nMSG:"),
    "empty": Topic("/note", [(1, b"")], "std_msgs/msg/String"),
    "unknown encoding": Topic("/y", [], "a/b", "zenoh", "nobody's"),
}


@pytest.mark.parametrize("unwanted", UNWANTED)
@pytest.mark.parametrize("writer", ["indexed", "no chunks"])
def test_a_topic_that_nobody_asked_for_may_be_anything(
    tmp_path: Path, unwanted: str, writer: str
) -> None:
    topics = [UNWANTED[unwanted], images_topic(SEQUENCE)]
    source = open_source(str(write_mcap(tmp_path / "a.mcap", topics, **WRITERS[writer])))
    assert seen(source) == SEQUENCE
    assert not source.problems


@pytest.mark.parametrize(
    "dialect",
    [
        {"type": "sensor_msgs/Image"},
        {"schema_encoding": ""},
        {"schema_encoding": "ros2idl", "schema": b"module sensor_msgs { broken"},
        {"schema": b"std_msgs/Header header\nuint32 height"},
    ],
)
def test_the_definition_of_an_image_is_known(tmp_path: Path, dialect: dict[str, Any]) -> None:
    topic = replace(images_topic(SEQUENCE), **dialect)
    assert seen(open_source(str(write_mcap(tmp_path / "a.mcap", [topic])))) == SEQUENCE


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("sensor_msgs/Image", "sensor_msgs/msg/Image"),
        ("sensor_msgs/msg/Image", "sensor_msgs/msg/Image"),
        ("foxglove.Log", "foxglove.Log"),
        ("", ""),
    ],
)
def test_type_names_get_three_parts(name: str, full: str) -> None:
    assert full_type(name) == full


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("keep", [0.4, 0.7, 0.95])
@pytest.mark.parametrize("metadata", [False, True])
def test_a_recording_that_was_cut_off_plays_what_is_whole(
    tmp_path: Path, writer: str, keep: float, metadata: bool
) -> None:
    path = write_mcap(tmp_path / "a_0.mcap", [images_topic(SEQUENCE)], **WRITERS[writer])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    if metadata:
        (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: {version: 99}")
    with untouched(tmp_path):
        source = open_source(str(tmp_path))
        colours = seen(source)
    assert colours == SEQUENCE[: len(colours)]
    assert len(colours) >= len(SEQUENCE) * keep - 8
    assert any("a_0.mcap is unfinished" in note for note in source.notes)
    assert source.problems == {"bag file ends early: what is whole is played": 1}


@pytest.mark.parametrize("keep", [8, 30, 300])
def test_a_recording_of_which_nothing_is_whole_is_refused(tmp_path: Path, keep: int) -> None:
    path = write_mcap(tmp_path / "a.mcap", [images_topic(SEQUENCE)])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SourceError, match="holds no image topic.*its end is missing"):
        open_source(str(path))


def test_a_damaged_chunk_does_not_cost_those_behind_it(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "a.mcap", [images_topic(SEQUENCE)], **WRITERS["plain chunks"])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    source = open_source(str(path))
    assert len(SEQUENCE) - 5 <= len(seen(source)) < len(SEQUENCE)
    assert source.problems == {"bag file is damaged: a chunk of messages is left out": 1}


@pytest.mark.parametrize("writer", WRITERS)
def test_messages_come_in_the_order_of_time(tmp_path: Path, writer: str) -> None:
    topic = images_topic(SEQUENCE)
    shuffled = [topic.messages[index] for index in (*range(10, 20), *range(10))]
    topics = [replace(topic, messages=shuffled)]
    source = open_source(str(write_mcap(tmp_path / "a.mcap", topics, **WRITERS[writer])))
    assert seen(source) == SEQUENCE
    assert not source.problems


def test_order_is_made_in_a_buffer_and_not_in_memory_without_end() -> None:
    taken = 0

    def messages() -> Iterator[tuple[int, bytes]]:
        nonlocal taken
        for number in range(100_000):
            taken += 1
            yield number ^ 1, b"x"  # each pair the wrong way round

    ordered = in_time_order(messages())
    assert [next(ordered)[0] for _ in range(100)] == list(range(100))
    assert taken < 1000


METADATA_CHANGES: dict[str, Callable[[str], str]] = {
    "newer": lambda text: text.replace("version: 9", "version: 10"),
    "no storage": lambda text: text.replace("storage_identifier: mcap", 'storage_identifier: ""'),
    "wrong storage": lambda text: text.replace("identifier: mcap", "identifier: sqlite3"),
    "no YAML": lambda _: "{{{",
    "empty": lambda _: "",
    "a list": lambda _: "- a",
    "binary": lambda _: "\0\1",
}


@pytest.mark.parametrize("change", METADATA_CHANGES)
def test_the_files_count_and_not_what_is_said_of_them(tmp_path: Path, change: str) -> None:
    bag = write_topics(tmp_path / "bag", {"/image": [bag_image("red", 1)]})
    metadata = bag / "metadata.yaml"
    metadata.write_text(METADATA_CHANGES[change](metadata.read_text()))
    assert seen(open_source(str(bag))) == ["red"]


def test_a_bag_of_several_files_is_played_in_their_order(tmp_path: Path) -> None:
    colours = {0: "red", 1: "green", 2: "blue", 10: "black"}
    for number, colour in colours.items():
        topic = Topic("/image", [(number + 1, serialised(bag_image(colour, number + 1)))])
        write_mcap(tmp_path / f"bag_{number}.mcap", [topic])
    source = open_source(str(tmp_path))
    assert seen(source) == list(colours.values())
    assert "4 bag files" in source.notes[0]
    (tmp_path / "bag_1.mcap").unlink()
    names = ", ".join(f"bag/bag_{number}.mcap" for number in colours)
    listed = f"rosbag2_bagfile_information: {{relative_file_paths: [{names}]}}"
    (tmp_path / "metadata.yaml").write_text(listed)
    source = open_source(str(tmp_path))
    assert seen(source) == ["red", "blue", "black"]
    assert source.notes == ["of the bag's 4 files, bag_1.mcap is missing"]


def test_metadata_without_its_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").write_text("")
    with pytest.raises(SourceError, match="none of its bag's files"):
        open_source(str(tmp_path))


MODES = [CompressionMode.FILE, CompressionMode.MESSAGE]


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("metadata", [True, False])
def test_compressed_bags_are_played_with_and_without_their_metadata(
    tmp_path: Path, storage: StoragePlugin, mode: Any, metadata: bool
) -> None:
    images = [bag_image(colour, n) for n, colour in enumerate(SEQUENCE, start=1)]
    bag = write_topics(tmp_path / "bag", {"/image": images}, storage=storage, mode=mode)
    if not metadata:
        (bag / "metadata.yaml").unlink()
    with untouched(bag), open_source(str(bag)) as source:
        assert seen(source) == SEQUENCE
        assert not source.problems


def test_what_is_unpacked_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    images = {"/image": [bag_image("red", 1)]}
    bag = write_topics(tmp_path / "bag", images, mode=CompressionMode.FILE)
    with open_source(str(bag)):
        assert list(scratch.iterdir())
    assert not list(scratch.iterdir())
    with pytest.raises(SourceError):
        open_source(str(bag), topic="/nothing")
    assert not list(scratch.iterdir())


def test_a_packed_file_that_is_cut_off_is_refused_or_played(tmp_path: Path) -> None:
    images = {"/image": [bag_image("red", 1)]}
    bag = write_topics(tmp_path / "bag", images, mode=CompressionMode.FILE)
    (packed,) = bag.glob("*.zstd")
    packed.write_bytes(packed.read_bytes()[:20])
    with pytest.raises(SourceError, match=r"bag.*\.mcap"):
        open_source(str(packed))


def killed_sqlite(folder: Path, journal: str, committed: int) -> Path:
    """Return the folder as a recorder leaves it that is killed while it writes."""
    images = {"/image": [bag_image(colour, n) for n, colour in enumerate(SEQUENCE, start=1)]}
    bag = write_topics(folder / "whole", images, storage=StoragePlugin.SQLITE3)
    (file,) = bag.glob("*.db3")
    killed = folder / "killed"
    killed.mkdir()
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute(f"PRAGMA journal_mode={journal}")
        database.execute("PRAGMA wal_autocheckpoint=0")
        database.execute("PRAGMA cache_size=1")  # writes before the end of the transaction
        rows = database.execute("SELECT * FROM messages ORDER BY id").fetchall()
        database.execute("DELETE FROM messages")
        insert = "INSERT INTO messages VALUES (?, ?, ?, ?)"
        database.executemany(insert, rows[:committed])
        database.execute("BEGIN")
        database.executemany(insert, rows[committed:])
        for path in bag.glob("*.db3*"):
            shutil.copy(path, killed)
    return killed


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
@pytest.mark.parametrize("committed", [20, 12])
def test_what_a_killed_recorder_had_written_to_sqlite_is_played(
    tmp_path: Path, journal: str, committed: int
) -> None:
    folder = killed_sqlite(tmp_path, journal, committed)
    assert len(list(folder.iterdir())) >= (2 if journal == "WAL" or committed < 20 else 1)
    with untouched(folder), open_source(str(folder)) as source:
        assert seen(source) == SEQUENCE[:committed]
        assert not source.problems


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_sqlite_file_that_is_cut_off_plays_what_is_whole(tmp_path: Path, keep: float) -> None:
    images = {"/image": [bag_image(colour, n) for n, colour in enumerate(SEQUENCE, start=1)]}
    bag = write_topics(tmp_path / "bag", images, storage=StoragePlugin.SQLITE3)
    (file,) = bag.glob("*.db3")
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * keep)])
    source = open_source(str(bag))
    colours = seen(source)
    assert colours == SEQUENCE[: len(colours)]
    assert len(colours) >= len(SEQUENCE) * keep - 4
    assert source.problems == {"bag file is damaged: the rest of its messages is left out": 1}
    assert any("is unfinished" in note for note in source.notes)


@pytest.mark.parametrize("value", ["NULL", "7", "x'00ff'", "'text'"])
def test_values_of_another_type_in_a_sqlite_file_cost_only_their_rows(
    tmp_path: Path, value: str
) -> None:
    images = {"/image": [bag_image(colour, n) for n, colour in enumerate(SEQUENCE, start=1)]}
    bag = write_topics(tmp_path / "bag", images, storage=StoragePlugin.SQLITE3)
    (file,) = bag.glob("*.db3")
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        for table in ("topics", "messages"):  # copies hold no column to a type
            database.execute(f"CREATE TABLE copied AS SELECT * FROM {table}")
            database.execute(f"DROP TABLE {table}")
            database.execute(f"ALTER TABLE copied RENAME TO {table}")
        database.execute(f"INSERT INTO topics (id, name, type) VALUES (99, '/b', {value})")
        database.execute(f"UPDATE messages SET data = {value} WHERE rowid = 3")
    source = open_source(str(bag))
    assert len(seen(source)) == len(SEQUENCE) - 1
    assert sum(source.problems.values()) == 1


def test_another_programs_sqlite_file_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db3")) as database:
        database.execute("CREATE TABLE people (name)")
    with pytest.raises(SourceError, match="no rosbag2 file.*no such table: topics"):
        open_source(str(tmp_path / "a.db3"))


def test_images_of_ros_1_in_mcap_are_played(tmp_path: Path) -> None:
    topic = Topic("/image", ros1_images(SEQUENCE), "sensor_msgs/Image", "ros1", "ros1msg")
    path = write_mcap(tmp_path / "a.mcap", [topic], profile="ros1")
    assert seen(open_source(str(path))) == SEQUENCE


def test_a_bag_of_ros_1_is_played(tmp_path: Path) -> None:
    path = write_ros1_bag(tmp_path / "a.bag", SEQUENCE)
    assert seen(open_source(str(path))) == SEQUENCE
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(SourceError, match="rosbag reindex"):
        open_source(str(path))
