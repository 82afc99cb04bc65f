# SPDX-License-Identifier: Apache-2.0
"""Small real recordings (video, folder, bag) written for tests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import av
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
    """Return a uint8 RGB image of `colour` with a grey thing: else the lens would be covered."""
    image = np.full((HEIGHT, WIDTH, 3), COLOURS[colour], np.uint8)
    image[: HEIGHT // 3, : WIDTH // 3] = 128
    return image


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
        if depth:
            kind = depth[0][1].__msgtype__
            first = writer.add_connection("/a/depth", kind, typestore=store)
            for recorded_ns, message in depth:
                writer.write(first, recorded_ns, store.serialize_cdr(message, kind))
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
    return bag_pixels(rgb if encoding == "rgb8" else rgb[..., ::-1], stamp_ns, encoding)


def bag_pixels(pixels: NDArray[np.uint8], stamp_ns: int, encoding: str = "rgb8") -> Any:
    """Return a sensor_msgs/Image with the pixels (H, W, 3) in the order of `encoding`."""
    image = _types().types["sensor_msgs/msg/Image"]
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels).ravel()
    return image(_header(stamp_ns), height, width, encoding, 0, 3 * width, data)


def numbered_pictures(count: int, height: int = 32, width: int = 32) -> list[NDArray[np.uint8]]:
    """Return RGB images (H, W, 3) of which each is different from all others."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (height, width, 3), np.uint8) for _ in range(count)]


def write_film(
    path: Path,
    pictures: Sequence[NDArray[np.uint8]],
    times_ms: Sequence[int],
    *,
    codec: str = "ffv1",
    pixels: str = "bgr0",
    **options: str,
) -> Path:
    """Write RGB images that are shown at these times with PyAV; ffv1 loses nothing.

    `options` are those of the codec.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.time_base = Fraction(1, 1000)
        for picture, time_ms in zip(pictures, times_ms, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_picture_files(
    folder: Path, pictures: Sequence[NDArray[np.uint8]], times_ms: Sequence[int]
) -> Path:
    """Write RGB images as PNG files that are named by their times in nanoseconds."""
    folder.mkdir(parents=True)
    for picture, time_ms in zip(pictures, times_ms, strict=True):
        name = 1_700_000_000_000_000_000 + time_ms * 1_000_000
        cv2.imwrite(str(folder / f"{name}.png"), picture[..., ::-1])
    return folder


def write_picture_bag(
    path: Path, pictures: Sequence[NDArray[np.uint8]], times_ms: Sequence[int]
) -> Path:
    """Write RGB images to a bag; their headers hold the times after an hour."""
    stamps = [3_600_000_000_000 + time_ms * 1_000_000 for time_ms in times_ms]
    pairs = zip(pictures, stamps, strict=True)
    return write_bag(path, [(stamp, bag_pixels(picture, stamp)) for picture, stamp in pairs])


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
