# SPDX-License-Identifier: Apache-2.0
"""What all image sources have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import TracebackType

from vljepa_ros.recordings.time_line import TimeLine


class SourceError(RuntimeError):
    """A source cannot be opened or read; the message says which, why and what to do."""


@dataclass(frozen=True)
class SourceFrame:
    """One image in the layout of sensor_msgs/Image, at the source's own time in nanoseconds.

    `frame_id` is empty if the source knows none.
    """

    stamp_ns: int
    encoding: str
    width: int
    height: int
    step: int
    data: bytes | memoryview
    is_bigendian: bool = False
    frame_id: str = ""


class Source(ABC):
    """Images in the order of time.

    A source proves that it can be read when it is made: its first image was decoded by then.
    `live` sources give images when they happen; the others as fast as they are asked for. A
    `still` source is one picture without a length of time.
    `problems` counts what was left out or mended, by cause. `notes` says what a user should know
    before the first image: a topic that was chosen, a unit that was guessed, a missing end.
    """

    live: bool = False
    still: bool = False

    def __init__(self, name: str) -> None:
        """Name the source for messages to the user."""
        self.name = name
        self.problems: Counter[str] = Counter()
        self.notes: list[str] = []

    def frames(self, start_s: float = 0.0) -> Iterator[SourceFrame]:
        """Yield the images on one time line (:mod:`.time_line`); a second call begins anew.

        Args:
            start_s: seconds from the first image. Images that are no longer shown at that time
                may be left out, if the source can skip them cheaply.
        """
        line = TimeLine(self.problems)
        for frame in self._images():
            yield replace(frame, stamp_ns=line.place(frame.stamp_ns))

    def stamps_ns(self) -> list[int]:
        """Return the stamps of all images that :meth:`frames` would yield from the beginning.

        Sources that know them without decoding say so; here the images are read for them.
        """
        problems = self.problems.copy()
        stamps = [frame.stamp_ns for frame in self.frames()]
        self.problems.clear()  # the reading that looks at the images counts them
        self.problems.update(problems)
        return stamps

    @abstractmethod
    def _images(self) -> Iterator[SourceFrame]:
        """Yield the images from the beginning with the stamps that the source holds."""

    def close(self) -> None:  # noqa: B027 - most sources hold nothing open between calls
        """Give back what the source holds."""

    def __enter__(self) -> Source:
        """Return self; the source is closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the source."""
        self.close()
