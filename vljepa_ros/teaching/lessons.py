# SPDX-License-Identifier: Apache-2.0
"""Labelled recordings to lessons: the images that a robot's model would have seen, with labels.

Images pass the gate of the embedder's callback and its preprocessing, so a recording at 30 Hz is
taught at the rate of the model's stream. Images are kept as files, in the model's size, and
mapped: an hour of recordings needs no hour of memory, and the next run does not decode again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recordings.open_clip import opened_clip
from vljepa_ros.recordings.pixels import rgb_pixels
from vljepa_ros.recordings.source import SourceError
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.stream.images import ImageError
from vljepa_ros.stream.preprocess import CROP, fit_frame
from vljepa_ros.stream.sampling import ROUNDING_S
from vljepa_ros.stream.stamp_gate import StampGate
from vljepa_ros.teaching.label_row import Footage, LabelRow
from vljepa_ros.teaching.taught_recording import UNLABELLED, Lessons, TaughtRecording
from vljepa_ros.training.array_file import write_array

_MAX_GAP_S = 1.0  # after which the embedder's stream begins anew, by default
_NS = 1_000_000_000


@dataclass(frozen=True)
class Seen:
    """What a model's stream sees.

    Attributes:
        rate_hz: rate of its images.
        height: rows of an image.
        width: columns of an image.
        fit: how an image is brought to that size, as :func:`fit_frame` has it.
    """

    rate_hz: float
    height: int
    width: int
    fit: str = CROP

    @classmethod
    def by(cls, bundle: Bundle, fit: str = CROP) -> Seen:
        """Return what a bundle's stream sees."""
        return cls(bundle.stream_rate_hz, bundle.frame.height, bundle.frame.width, fit)


def make_lessons(
    rows: Sequence[LabelRow],
    questions: Mapping[str, str],
    seen: Seen,
    folder: Path,
    group_of: Callable[[LabelRow], str],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Lessons:
    """Decode every labelled recording and label its images.

    Args:
        rows: labels that were checked.
        questions: text of each query by name; those without a label are left out.
        seen: what is kept of an image, and how many.
        folder: keeps the images.
        group_of: the group of a label's recording.
        on_progress: told how many recordings of how many are decoded.

    Raises:
        SourceError: a recording can no longer be read.
        ValueError: a recording has no group.
    """
    by_footage: dict[Footage, list[LabelRow]] = {}
    texts: dict[str, dict[str, int]] = {query: {} for query in questions}
    for row in rows:
        by_footage.setdefault(row.footage, []).append(row)
        texts[row.query].setdefault(row.text, len(texts[row.query]))
    used = {query: numbers for query, numbers in texts.items() if numbers}
    names = _names(list(by_footage))
    groups = {footage: group_of(members[0]) for footage, members in by_footage.items()}
    recordings = []
    for footage, members in by_footage.items():
        stamps_s, frames = stream_frames(footage, seen, folder)
        labels = {query: _labels(members, query, used[query], stamps_s) for query in used}
        name, group = names[footage], groups[footage]
        recordings.append(TaughtRecording(name, group, stamps_s, frames, labels))
        on_progress(len(recordings), len(by_footage))
    asked = {query: questions[query] for query in used}
    return Lessons(asked, {q: tuple(numbers) for q, numbers in used.items()}, tuple(recordings))


def stream_frames(
    footage: Footage, seen: Seen, folder: Path
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return the stamps (n) and images (n, H, W, 3) that a model's stream sees of a recording.

    Raises:
        SourceError: it cannot be read, or has no image there.
    """
    name = _key(footage, seen)
    stamps_file, frames_file = folder / f"{name}.stamps.npy", folder / f"{name}.frames.npy"
    if not stamps_file.exists():  # it is written last
        folder.mkdir(parents=True, exist_ok=True)
        stamps, frames = _decoded(footage, seen)
        for file, values in ((frames_file, frames), (stamps_file, stamps)):
            write_array(file, values)
    return np.load(stamps_file), np.load(frames_file, mmap_mode="r")


def _decoded(footage: Footage, seen: Seen) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    gate = StampGate(seen.rate_hz, _MAX_GAP_S)
    stamps: list[float] = []
    frames: list[NDArray[np.uint8]] = []
    try:
        with opened_clip(footage.path, footage.topic) as source:
            first_ns = source.stamps_ns()[0]
            for frame in source.frames(footage.start):
                time = (frame.stamp_ns - first_ns) / _NS - footage.start
                if time < -ROUNDING_S or not gate.admit(frame.stamp_ns).accepted:
                    continue
                if time + footage.start > footage.end - ROUNDING_S:
                    break
                stamps.append(max(0.0, time))
                frames.append(_fitted(rgb_pixels(frame), seen))
    except ImageError as error:
        raise SourceError(f"{footage}: {error}") from error
    if not frames:
        raise SourceError(f"{footage} has no image")
    return np.array(stamps), np.stack(frames)


def _fitted(image: NDArray[np.uint8], seen: Seen) -> NDArray[np.uint8]:
    return fit_frame(image, height=seen.height, width=seen.width, fit=seen.fit).copy()


def _key(footage: Footage, seen: Seen) -> str:
    """Return a name for what is seen of a file as it is now."""
    parts = sorted(footage.path.rglob("*")) if footage.path.is_dir() else [footage.path]
    state = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in parts]
    about = [str(footage.path.resolve()), footage.topic, footage.start, footage.end, state]
    about += [seen.rate_hz, seen.height, seen.width, seen.fit]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:24]


def _labels(
    rows: Sequence[LabelRow], query: str, numbers: Mapping[str, int], stamps: NDArray[np.float64]
) -> NDArray[np.int32]:
    labels = np.full(len(stamps), UNLABELLED, dtype=np.int32)
    for row in rows:
        if row.query == query:
            # A label that ends with an image's own time does not hold for what it shows.
            inside = (stamps >= row.start - ROUNDING_S) & (stamps < row.end - ROUNDING_S)
            labels[inside] = numbers[row.text]
    return labels


def _names(footage: Sequence[Footage]) -> dict[Footage, str]:
    """Return short names that differ: of equal file names, the folders are named too."""
    short = [one.path.name for one in footage]
    names = {}
    for one, name in zip(footage, short, strict=True):
        name = name if short.count(name) == 1 else "/".join(one.path.parts[-2:])
        part = "" if one.start == 0 and one.end == float("inf") else f" [{one.start:g} s]"
        names[one] = f"{name}{f' {one.topic}' if one.topic else ''}{part}"
    return names
