# SPDX-License-Identifier: Apache-2.0
"""Small real recordings (video, folder, bag) of plain colours, written for tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recordings.source import Source, SourceFrame
from vljepa_ros.stream.images import decode_image

WIDTH, HEIGHT = 64, 48
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 30),
    "green": (30, 200, 30),
    "blue": (30, 30, 220),
    "black": (5, 5, 5),
}


def picture(colour: str) -> NDArray[np.uint8]:
    """Return a uint8 RGB image full of `colour`."""
    return np.full((HEIGHT, WIDTH, 3), COLOURS[colour], np.uint8)


def write_video(path: Path, colours: Sequence[str], rate_hz: float = 10.0) -> Path:
    """Write one image of each colour to an mp4 file."""
    code = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), code, rate_hz, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for colour in colours:
        writer.write(picture(colour)[..., ::-1])
    writer.release()
    return path


def write_folder(folder: Path, names: Sequence[str], colours: Sequence[str]) -> Path:
    """Write one PNG file of each colour under the given names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, colour in zip(names, colours, strict=False):
        cv2.imwrite(str(folder / name), picture(colour)[..., ::-1])
    return folder


def write_bag(
    path: Path,
    images: Sequence[tuple[int, Any]],
    *,
    storage: Literal["mcap", "sqlite3"] = "mcap",
    topic: str = "/camera/image_raw",
    depth: Sequence[tuple[int, Any]] = (),
) -> Path:
    """Write (time of recording in ns, message of `bag_image()` or `bag_jpeg()`) to a rosbag2.

    `depth` goes to a topic of its own, which comes before `topic`.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer

    plugin = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}[storage]
    store = _types()
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        chatter = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        for recorded_ns, message in depth:
            first = writer.add_connection("/a/depth", message.__msgtype__, typestore=store)
            writer.write(first, recorded_ns, store.serialize_cdr(message, message.__msgtype__))
        kind = images[0][1].__msgtype__ if images else "sensor_msgs/msg/Image"
        connection = writer.add_connection(topic, kind, typestore=store)
        text = store.types["std_msgs/msg/String"]("hello")
        writer.write(chatter, 1, store.serialize_cdr(text, "std_msgs/msg/String"))
        for recorded_ns, message in images:
            writer.write(connection, recorded_ns, store.serialize_cdr(message, kind))
    return path


def bag_image(colour: str, stamp_ns: int, encoding: str = "rgb8") -> Any:
    """Return a sensor_msgs/Image as `rosbags` writes it; `stamp_ns` 0 leaves the header empty."""
    rgb = picture(colour)
    data = rgb if encoding == "rgb8" else rgb[..., ::-1]
    image = _types().types["sensor_msgs/msg/Image"]
    header = _header(stamp_ns)
    return image(header, HEIGHT, WIDTH, encoding, 0, 3 * WIDTH, np.ascontiguousarray(data).ravel())


def bag_jpeg(colour: str, stamp_ns: int, *, damaged: bool = False) -> Any:
    """Return a sensor_msgs/CompressedImage as `rosbags` writes it."""
    _, data = cv2.imencode(".jpg", picture(colour)[..., ::-1])
    data = data.ravel()[: 20 if damaged else None]
    image = _types().types["sensor_msgs/msg/CompressedImage"]
    return image(_header(stamp_ns), "jpeg", data)


@lru_cache(maxsize=1)
def _types() -> Any:
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS2_HUMBLE)


def _header(stamp_ns: int) -> Any:
    types = _types().types
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    stamp = types["builtin_interfaces/msg/Time"](seconds, nanoseconds)
    return types["std_msgs/msg/Header"](stamp, "camera_optical")


def serialised(message: Any) -> bytes:
    """Return a message of `rosbags` as a recorder stores it."""
    return bytes(_types().serialize_cdr(message, message.__msgtype__))


def bag_compressed(data: bytes, stamp_ns: int, said: str = "jpeg") -> Any:
    """Return a sensor_msgs/CompressedImage of any data with any format."""
    image = _types().types["sensor_msgs/msg/CompressedImage"]
    return image(_header(stamp_ns), said, np.frombuffer(data, np.uint8))


def colour_of(frame: SourceFrame) -> str:
    """Decode the frame as the embedder will, and name the nearest colour."""
    image = decode_image(
        encoding=frame.encoding,
        width=frame.width,
        height=frame.height,
        step=frame.step,
        is_bigendian=frame.is_bigendian,
        data=frame.data,
    )
    mean = image.reshape(-1, 3).mean(axis=0)
    return min(COLOURS, key=lambda name: float(np.abs(mean - COLOURS[name]).sum()))


def seen(source: Source) -> list[str]:
    """Return the colours of all the source's images."""
    return [colour_of(frame) for frame in source.frames()]
