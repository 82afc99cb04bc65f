# SPDX-License-Identifier: Apache-2.0
"""Images of one topic of a bag (rosbag2 with MCAP or SQLite files, or ROS 1), read without ROS.

Raw images keep their encoding, so that a replay exercises the same conversion as the camera did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from vljepa_ros.recordings.bag_file import BagTopic, StoredMessage
from vljepa_ros.recordings.bag_files import BagFiles
from vljepa_ros.recordings.bag_images import IMAGE_TYPES, BagImages, is_image_topic
from vljepa_ros.recordings.pixels import rgb_pixels
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame
from vljepa_ros.stream.images import ImageError

_TRIED_MESSAGES = 100  # of a topic, until one of them gives an image
_NAMED_TOPICS = 12  # in one message to the user


class BagSource(Source):
    """One image topic of a bag.

    The stamps are those in the images' headers, or the times of recording if a camera driver
    left the headers empty.
    """

    def __init__(self, path: Path, topic: str) -> None:
        """Open the bag, choose its topic, decode the first image.

        Args:
            path: the bag's folder or one of its files.
            topic: the image topic; "" means the first whose images can be shown, colour before
                depth.

        Raises:
            SourceError: no such topic, nothing in the bag can be shown, or a package is missing.
        """
        super().__init__(f"bag {path}")
        self._files = BagFiles(path, self.problems)
        try:
            self._topic = self._choose(path, topic)
        except SourceError as error:
            self._files.close()
            raise SourceError("; ".join([str(error), *self._files.notes])) from error
        self.topic = self._topic.name
        self.name = f"bag {path}, topic {self.topic}"
        self.notes += self._files.notes
        self.problems.clear()

    def _images(self) -> Iterator[SourceFrame]:
        """Yield the topic's images; those that cannot be read are left out and counted."""
        images = BagImages(self._topic)
        for stored in self._files.messages(self._topic):
            yield from self._counted(images.read, stored)
        yield from self._counted(images.rest)

    def _counted(
        self, read: Callable[..., Iterator[SourceFrame]], *stored: StoredMessage
    ) -> Iterator[SourceFrame]:
        try:
            yield from read(*stored)
        except ImageError as error:
            self.problems[f"image cannot be decoded ({error.cause})"] += 1
        except Exception as error:  # rosbags raises whatever its parser met
            self.problems[f"message cannot be read ({type(error).__name__})"] += 1

    def _choose(self, path: Path, name: str) -> BagTopic:
        """Return the topic to play, and note which and why if there was a choice."""
        topics = self._files.topics()
        candidates = _candidates(topics, name, path)
        skipped: list[str] = []
        for topic in candidates:
            if fault := self._fault(topic):
                skipped.append(f"{topic}: {fault}")
                continue
            if len(candidates) > 1:
                self.notes.append(f"of {len(candidates)} image topics, {topic} is played")
            self.notes += [f"skipped {one}" for one in skipped]
            return topic
        raise SourceError(f"no image of {path} can be shown. {'. '.join(skipped)}")

    def _fault(self, topic: BagTopic) -> str:
        """Return why no image of the topic can be shown, or "" if its first can."""
        images = BagImages(topic)
        fault = "the topic holds no message"
        for stored in islice(self._files.first_messages(topic), _TRIED_MESSAGES):
            try:
                if any(map(_shown, images.read(stored))):
                    return ""
                fault = "its video packets hold no image"
            except ImageError as error:
                fault = str(error)
                if error.cause == "encoding":
                    return fault  # the next has the same
            except Exception as error:  # rosbags raises whatever its parser met
                fault = f"its messages cannot be read ({type(error).__name__}: {error})"
        try:
            return "" if any(map(_shown, images.rest())) else fault
        except ImageError:
            return fault

    def close(self) -> None:
        """Remove what was unpacked."""
        self._files.close()


def _shown(frame: SourceFrame) -> bool:
    """Return True, or raise ImageError as the nodes would."""
    rgb_pixels(frame)
    return True


def _candidates(topics: list[BagTopic], name: str, path: Path) -> list[BagTopic]:
    images = [topic for topic in topics if is_image_topic(topic)]
    if not images:
        types = ", ".join(IMAGE_TYPES)
        raise SourceError(
            f"{path} holds no image topic ({types}); its topics are: {_list(topics)}"
        )
    if not name:
        return sorted(images, key=lambda topic: "depth" in topic.name)
    wanted = {name, f"/{name}"}
    if named := [topic for topic in images if topic.name in wanted]:
        return named
    raise SourceError(f"{path} has no image topic {name!r}; its image topics are: {_list(images)}")


def _list(topics: list[BagTopic]) -> str:
    more = [f"{len(topics) - _NAMED_TOPICS} more"] if len(topics) > _NAMED_TOPICS else []
    return ", ".join([str(topic) for topic in topics[:_NAMED_TOPICS]] + more) or "none"
