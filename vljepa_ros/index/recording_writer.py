# SPDX-License-Identifier: Apache-2.0
"""Writes one recording into a store, in bounded batches, and makes it visible at the end."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vljepa_ros.index import tables
from vljepa_ros.index.store import Store, quoted, recording_row
from vljepa_ros.index.stored import StoredRecording, StoredSegment, StoredState

_BATCH_BYTES = 4_000_000  # of vectors and pictures
_BATCH_ROWS = 8192  # which may have neither
_LARGE = ("vector", "thumbnail")


@dataclass(frozen=True)
class Tick:
    """The embedding of one query and clip.

    Attributes:
        query: name of the query.
        stamp_ns: stamp of the clip's newest image.
        window_start_ns: stamp of the clip's oldest image.
        vector: unit vector (dimension).
        unfamiliarity: of the clip (0..1); NaN if it is not known.
        image_fault: as in Embedding.msg.
    """

    query: str
    stamp_ns: int
    window_start_ns: int
    vector: NDArray[np.float32]
    unfamiliarity: float
    image_fault: int = 0


class RecordingWriter:
    """Takes what is found in one recording. For one thread.

    Nothing of it can be read before :meth:`finish`; a recording of the same id is replaced then.
    The caller sees to it that no other process writes the same recording meanwhile.

    Attributes:
        run: names this indexing.
    """

    def __init__(self, store: Store, recording_id: str, space_id: str, dimension: int) -> None:
        """Begin, and remove what indexings of this recording that were killed left behind.

        Raises:
            StoreError: the store cannot be written.
        """
        self.run = uuid.uuid4().hex
        self._store, self._id, self._space_id = store, recording_id, space_id
        self._runs = store.make_table(tables.RUNS, tables.runs_schema())
        self._remove_abandoned()
        with store.writing():
            self._runs.add([self._run_row()])
        self._batches = {
            kind: _Batch(store, kind, space_id, dimension) for kind in tables.OF_A_SPACE
        }

    def add_ticks(self, ticks: Sequence[Tick]) -> None:
        """Take the embeddings of a clip.

        Raises:
            StoreError: the store cannot be written.
        """
        for tick in ticks:
            self._batches[tables.TICKS].add({**self._key, **vars(tick)})

    def add_segment(
        self, segment: StoredSegment, vector: NDArray[np.float32], thumbnail: bytes = b""
    ) -> None:
        """Take a segment, its unit vector (dimension), and a picture of it as JPEG.

        Raises:
            StoreError: the store cannot be written.
        """
        row = {**self._key, **asdict(segment), "vector": vector, "thumbnail": thumbnail}
        self._batches[tables.SEGMENTS].add(row)

    def add_state(self, state: StoredState) -> None:
        """Take a state that was told.

        Raises:
            StoreError: the store cannot be written.
        """
        self._batches[tables.STATES].add({**self._key, **asdict(state)})

    def finish(self, recording: StoredRecording) -> None:
        """Write what is left, and make the recording visible in place of an older one.

        Raises:
            StoreError: the store cannot be written; an older one stays.
        """
        for batch in self._batches.values():
            batch.flush()
        table = self._store.make_table(tables.RECORDINGS, tables.recordings_schema())
        older = [one for one in self._store.recordings() if one.id == self._id]
        with self._store.writing():
            (
                table.merge_insert("id")
                .when_matched_update_all()
                .when_not_matched_insert_all()
                .execute(pa.Table.from_pylist([recording_row(recording)], schema=table.schema))
            )
            for one in older:
                self._remove(one.run, one.space_id)
            self._runs.delete(f"run = {quoted(self.run)}")

    @property
    def _key(self) -> dict[str, str]:
        return {"recording": self._id, "run": self.run}

    def _run_row(self) -> dict[str, Any]:
        return {**self._key, "space_id": self._space_id, "begun_ns": time.time_ns()}

    def _remove_abandoned(self) -> None:
        with self._store.writing():
            of_this = f"recording = {quoted(self._id)}"
            abandoned = self._runs.search().where(of_this).limit(1 << 20).to_list()
            for row in abandoned:
                self._remove(row["run"], row["space_id"])
                self._runs.delete(f"run = {quoted(row['run'])}")

    def _remove(self, run: str, space_id: str) -> None:
        for kind in tables.OF_A_SPACE:
            table = self._store.table(tables.name_of(kind, space_id))
            if table is not None:
                table.delete(f"recording = {quoted(self._id)} AND run = {quoted(run)}")


class _Batch:
    """Rows of one table that wait to be written together."""

    def __init__(self, store: Store, kind: str, space_id: str, dimension: int) -> None:
        self._store = store
        self._schema = tables.schema_of(kind, dimension)
        self._table = store.make_table(tables.name_of(kind, space_id), self._schema)
        self._rows: list[Mapping[str, Any]] = []
        self._bytes = 0

    def add(self, row: Mapping[str, Any]) -> None:
        self._rows.append(row)
        self._bytes += sum(memoryview(row[name]).nbytes for name in _LARGE if name in row)
        if self._bytes >= _BATCH_BYTES or len(self._rows) >= _BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            columns = [_column(self._rows, field) for field in self._schema]
            with self._store.writing():
                self._table.add(pa.Table.from_arrays(columns, schema=self._schema))
            self._rows, self._bytes = [], 0


def _column(rows: Sequence[Mapping[str, Any]], field: pa.Field) -> pa.Array:
    values = [row[field.name] for row in rows]
    if pa.types.is_fixed_size_list(field.type):
        kind = field.type.value_type.to_pandas_dtype()
        flat = np.concatenate(values, dtype=kind, casting="same_kind")
        return pa.FixedSizeListArray.from_arrays(pa.array(flat), type=field.type)
    return pa.array(values, field.type)
