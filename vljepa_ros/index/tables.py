# SPDX-License-Identifier: Apache-2.0
"""The tables of a store: their columns, their format, and the rows that belong to a space.

Embeddings of two models do not compare and may have different dimensions, so each space has tables
of its own: ``segments-<digest of the space id>``, and the same for states and ticks. Recordings of
all spaces stand in one table. Every row of the others names its recording and the run of
indexing that wrote it; only runs that a row of ``recordings`` names are valid.
"""

from __future__ import annotations

import hashlib

import pyarrow as pa

FORMAT = 1
FORMAT_KEY = b"vljepa_ros.format"
RECORDINGS, RUNS = "recordings", "runs"
SEGMENTS, STATES, TICKS = "segments", "states", "ticks"
OF_A_SPACE = (SEGMENTS, STATES, TICKS)

_METADATA = {FORMAT_KEY: str(FORMAT).encode()}
_KEY = [("recording", pa.string()), ("run", pa.string()), ("query", pa.string())]
_ANSWER = [
    ("text", pa.string()),
    ("score", pa.float32()),
    ("share", pa.float32()),
    ("cosine", pa.float32()),
    ("unfamiliarity", pa.float32()),
]


def recordings_schema() -> pa.Schema:
    """Return the columns of ``recordings``; queries are a JSON object."""
    texts = ("id", "path", "topic", "run", "fingerprint", "space_id", "model", "queries")
    more_texts = ("frame_id", "problems")
    numbers = ("dimension", "start_ns", "end_ns", "images", "ticks", "segments", "indexed_ns")
    columns = [(name, pa.string()) for name in (*texts, *more_texts)]
    return _schema([*columns, *((name, pa.int64()) for name in numbers)])


def runs_schema() -> pa.Schema:
    """Return the columns of ``runs``: what was begun and is not known to have ended well."""
    texts = ("recording", "run", "space_id")
    return _schema([*((name, pa.string()) for name in texts), ("begun_ns", pa.int64())])


def schema_of(kind: str, dimension: int) -> pa.Schema:
    """Return the columns of one of :data:`OF_A_SPACE`."""
    if kind == SEGMENTS:
        return _schema(
            [
                *_KEY,
                *_numbers(pa.int64(), "seq", "start_ns", "end_ns", "samples"),
                *_numbers(pa.float64(), "start", "end"),
                *_ANSWER,
                ("thumbnail", pa.binary()),
                ("vector", pa.list_(pa.float32(), dimension)),
            ]
        )
    if kind == STATES:
        return _schema(
            [
                *_KEY,
                *_numbers(pa.int64(), "seq", "stamp_ns", "since_ns"),
                *_ANSWER,
                ("previous_text", pa.string()),
                ("distance", pa.float32()),
                *_numbers(pa.uint8(), "image_fault", "reason"),
            ]
        )
    return _schema(
        [
            *_KEY,
            *_numbers(pa.int64(), "stamp_ns", "window_start_ns"),
            ("unfamiliarity", pa.float32()),
            ("image_fault", pa.uint8()),
            ("vector", pa.list_(pa.float16(), dimension)),
        ]
    )


def name_of(kind: str, space_id: str) -> str:
    """Return the name of a space's table."""
    return f"{kind}-{hashlib.sha256(space_id.encode()).hexdigest()[:12]}"


def _numbers(kind: pa.DataType, *names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, kind) for name in names]


def _schema(columns: list[tuple[str, pa.DataType]]) -> pa.Schema:
    return pa.schema(columns, metadata=_METADATA)
