# SPDX-License-Identifier: Apache-2.0
"""Can a recording be replayed, and what does it hold?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from vljepa_ros.nodes.common.complaints import IMAGES_LOST
from vljepa_ros.nodes.doctor.ailments import RECORDING_PROBLEMS, REFUSED_IMAGES
from vljepa_ros.nodes.doctor.finding import Finding, fault, fine, note
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.pixels import rgb_pixels
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame
from vljepa_ros.stream.images import ImageError
from vljepa_ros.stream.stamp_rate import StampRate

_FRAMES = 300  # from the beginning: ten seconds of most cameras
_ENOUGH = 0.8


def check_recording(location: str, topic: str = "") -> Iterator[Finding]:
    """Read the first images of a video, a folder of images or a bag.

    Args:
        location: Its path.
        topic: Image topic in a bag; empty is the first that can be shown.
    """
    try:
        with open_source(location, topic) as source:
            yield from _look_at(source)
    except SourceError as error:
        yield fault("recording", str(error))


def _look_at(source: Source) -> Iterator[Finding]:
    for text in source.notes:
        yield note("recording", text)
    rate, last, refusal = StampRate(), None, ""
    for last in islice(source.frames(), _FRAMES):
        rate.add(last.stamp_ns)
        refusal = refusal or _refusal(last)
    if last is None:
        yield fault("recording", f"{source.name} has no image")
        return
    yield fine("recording", f"{source.name}: {_in_words(last, rate)}")
    if refusal:
        yield fault("encoding", REFUSED_IMAGES.told(source.name, refusal))
    if rate.arrived_hz < _ENOUGH * rate.sent_hz:
        facts = (f"{rate.arrived_hz:.1f}", f"{rate.sent_hz:.1f}")
        yield note("rate", IMAGES_LOST.told(*facts))
    if source.problems:
        counted = ", ".join(f"{cause} ({n})" for cause, n in source.problems.items())
        yield fault("content", RECORDING_PROBLEMS.told(counted))


def _refusal(frame: SourceFrame) -> str:
    """Return why the nodes cannot use an image; empty if they can."""
    try:
        rgb_pixels(frame)
    except ImageError as error:
        return str(error)
    return ""


def _in_words(frame: SourceFrame, rate: StampRate) -> str:
    seen = f"{frame.width} x {frame.height} {frame.encoding}"
    return f"{seen}, {rate.sent_hz:.1f} images per second at its beginning"
