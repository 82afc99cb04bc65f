# SPDX-License-Identifier: Apache-2.0
"""Real robot video for tests: a sample of BridgeData V2 that lies beside the checkout, if at all.

Reads ``tf.train.Example`` records without TensorFlow: a record is a length, a checksum, a protobuf
message and a checksum, and of protobuf only length-delimited fields occur on the way to the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

EPISODES = Path(__file__).resolve().parents[3] / "shared/data/bridge_v2/episodes.tfrecord"


def clips() -> Iterator[tuple[str, list[NDArray[np.uint8]]]]:
    """Yield (instruction, RGB frames of the first camera) of every episode."""
    for record in _records(EPISODES.read_bytes()):
        features = dict(_features(record))
        images = next(v for k, v in sorted(features.items()) if k.endswith("image_0"))
        text = next(v for k, v in features.items() if k.endswith("language_instruction"))
        frames = [cv2.imdecode(np.frombuffer(i, np.uint8), cv2.IMREAD_COLOR) for i in images]
        yield text[0].decode(), [frame[..., ::-1] for frame in frames]


def _records(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 8], "little")
        yield data[at + 12 : at + 12 + length]
        at += length + 16


def _features(example: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the name and values of every bytes_list feature of an Example."""
    ((_, features),) = _fields(example)
    for _, entry in _fields(features):
        name, feature = (value for _, value in _fields(entry))
        for kind, values in _fields(feature):
            if kind == 1:  # bytes_list; the others are float_list and int64_list
                yield name.decode(), [value for _, value in _fields(values)]


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (number, content) of the length-delimited fields of a protobuf message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        length, at = _varint(message, at)
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
