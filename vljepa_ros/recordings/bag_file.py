# SPDX-License-Identifier: Apache-2.0
"""What all storage files of a bag have in common: topics, and messages as they were stored.

No message definition of a bag is ever read. A bag's other topics may have definitions that nobody
can parse, and the definitions of image messages have not changed since the first ROS 2.
"""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

_ORDERED_MESSAGES = 256
_ORDERED_BYTES = 64_000_000
StoredMessage = tuple[int, bytes]


@dataclass(frozen=True)
class BagTopic:
    """One topic of a bag.

    Attributes:
        name: its name.
        type: its message type with three parts, for example ``sensor_msgs/msg/Image``.
        encoding: how its messages are serialised: ``cdr`` (ROS 2), ``ros1``, ``json`` ...
        messages: how many there are.
    """

    name: str
    type: str
    encoding: str
    messages: int = 0

    def __str__(self) -> str:
        """Return what a user should know of it."""
        foreign = "" if self.encoding in ("cdr", "ros1") else f" as {self.encoding}"
        plural = "" if self.messages == 1 else "s"
        return f"{self.name} ({self.type}{foreign}, {self.messages} message{plural})"


class BagFile(ABC):
    """One file of a bag. It is opened for each reading, and never written to."""

    def __init__(self, path: Path, problems: Counter[str]) -> None:
        """Keep the path, and the counter for what cannot be read of the file."""
        self.path = path
        self._problems = problems

    @abstractmethod
    def topics(self) -> tuple[list[BagTopic], str]:
        """Return the topics, and what is missing of the file ("" if it is whole).

        Raises:
            SourceError: nothing of the file can be read.
        """

    @abstractmethod
    def messages(self, topic: BagTopic) -> Iterator[StoredMessage]:
        """Yield (time of recording in ns, serialised message) in the order of the file.

        What is damaged is left out and counted.
        """


def full_type(name: str) -> str:
    """Return a message type with three parts; some writers leave out ``msg``."""
    package, slash, kind = name.partition("/")
    return f"{package}/msg/{kind}" if slash and "/" not in kind else name


def merged(topics: Iterable[BagTopic]) -> list[BagTopic]:
    """Return each topic once, with the messages of all its publishers and files."""
    sums: Counter[BagTopic] = Counter()
    for topic in topics:
        sums[replace(topic, messages=0)] += topic.messages
    return [replace(topic, messages=messages) for topic, messages in sums.items()]


def in_time_order(messages: Iterable[StoredMessage]) -> Iterator[StoredMessage]:
    """Yield messages by time of recording, if their disorder is no larger than a buffer.

    Recorders write in the order in which they get to it. A file without an index may be larger
    than the memory, so it is not sorted as a whole.
    """
    waiting: list[tuple[int, int, bytes]] = []
    waiting_bytes = 0
    number = count()  # equal times keep their order
    for recorded_ns, data in messages:
        heapq.heappush(waiting, (recorded_ns, next(number), data))
        waiting_bytes += len(data)
        while len(waiting) > _ORDERED_MESSAGES or waiting_bytes > _ORDERED_BYTES:
            first_ns, _, first = heapq.heappop(waiting)
            waiting_bytes -= len(first)
            yield first_ns, first
    while waiting:
        first_ns, _, first = heapq.heappop(waiting)
        yield first_ns, first
