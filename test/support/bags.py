# SPDX-License-Identifier: Apache-2.0
"""Bags as recorders other than rosbag2's write them, or leave them behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.recordings import bag_image, serialised

IMAGE = "sensor_msgs/msg/Image"


@dataclass(frozen=True)
class Topic:
    """A topic of an MCAP file: (time of recording in ns, serialised message), and what it says."""

    name: str
    messages: Sequence[tuple[int, bytes]]
    type: str = IMAGE
    encoding: str = "cdr"
    schema_encoding: str = "ros2msg"
    schema: bytes = b""


def images_topic(colours: Iterable[str], name: str = "/image") -> Topic:
    """Return a topic with one raw image of each colour, 100 ms apart."""
    step = 100_000_000
    messages = [
        (number * step, serialised(bag_image(colour, number * step)))
        for number, colour in enumerate(colours, start=1)
    ]
    return Topic(name, messages)


def write_mcap(
    path: Path, topics: Iterable[Topic], *, profile: str = "ros2", **options: Any
) -> Path:
    """Write topics one after the other; `options` are those of mcap's writer."""
    from mcap.writer import Writer

    with path.open("wb") as stream:
        writer = Writer(stream, **options)
        writer.start(profile)
        for topic in topics:
            schema = writer.register_schema(topic.type, topic.schema_encoding, topic.schema)
            channel = writer.register_channel(topic.name, topic.encoding, schema)
            for recorded_ns, data in topic.messages:
                writer.add_message(channel, recorded_ns, data, recorded_ns)
        writer.finish()
    return path


def write_topics(path: Path, topics: Mapping[str, Sequence[Any]], **compression: Any) -> Path:
    """Write messages of `rosbags` by topic to a rosbag2, one nanosecond apart."""
    from rosbags.rosbag2 import CompressionFormat, StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    plugin = compression.get("storage", StoragePlugin.MCAP)
    writer = Writer(path, version=9, storage_plugin=plugin)
    if mode := compression.get("mode"):
        writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        for name, messages in topics.items():
            kind = messages[0].__msgtype__ if messages else IMAGE
            connection = writer.add_connection(name, kind, typestore=store)
            for recorded_ns, message in enumerate(messages, start=1):
                writer.write(connection, recorded_ns, serialised(message))
    return path


def ros1_images(colours: Iterable[str]) -> list[tuple[int, bytes]]:
    """Return (time of recording in ns, raw image as ROS 1 serialises it) of each colour."""
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC)
    types = store.types
    messages = []
    for number, colour in enumerate(colours, start=1):
        image = bag_image(colour, number)
        stamp = types["builtin_interfaces/msg/Time"](0, number)
        header = types["std_msgs/msg/Header"](number, stamp, "camera")
        fields = (image.height, image.width, "rgb8", 0, image.step, image.data)
        data = store.serialize_ros1(types[IMAGE](header, *fields), IMAGE)
        messages.append((number, bytes(data)))
    return messages


def write_ros1_bag(path: Path, colours: Iterable[str]) -> Path:
    """Write one raw image of each colour to a bag of ROS 1, beside a topic of unknown type."""
    from rosbags.rosbag1 import Writer
    from rosbags.typesys import Stores, get_typestore

    with Writer(path) as writer:
        writer.add_connection("/odd", "my_msgs/msg/X", msgdef="my_msgs/Part part", md5sum="0" * 32)
        store = get_typestore(Stores.ROS1_NOETIC)
        connection = writer.add_connection("/image", IMAGE, typestore=store)
        for recorded_ns, data in ros1_images(colours):
            writer.write(connection, recorded_ns, data)
    return path
