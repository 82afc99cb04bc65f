# SPDX-License-Identifier: Apache-2.0
"""Images out of the serialised messages of one topic."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from vljepa_ros.recordings.bag_file import BagTopic, StoredMessage
from vljepa_ros.recordings.pixels import pixel_frame
from vljepa_ros.recordings.source import SourceError, SourceFrame
from vljepa_ros.recordings.video_packets import VideoPackets, video_codec
from vljepa_ros.stream.compressed import decode_compressed
from vljepa_ros.stream.images import ImageError

_RAW = "sensor_msgs/msg/Image"
_COMPRESSED = "sensor_msgs/msg/CompressedImage"
_FFMPEG = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
_FOXGLOVE = "foxglove_msgs/msg/CompressedVideo"
IMAGE_TYPES = (_RAW, _COMPRESSED, _FFMPEG, _FOXGLOVE)
_DEFINITIONS = {
    _FFMPEG: "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\n"
    "uint8 flags\nbool is_bigendian\nuint8[] data\n",
    _FOXGLOVE: "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n",
}


def is_image_topic(topic: BagTopic) -> bool:
    """Return whether the topic's messages hold images of a kind that is known."""
    return topic.type in IMAGE_TYPES and topic.encoding in ("cdr", "ros1")


class BagImages:
    """Turns one topic's messages into images, in the order of the messages."""

    def __init__(self, topic: BagTopic) -> None:
        """Begin before the first message.

        Raises:
            SourceError: the package `rosbags` is missing.
        """
        self._topic = topic
        self._store = _type_store(topic.encoding)
        self._video: VideoPackets | None = None
        self._frame_id = ""

    def read(self, stored: StoredMessage) -> Iterator[SourceFrame]:
        """Yield the images of a message: one, or with video packets none or several.

        Raises:
            ImageError: the image cannot be decoded.
            Exception: what `rosbags` meets in a message that is no such message.
        """
        recorded_ns, raw = stored
        message = self._message(raw)
        if self._topic.type == _RAW:
            yield _raw_frame(message, recorded_ns)
        elif self._topic.type == _FOXGLOVE:
            stamp_ns = _nanoseconds(message.timestamp) or recorded_ns
            yield from self._video_frames(message, message.format, stamp_ns, message.frame_id)
        else:
            said = message.encoding if self._topic.type == _FFMPEG else message.format
            stamp_ns = _nanoseconds(message.header.stamp) or recorded_ns
            frame_id = message.header.frame_id
            if self._topic.type == _FFMPEG or video_codec(said):
                yield from self._video_frames(message, said, stamp_ns, frame_id)
            else:
                rgb = decode_compressed(memoryview(message.data), said)
                yield pixel_frame(rgb, "rgb8", stamp_ns, frame_id)

    def rest(self) -> Iterator[SourceFrame]:
        """Yield the images that video packets leave in the decoder."""
        if self._video is not None:
            for stamp_ns, rgb in self._video.rest():
                yield pixel_frame(rgb, "rgb8", stamp_ns, self._frame_id)

    def _message(self, raw: bytes) -> Any:
        if self._topic.encoding == "ros1":
            return self._store.deserialize_ros1(raw, self._topic.type)
        return self._store.deserialize_cdr(raw, self._topic.type)

    def _video_frames(
        self, message: Any, said: str, stamp_ns: int, frame_id: str
    ) -> Iterator[SourceFrame]:
        if self._video is None:
            codec = video_codec(said)
            if codec is None:
                raise ImageError("encoding", f"the video codec {said[:40]!r} is not supported")
            self._video = VideoPackets(codec)
        self._frame_id = frame_id
        for image_ns, rgb in self._video.decode(message.data, stamp_ns):
            yield pixel_frame(rgb, "rgb8", image_ns, frame_id)


def _nanoseconds(stamp: Any) -> int:
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def _raw_frame(message: Any, recorded_ns: int) -> SourceFrame:
    return SourceFrame(
        _nanoseconds(message.header.stamp) or recorded_ns,
        message.encoding,
        message.width,
        message.height,
        message.step,
        memoryview(message.data),
        bool(message.is_bigendian),
        message.header.frame_id,
    )


@lru_cache(maxsize=2)
def _type_store(encoding: str) -> Any:
    """Return what `rosbags` needs to read image messages of ROS 2 or of ROS 1."""
    try:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ImportError as error:
        raise SourceError(
            "this is a bag, and the Python package that reads bags is missing: pip install rosbags"
        ) from error
    store = get_typestore(Stores.ROS1_NOETIC if encoding == "ros1" else Stores.ROS2_HUMBLE)
    for name, definition in _DEFINITIONS.items():
        store.register(get_types_from_msg(definition, name))
    return store
