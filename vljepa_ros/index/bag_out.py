# SPDX-License-Identifier: Apache-2.0
"""What a store holds of a recording as a rosbag2: embeddings, states and segments at their times.

Played beside the bag of the images, it shows in rviz or Foxglove what the nodes would have said.
It is written in MCAP, because such a file explains its own messages; metadata in the form that
Humble and all later releases read.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from vljepa_ros.index.store import Store
from vljepa_ros.index.stored import StoredRecording, StoredSegment, StoredState
from vljepa_ros.shipped import places
from vljepa_ros.stream.vectors import unit

EMBEDDINGS, STATES, SEGMENTS = "/embedder/embedding", "/describer/state", "/describer/segment"
_TYPES = {EMBEDDINGS: "Embedding", STATES: "StateDescription", SEGMENTS: "Segment"}
_WINDOW_NS = 300_000_000_000  # of embeddings in memory
_HUMBLE = 8  # version of the metadata
_NS = 1_000_000_000

Stamped = tuple[int, str, Any]
"""Stamp, topic and message."""


class BagOutError(RuntimeError):
    """No bag can be written; the message says why."""


def write_bag(store: Store, recording: StoredRecording, bag: Path) -> None:
    """Write the bag of a recording; it appears whole or not at all.

    Args:
        store: holds the recording.
        recording: one of the store's.
        bag: the folder that the bag will be.

    Raises:
        BagOutError: something has the name, or the definitions of the messages are missing.
        StoreError: the store cannot be read.
        OSError: the bag cannot be written.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer

    if bag.exists():
        raise BagOutError(f"{bag} is there already, and is left as it is")
    types = _type_store()
    bag.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{bag.name}.", dir=bag.parent) as scratch:
        part = Path(scratch, bag.name)
        with Writer(part, version=_HUMBLE, storage_plugin=StoragePlugin.MCAP) as writer:
            topics = {
                topic: writer.add_connection(topic, f"vljepa_msgs/msg/{kind}", typestore=types)
                for topic, kind in _TYPES.items()
            }
            for stamp_ns, topic, message in _Messages(types, store, recording).in_order():
                raw = types.serialize_cdr(message, message.__msgtype__)
                writer.write(topics[topic], stamp_ns, raw)
        part.rename(bag)


class _Messages:
    """The messages of one recording."""

    def __init__(self, types: Any, store: Store, recording: StoredRecording) -> None:
        self._types, self._store, self._recording = types.types, store, recording

    def in_order(self) -> Iterator[Stamped]:
        """Yield all messages in the order of their stamps."""
        recording, store = self._recording, self._store
        states = (self._state(one) for one in store.states(recording))
        streams = [self._embeddings(query) for query in recording.queries]
        segments = (one for query in recording.queries for one in self._segments(query))
        streams += [iter(sorted(part, key=_stamp)) for part in (states, segments)]
        yield from heapq.merge(*streams, key=_stamp)

    def _embeddings(self, query: str) -> Iterator[Stamped]:
        recording, seq = self._recording, 0
        for start_ns in range(recording.start_ns, recording.end_ns + 1, _WINDOW_NS):
            span = (start_ns, start_ns + _WINDOW_NS)
            ticks = self._store.ticks(recording, query, vectors=True, span_ns=span)
            for row, stamp_ns in enumerate(ticks.stamps_ns.tolist()):
                message = self._message(
                    EMBEDDINGS,
                    header=self._header(stamp_ns),
                    window_start=self._time(int(ticks.window_starts_ns[row])),
                    space_id=recording.space_id,
                    query=query,
                    normalized=True,
                    seq=seq,
                    unfamiliarity=float(ticks.unfamiliarity[row]),
                    image_fault=int(ticks.image_faults[row]),
                    data=unit(ticks.vectors[row]),
                )
                yield stamp_ns, EMBEDDINGS, message
                seq += 1

    def _segments(self, query: str) -> Iterator[Stamped]:
        vectors = self._store.segment_vectors(self._recording, query)
        for one in self._store.segments(self._recording):
            if one.query == query:
                yield self._segment(one, vectors[one.seq])

    def _segment(self, one: StoredSegment, vector: np.ndarray[Any, Any]) -> Stamped:
        message = self._message(
            SEGMENTS,
            header=self._header(one.end_ns),
            start=self._time(one.start_ns),
            end=self._time(one.end_ns),
            text=one.text,
            query=one.query,
            score=one.score,
            share=one.share,
            unfamiliarity=one.unfamiliarity,
            cosine=one.cosine,
            space_id=self._recording.space_id,
            normalized=True,
            data=vector,
            samples=one.samples,
            seq=one.seq,
        )
        return one.end_ns, SEGMENTS, message

    def _state(self, one: StoredState) -> Stamped:
        message = self._message(
            STATES,
            header=self._header(one.stamp_ns),
            since=self._time(one.since_ns),
            text=one.text,
            previous_text=one.previous_text,
            query=one.query,
            score=one.score,
            share=one.share,
            cosine=one.cosine,
            unfamiliarity=one.unfamiliarity,
            image_fault=one.image_fault,
            distance=one.distance,
            reason=one.reason,
            seq=one.seq,
        )
        return one.stamp_ns, STATES, message

    def _message(self, topic: str, **values: Any) -> Any:
        return self._types[f"vljepa_msgs/msg/{_TYPES[topic]}"](**values)

    def _header(self, stamp_ns: int) -> Any:
        header = self._types["std_msgs/msg/Header"]
        return header(stamp=self._time(stamp_ns), frame_id=self._recording.frame_id)

    def _time(self, stamp_ns: int) -> Any:
        seconds, nanoseconds = divmod(stamp_ns, _NS)
        return self._types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)


def _stamp(one: Stamped) -> int:
    return one[0]


@lru_cache(maxsize=1)
def _type_store() -> Any:
    """Return the messages of ROS 2 and ours.

    Raises:
        BagOutError: the definitions of ours are not found.
    """
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    for kind in _TYPES.values():
        text = _definition(kind).read_text(encoding="utf-8")
        store.register(get_types_from_msg(text, f"vljepa_msgs/msg/{kind}"))
    return store


def _definition(kind: str) -> Path:
    """Return the file that defines a message: in the checkout, or installed with vljepa_msgs."""
    name = f"vljepa_msgs/msg/{kind}.msg"
    for path in (*places(name), *places(f"../{name}")):
        if path.is_file():
            return path
    raise BagOutError(f"{name} is nowhere: build vljepa_msgs, and source its setup file")
