# SPDX-License-Identifier: Apache-2.0
"""Bag files of ROS 1 (.bag), read by `rosbags`."""

from __future__ import annotations

from collections.abc import Iterator

from vljepa_ros.recordings.bag_file import BagFile, BagTopic, StoredMessage
from vljepa_ros.recordings.source import SourceError

MAGIC = b"#ROSBAG V"
_DAMAGED = "bag file is damaged: the rest of its messages is left out"


class Ros1File(BagFile):
    """One ROS 1 bag; it needs its index, so a recording that was cut off must be reindexed."""

    def topics(self) -> tuple[list[BagTopic], str]:
        """Return the topics."""
        from rosbags.rosbag1 import Reader

        try:
            with Reader(self.path) as reader:
                return [
                    BagTopic(one.topic, one.msgtype, "ros1", one.msgcount)
                    for one in reader.connections
                ], ""
        except Exception as error:  # rosbags raises whatever its parser met
            raise SourceError(
                f"{self.path} is a ROS 1 bag that cannot be read: {error} "
                "(if its recorder was stopped early, `rosbag reindex` of ROS 1 mends it)"
            ) from error

    def messages(self, topic: BagTopic) -> Iterator[StoredMessage]:
        """Yield the topic's messages up to the end, or to the first that is damaged."""
        from rosbags.rosbag1 import Reader

        try:
            with Reader(self.path) as reader:
                chosen = [one for one in reader.connections if one.topic == topic.name]
                for _, recorded_ns, data in reader.messages(connections=chosen):
                    yield recorded_ns, bytes(data)
        except Exception:  # rosbags raises whatever its parser met
            self._problems[_DAMAGED] += 1
