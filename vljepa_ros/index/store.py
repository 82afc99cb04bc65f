# SPDX-License-Identifier: Apache-2.0
"""The store of an index: what was found in recordings, in LanceDB tables of one folder.

A recording is there when all of it is: its row in ``recordings`` is written last, and rows of runs
that no such row names are not read. So a killed process leaves nothing that can be seen, and a
recording that is indexed anew is replaced at one moment. The location may also be an address
that LanceDB knows, such as ``s3://bucket/index``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from vljepa_ros.files import locked
from vljepa_ros.index import tables
from vljepa_ros.index.stored import (
    SearchHit,
    StoredRecording,
    StoredSegment,
    StoredState,
    StoredTicks,
)
from vljepa_ros.stream.vectors import unit

_T = TypeVar("_T")
_MOST_ROWS = 1 << 30  # LanceDB returns ten rows if no limit is given
_LEAST_FREE = 64_000_000  # bytes of the disk, more than what is written at once
_SAFE = "What was indexed before is safe; the same command goes on with the rest"
_MOST_TABLES = 10_000
_LOCKS, _TABLES_LOCK = ".locks", ".tables"
_TICK_COLUMNS = ["stamp_ns", "window_start_ns", "unfamiliarity", "image_fault"]


class StoreError(RuntimeError):
    """A store cannot be read or written; the message says which, why and what to do."""


class Store:
    """Reads a store. May be used from several threads, and while other processes write to it.

    Attributes:
        location: the folder or address.
    """

    def __init__(self, location: str, database: Any) -> None:
        """Take a connection; :meth:`open` is the usual way."""
        self.location = location
        self._database = database

    @classmethod
    def open(cls, location: Path | str) -> Store:
        """Open a store that is there.

        Raises:
            StoreError: there is none, or a later release wrote it.
        """
        folder = cls(str(location), None).folder
        if folder is None or folder.exists():  # LanceDB would make the folder
            store = cls._connected(str(location))
            if store.table(tables.RECORDINGS) is not None:
                return store
        raise StoreError(
            f"{location} holds no index: make one with `vljepa index SOURCE --store {location}`"
        )

    @classmethod
    def open_or_create(cls, location: Path | str) -> Store:
        """Open a store, or begin one.

        Raises:
            StoreError: it cannot be written, or a later release wrote it.
        """
        store = cls._connected(str(location))
        store.make_table(tables.RUNS, tables.runs_schema())
        store.make_table(tables.RECORDINGS, tables.recordings_schema())
        return store

    def make_space(self, space_id: str, dimension: int) -> None:
        """Make the tables of an embedding space, as far as they are not there.

        Raises:
            StoreError: they cannot be written, or a later release wrote them.
        """
        for kind in tables.OF_A_SPACE:
            schema = tables.schema_of(kind, dimension)
            self.make_table(tables.name_of(kind, space_id), schema)

    @property
    def folder(self) -> Path | None:
        """The folder, or None if the location is an address."""
        return None if "://" in self.location else Path(self.location)

    def recordings(self) -> list[StoredRecording]:
        """Return all recordings in the order of their paths and topics."""
        rows = self._rows(tables.RECORDINGS, "", None)
        by_id = {row["id"]: _recording(row) for row in rows}  # one each, whoever wrote twice
        return sorted(by_id.values(), key=lambda one: (one.path, one.topic))

    def recording(self, recording_id: str) -> StoredRecording:
        """Return a recording.

        Raises:
            StoreError: there is no such recording.
        """
        rows = self._rows(tables.RECORDINGS, f"id = {quoted(recording_id)}", None)
        if not rows:
            raise StoreError(f"{self.location} holds no recording {recording_id!r}")
        return _recording(rows[0])

    def segments(self, recording: StoredRecording) -> list[StoredSegment]:
        """Return the segments of a recording, query by query in the order of time."""
        found = self._of(recording, tables.SEGMENTS, StoredSegment)
        return _in_order(found, recording, lambda segment: segment.start_ns)

    def states(self, recording: StoredRecording) -> list[StoredState]:
        """Return what was told live of a recording, query by query in the order of time."""
        found = self._of(recording, tables.STATES, StoredState)
        return _in_order(found, recording, lambda state: state.stamp_ns)

    def ticks(
        self,
        recording: StoredRecording,
        query: str,
        *,
        vectors: bool = False,
        span_ns: tuple[int, int] | None = None,
    ) -> StoredTicks:
        """Return the embeddings of a query; their vectors only if asked for.

        Args:
            recording: one of this store's.
            query: name of the query.
            vectors: whether the vectors are wanted.
            span_ns: stamps from the first to before the second; None is all.
        """
        columns = [*_TICK_COLUMNS, "vector"] if vectors else _TICK_COLUMNS
        where = f"{_belongs(recording)} AND query = {quoted(query)}"
        if span_ns is not None:
            where += f" AND stamp_ns >= {span_ns[0]} AND stamp_ns < {span_ns[1]}"
        name = tables.name_of(tables.TICKS, recording.space_id)
        rows = self._arrow(name, where, columns)
        rows = rows.sort_by("stamp_ns") if rows.num_rows else rows
        width = recording.dimension if vectors else 0
        return StoredTicks(
            query,
            rows["stamp_ns"].to_numpy(),
            rows["window_start_ns"].to_numpy(),
            rows["unfamiliarity"].to_numpy(),
            rows["image_fault"].to_numpy(),
            _matrix(rows, width, np.float16),
        )

    def segment_vectors(
        self, recording: StoredRecording, query: str
    ) -> dict[int, NDArray[np.float32]]:
        """Return the unit vectors (dimension) of a query's segments by their number."""
        where = f"{_belongs(recording)} AND query = {quoted(query)}"
        name = tables.name_of(tables.SEGMENTS, recording.space_id)
        rows = self._arrow(name, where, ["seq", "vector"])
        vectors = _matrix(rows, recording.dimension, np.float32)
        return dict(zip(rows["seq"].to_pylist(), vectors, strict=True))

    def thumbnail(self, recording: StoredRecording, query: str, seq: int) -> bytes:
        """Return the picture of a segment as JPEG; empty if there is none."""
        where = f"{_belongs(recording)} AND query = {quoted(query)} AND seq = {int(seq)}"
        name = tables.name_of(tables.SEGMENTS, recording.space_id)
        rows = self._rows(name, where, ["thumbnail"])
        return bytes(rows[0]["thumbnail"] or b"") if rows else b""

    def search(
        self,
        vector: ArrayLike,
        space_id: str,
        *,
        limit: int = 10,
        query: str = "",
        recordings: Sequence[str] = (),
        where: str = "",
    ) -> list[SearchHit]:
        """Return the segments nearest to a text's vector, best first.

        Args:
            vector: (dimension), of the space.
            space_id: segments of other spaces are not compared.
            limit: how many at most.
            query: name of the only query that counts; "" is all.
            recordings: ids of those that count; none is all.
            where: further condition on the segments' columns, in SQL.

        Raises:
            StoreError: the store cannot be read.
        """
        valid = {one.run: one for one in self.recordings() if one.space_id == space_id}
        if recordings:
            valid = {run: one for run, one in valid.items() if one.id in set(recordings)}
        table = self.table(tables.name_of(tables.SEGMENTS, space_id))
        if table is None or not valid:
            return []
        conditions = [f"run IN ({', '.join(map(quoted, valid))})"]
        conditions += [f"query = {quoted(query)}"] if query else []
        conditions += [where] if where else []
        columns = [field.name for field in fields(StoredSegment)]
        with self.reading():
            rows = (
                table.search(unit(vector))
                .distance_type("dot")
                .where(" AND ".join(conditions), prefilter=True)
                .select([*columns, "run", "_distance"])
                .limit(limit)
                .to_list()
            )
        return [
            SearchHit(valid[row["run"]], _taken(StoredSegment, row), 1.0 - row["_distance"])
            for row in rows
        ]

    def compact(self) -> None:
        """Join the small files that many recordings leave, and drop versions that are a day old.

        If another process writes meanwhile, that may come to nothing; the next call does it.
        """
        with self.reading():
            names = self._database.list_tables(limit=_MOST_TABLES).tables
        for name in names:
            with suppress(StoreError), self.writing():
                if (table := self.table(name)) is not None:
                    table.optimize(cleanup_older_than=timedelta(days=1))

    def table(self, name: str) -> Any:
        """Return a table of LanceDB, or None if it is not there.

        A folder with its name does not make a table: another process may just be making it.

        Raises:
            StoreError: a later release wrote it, or it cannot be read.
        """
        with self.reading():
            try:
                table = self._database.open_table(name)
            except ValueError:  # LanceDB's answer if there is no such table
                return None
            metadata = table.schema.metadata or {}
        found = metadata.get(tables.FORMAT_KEY, b"")
        if found != str(tables.FORMAT).encode():
            raise StoreError(_wrong_format(self.location, name, found.decode(errors="replace")))
        return table

    def make_table(self, name: str, schema: pa.Schema) -> Any:
        """Return a table, which is made if it is not there.

        LanceDB lets a second process that makes the same table write over the first one's. So only
        one makes tables at a time, as far as the store is a folder.

        Raises:
            StoreError: it cannot be written, or a later release wrote it.
        """
        if (table := self.table(name)) is not None:
            return table
        with self.writing(), self.locked(_TABLES_LOCK):
            if (table := self.table(name)) is None:
                table = self._database.create_table(name, schema=schema)
        return table

    @contextmanager
    def locked(self, name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold one of the store's locks; an address of an object store has none.

        Args:
            name: of the lock.
            waiting: called once if another process holds it.

        Raises:
            OSError: the lock's file cannot be made.
        """
        if self.folder is None:
            yield
            return
        folder = self.folder / _LOCKS
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / name, waiting):
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Name the store in what LanceDB raises meanwhile."""
        try:
            yield
        except StoreError:  # says all of this already
            raise
        except (OSError, RuntimeError, ValueError) as error:
            raise StoreError(f"{self.location} cannot be read: {_cause(error)}") from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Name the store in what LanceDB raises meanwhile; do not begin on a full disk.

        LanceDB may take note of a file of which the disk did not take the end.
        """
        self._check_room()
        try:
            yield
        except StoreError:
            raise
        except (OSError, RuntimeError, ValueError) as error:
            raise StoreError(
                f"{self.location} cannot be written: {_cause(error)}. {_SAFE}"
            ) from error

    def _check_room(self) -> None:
        if self.folder is None or not self.folder.exists():
            return
        free = shutil.disk_usage(self.folder).free
        if free < _LEAST_FREE:
            raise StoreError(
                f"{self.location} cannot be written: its disk is full ({free / 1e6:.0f} MB are "
                f"left, and {_LEAST_FREE / 1e6:.0f} MB are kept free). {_SAFE}"
            )

    @classmethod
    def _connected(cls, location: str) -> Store:
        import lancedb  # here, because it looks for torch, which a robot does not have

        store = cls(location, None)
        if store.folder is not None:
            _check_folder(store.folder)
        with store.reading():  # an interval of 0: always the newest version
            store._database = lancedb.connect(location, read_consistency_interval=timedelta(0))
        return store

    def _of(self, recording: StoredRecording, kind: str, made: type[_T]) -> list[_T]:
        columns = [field.name for field in fields(made)]  # type: ignore[arg-type]
        name = tables.name_of(kind, recording.space_id)
        return [_taken(made, row) for row in self._rows(name, _belongs(recording), columns)]

    def _rows(self, name: str, where: str, columns: list[str] | None) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._arrow(name, where, columns).to_pylist()
        return rows

    def _arrow(self, name: str, where: str, columns: list[str] | None) -> Any:
        table = self.table(name)
        if table is None:
            raise StoreError(f"{self.location} is not whole: its table {name} is missing")
        with self.reading():
            search = table.search()
            search = search.where(where) if where else search
            search = search.select(columns) if columns else search
            return search.limit(_MOST_ROWS).to_arrow()


def quoted(text: str) -> str:
    """Return a text as it stands in a condition of SQL."""
    return "'" + text.replace("'", "''") + "'"


def recording_row(recording: StoredRecording) -> dict[str, Any]:
    """Return a recording as a row of its table."""
    return {**asdict(recording), "queries": json.dumps(dict(recording.queries))}


def _recording(row: Mapping[str, Any]) -> StoredRecording:
    return StoredRecording(**{**row, "queries": json.loads(row["queries"])})


def _taken(made: type[_T], row: Mapping[str, Any]) -> _T:
    return made(**{field.name: row[field.name] for field in fields(made)})  # type: ignore[arg-type]


def _belongs(recording: StoredRecording) -> str:
    return f"recording = {quoted(recording.id)} AND run = {quoted(recording.run)}"


def _in_order(found: list[Any], recording: StoredRecording, time: Any) -> list[Any]:
    order = {query: number for number, query in enumerate(recording.queries)}
    return sorted(found, key=lambda one: (order.get(one.query, len(order)), time(one), one.seq))


def _matrix(rows: Any, width: int, kind: Any) -> NDArray[Any]:
    if not width or not rows.num_rows:
        return np.empty((rows.num_rows, width), kind)
    column = rows["vector"].combine_chunks()
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False)).reshape(-1, width)


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is a file: a store is a folder")


def _wrong_format(location: str, name: str, found: str) -> str:
    if found.isdigit() and int(found) > tables.FORMAT:
        return (
            f"{location} was written by a later release of vljepa_ros (format {found}, this one "
            f"reads {tables.FORMAT}): update vljepa_ros, or index into another folder"
        )
    return f"{location} is no store of vljepa_ros: its table {name} has another format"


def _cause(error: Exception) -> str:
    """Return the first line of an error; LanceDB adds the lines of its source."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
