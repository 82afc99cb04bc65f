# SPDX-License-Identifier: Apache-2.0
"""SQLite files of rosbag2 (.db3), read by Python's own SQLite.

A recorder that was killed leaves its last messages, or all, in a log beside the file. SQLite
brings them home when it opens the file, so it gets a copy: the user's files stay as they are. A
file whose end is missing it does not open at all, so the copy gets an empty end.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from vljepa_ros.recordings.bag_file import BagFile, BagTopic, StoredMessage, full_type
from vljepa_ros.recordings.source import SourceError

MAGIC = b"SQLite format 3\0"
_LOGS = ("-wal", "-journal")
_DAMAGED = "bag file is damaged: the rest of its messages is left out"
_NO_MESSAGE = "message has no time or no data"


class SqliteFile(BagFile):
    """One SQLite file."""

    def topics(self) -> tuple[list[BagTopic], str]:
        """Return the topics; of a damaged file the counts are those that can still be read."""
        try:
            with closing(self._open()) as database:
                rows = database.execute("SELECT id, name, type, serialization_format FROM topics")
                topics = rows.fetchall()
                counts, missing = _counts(database)
        except sqlite3.Error as error:
            raise SourceError(
                f"{self.path} is no rosbag2 file that can be read: {error}"
            ) from error
        whole = [row for row in topics if _are(row, int, str, str, str)]
        if len(whole) < len(topics):
            missing = missing or "a part of it is damaged (a topic has no name or type)"
        return [
            BagTopic(name, full_type(kind), encoding, counts[topic])
            for topic, name, kind, encoding in whole
        ], missing

    def messages(self, topic: BagTopic) -> Iterator[StoredMessage]:
        """Yield the topic's messages up to the first page of the file that is damaged."""
        query = (
            "SELECT messages.timestamp, messages.data FROM messages "
            "WHERE topic_id IN (SELECT id FROM topics WHERE name = ?) ORDER BY messages.rowid"
        )
        try:
            with closing(self._open()) as database:
                for stamp_ns, data in database.execute(query, (topic.name,)):
                    if _are((stamp_ns, data), int, bytes):
                        yield stamp_ns, data
                    else:
                        self._problems[_NO_MESSAGE] += 1
        except sqlite3.Error:
            self._problems[_DAMAGED] += 1

    def _open(self) -> sqlite3.Connection:
        uri = f"file:{quote(str(self.path.absolute()))}?immutable=1"
        return sqlite3.connect(uri, uri=True)


def what_is_unfinished(path: Path) -> str:
    """Return why SQLite cannot read a file as it lies there, or "" if it can."""
    if _logs_of(path):
        return "its last messages come from its log"
    return "its end is missing" if _missing_bytes(path) > 0 else ""


def recovered(path: Path, folder: Path) -> Path:
    """Return a copy of an unfinished file in `folder` that SQLite can read.

    Raises:
        OSError: the copy cannot be written.
    """
    for one in (path, *_logs_of(path)):
        shutil.copyfile(one, folder / one.name)
    copy = folder / path.name
    if not _logs_of(path):
        os.truncate(copy, path.stat().st_size + _missing_bytes(path))
    with suppress(sqlite3.Error), closing(sqlite3.connect(copy)) as database:
        database.execute("SELECT count(*) FROM sqlite_master").fetchall()
    return copy  # if that failed, reading it tells what is wrong with it


def _are(row: Sequence[object], *kinds: type) -> bool:
    """Tell whether values are of these types; SQLite holds values of any type in any column."""
    return all(isinstance(value, kind) for value, kind in zip(row, kinds, strict=True))


def _logs_of(path: Path) -> list[Path]:
    """Return the files beside a SQLite file that hold changes which are not in it yet."""
    logs = (path.with_name(path.name + ending) for ending in _LOGS)
    return [log for log in logs if log.is_file() and log.stat().st_size]


def _missing_bytes(path: Path) -> int:
    """Return by how much a file is shorter than its header says."""
    with path.open("rb") as stream:
        header = stream.read(32)
    page_bytes, pages = int.from_bytes(header[16:18], "big"), int.from_bytes(header[28:32], "big")
    return (65_536 if page_bytes == 1 else page_bytes) * pages - path.stat().st_size


def _counts(database: sqlite3.Connection) -> tuple[Counter[int], str]:
    counts: Counter[int] = Counter()
    try:
        for (topic,) in database.execute("SELECT topic_id FROM messages ORDER BY rowid"):
            counts[topic] += 1
    except sqlite3.Error as error:
        return counts, f"a part of it is damaged ({error})"
    return counts, ""
