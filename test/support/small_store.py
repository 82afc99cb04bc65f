# SPDX-License-Identifier: Apache-2.0
"""Small stores of an index with known content, for tests of what reads one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.index.recording_writer import RecordingWriter, Tick
from vljepa_ros.index.store import Store
from vljepa_ros.index.stored import StoredRecording, StoredSegment, StoredState

SPACE = "colours-1"
DIMENSION = 10
START_NS = 1_700_000_000_000_000_000
TICK_S = 0.5


class Part(NamedTuple):
    """A segment: its ends in seconds, its text, and what is known about it."""

    start: float
    end: float
    text: str
    score: float = 0.9
    unfamiliarity: float = math.nan


def store_recording(
    folder: Path,
    path: Path | str,
    parts: Mapping[str, Sequence[Part]],
    *,
    recording_id: str = "",
    topic: str = "",
    space_id: str = SPACE,
    dimension: int = DIMENSION,
) -> StoredRecording:
    """Write a recording with these segments by query into the store in ``folder``.

    Every segment has the vector :func:`vector_of` of its text, and ticks every half second.
    """
    store = Store.open_or_create(folder)
    name = recording_id or Path(path).stem
    writer = RecordingWriter(store, name, space_id, dimension)
    ticks = sum(_write(writer, name, query, parts[query], dimension) for query in parts)
    end = max(part.end for found in parts.values() for part in found)
    recording = StoredRecording(
        id=name,
        path=str(path),
        topic=topic,
        run=writer.run,
        fingerprint="1",
        space_id=space_id,
        dimension=dimension,
        model="colours 1",
        queries={query: f"What {query}?" for query in parts},
        frame_id="camera",
        start_ns=START_NS,
        end_ns=START_NS + round(end * 1e9),
        images=round(end / TICK_S),
        ticks=ticks,
        segments=sum(map(len, parts.values())),
        problems="",
        indexed_ns=START_NS,
    )
    writer.finish(recording)
    return recording


@lru_cache
def vector_of(text: str, dimension: int = DIMENSION) -> NDArray[np.float32]:
    """Return a unit vector that is the same whenever it is asked for."""
    seed = int.from_bytes(text.encode(), "little") % (1 << 32)
    vector = np.random.default_rng(seed).normal(size=dimension)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def _write(
    writer: RecordingWriter, name: str, query: str, parts: Sequence[Part], dimension: int
) -> int:
    ticks, before = 0, ""
    for seq, part in enumerate(parts):
        vector = vector_of(part.text, dimension)
        writer.add_segment(segment_of(name, query, seq, part), vector, _picture(seq))
        writer.add_state(_state(name, query, seq, part, before))
        before = part.text
        for seconds in np.arange(part.start, part.end, TICK_S):
            stamp_ns = _stamp(float(seconds))
            tick = Tick(query, stamp_ns, stamp_ns - 1_000_000_000, vector, part.unfamiliarity)
            writer.add_ticks([tick])
            ticks += 1
    return ticks


def segment_of(name: str, query: str, seq: int, part: Part) -> StoredSegment:
    """Return the segment of a part of the recording ``name``."""
    return StoredSegment(
        recording=name,
        query=query,
        seq=seq,
        start_ns=_stamp(part.start),
        end_ns=_stamp(part.end),
        start=part.start,
        end=part.end,
        text=part.text,
        score=part.score,
        share=part.score,
        cosine=part.score,
        unfamiliarity=part.unfamiliarity,
        samples=max(1, round((part.end - part.start) / TICK_S)),
    )


def _state(name: str, query: str, seq: int, part: Part, before: str) -> StoredState:
    return StoredState(
        recording=name,
        query=query,
        seq=seq,
        stamp_ns=_stamp(part.start) + 100_000_000,
        since_ns=_stamp(part.start),
        text=part.text,
        previous_text=before,
        score=part.score,
        share=part.score,
        cosine=part.score,
        unfamiliarity=part.unfamiliarity,
        image_fault=0,
        distance=0.0 if not before else 0.5,
        reason=1 if before else 0,
    )


def _stamp(seconds: float) -> int:
    return START_NS + round(seconds * 1e9)


@lru_cache
def _picture(seq: int) -> bytes:
    image = np.full((90, 160, 3), (37 * seq) % 256, np.uint8)
    return bytes(cv2.imencode(".jpg", image)[1])
