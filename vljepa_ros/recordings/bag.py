# SPDX-License-Identifier: Apache-2.0
"""Images from a rosbag2 recording (mcap or sqlite3), read without ROS by `rosbags`.

Raw images keep their encoding, so that a replay exercises the same conversion as the camera did.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vljepa_ros.recordings.pixels import pixel_frame
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame
from vljepa_ros.stream.images import ImageError, decode_compressed

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader
    from rosbags.interfaces import Connection

_RAW = "sensor_msgs/msg/Image"
_COMPRESSED = "sensor_msgs/msg/CompressedImage"


class BagSource(Source):
    """One image topic of a bag.

    The stamps are those in the images' headers, or the times of recording where a camera driver
    left the headers empty.
    """

    def __init__(self, path: Path, topic: str) -> None:
        """Open the bag, choose its topic, decode the first image.

        An empty `topic` means the first image topic, if possible one without "depth" in its name.

        Raises:
            SourceError: no such bag or topic, nothing in it can be read, or rosbags is missing.
        """
        super().__init__(f"bag {path}")
        self._path = path
        self.topic = topic
        with _opened(path) as reader:
            self.topic = _choose(reader, topic, path).topic
        self.name = f"bag {path}, topic {self.topic}"
        if next(self.frames(), None) is None:
            causes = "; ".join(self.problems) or "the topic holds no message"
            raise SourceError(f"no image of {self.topic} in {path} can be read: {causes}")
        self.problems.clear()

    def _images(self) -> Iterator[SourceFrame]:
        """Yield the topic's images; those that cannot be read are left out and counted."""
        with _opened(self._path) as reader:
            for connection, recorded_ns, raw in self._messages(reader):
                try:
                    message = reader.deserialize(raw, connection.msgtype)
                    frame = _frame(message, connection.msgtype, recorded_ns)
                except ImageError as error:
                    self.problems[f"image cannot be decoded ({error.cause})"] += 1
                except Exception as error:  # rosbags raises whatever its parser met
                    self.problems[f"message cannot be read ({type(error).__name__})"] += 1
                else:
                    yield frame

    def _messages(self, reader: AnyReader) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield the topic's raw messages up to the end, or to where the file is damaged."""
        chosen = [one for one in reader.connections if one.topic == self.topic]
        try:
            yield from reader.messages(connections=chosen)
        except Exception as error:
            self.problems[f"bag is damaged ({type(error).__name__})"] += 1


@contextmanager
def _opened(path: Path) -> Iterator[AnyReader]:
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError as error:
        raise SourceError(
            f"{path} is a bag, and the Python package that reads bags is missing: "
            "pip install rosbags"
        ) from error
    store = get_typestore(Stores.ROS2_HUMBLE)  # for bags that do not bring their types along
    try:
        with AnyReader([path], default_typestore=store) as reader:
            yield reader
    except SourceError:
        raise
    except Exception as error:  # rosbags raises whatever its parsers met
        raise SourceError(f"{path} is not a bag that can be read: {error}") from error


def _choose(reader: AnyReader, topic: str, path: Path) -> Connection:
    images = [one for one in reader.connections if one.msgtype in (_RAW, _COMPRESSED)]
    names = ", ".join(one.topic for one in images)
    if not images:
        raise SourceError(f"{path} holds no image topic ({_RAW} or {_COMPRESSED})")
    if not topic:
        return min(images, key=lambda one: "depth" in one.topic)
    wanted = {topic, f"/{topic}"}
    for one in images:
        if one.topic in wanted:
            return one
    raise SourceError(f"{path} has no image topic {topic!r}; its image topics are: {names}")


def _frame(message: Any, kind: str, recorded_ns: int) -> SourceFrame:
    stamp = message.header.stamp
    stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec or recorded_ns
    frame_id = message.header.frame_id
    if kind == _COMPRESSED:
        rgb = decode_compressed(memoryview(message.data))
        return pixel_frame(rgb, "rgb8", stamp_ns, frame_id)
    return SourceFrame(
        stamp_ns,
        message.encoding,
        message.width,
        message.height,
        message.step,
        memoryview(message.data),
        bool(message.is_bigendian),
        frame_id,
    )
