# SPDX-License-Identifier: Apache-2.0
"""The recordings that the benchmark teaches and tests with, as a model sees them.

Three sets are real robots, from a folder that is given; the fourth is simulated by
:mod:`.fetch_episodes`. All have five frames a second, the rate of the model's clips. The middle of
each image is cut out, as the embedder does unless it is told otherwise.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recordings.open_clip import opened_clip
from vljepa_ros.recordings.pixels import rgb_pixels
from vljepa_ros.stream.preprocess import fit_frame
from vljepa_ros.teaching.taught_recording import UNLABELLED, Lessons, TaughtRecording

QUERY = "action"
PIXELS = 160
_PERIOD_S = 0.2
_QUESTION = "What is the robot doing?"
_DROID_LABELS = (
    "move",
    "pen in",
    "pen out",
    "close",
    "lid",
    "switch",
    "open",
    "fold",
    "pour",
    "wipe",
)


def g1_phases(root: Path) -> Lessons:
    """Return 30 episodes of a Unitree G1 that fetches a bottle, seen from its head."""
    return _phases(root / "g1_phases", "the robot {}".format, lambda row: True)


def franka_lab(root: Path) -> Lessons:
    """Return 13 episodes of a Franka arm in one lab."""
    return _phases(
        root / "franka_phases", "the robot {}".format, lambda row: row["scene"] == "lab"
    )


def droid(root: Path) -> Lessons:
    """Return the labelled clips of DROID; a group is a fold, which shares no room with others.

    Every frame has the label of its clip: what the operator was told to do.
    """
    folder = root / "droid_1k"
    with (folder / "clips.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["label"] in _DROID_LABELS]
    recordings = []
    for row in rows:
        frames, stamps = _every(folder / "clips" / row["clip"])
        labels = np.full(len(frames), _DROID_LABELS.index(row["label"]), np.int32)
        recordings.append(
            TaughtRecording(row["clip"], row["fold"], stamps, frames, {QUERY: labels})
        )
    return Lessons({QUERY: "What is the robot's task?"}, {QUERY: _DROID_LABELS}, tuple(recordings))


def fetch(folder: Path, count: int) -> Lessons:
    """Return simulated episodes, which are rendered if they are missing."""
    from benchmarks.teach.fetch_episodes import load_fetch_episode, render_episodes
    from benchmarks.teach.fetch_labels import ACTION, ACTIONS

    recordings = []
    for path in render_episodes(folder, count):
        episode = load_fetch_episode(path)
        recordings.append(
            TaughtRecording(
                path.stem, path.stem, episode.stamps_s, episode.frames,
                {QUERY: episode.labels[ACTION]},
            )
        )  # fmt: skip
    return Lessons({QUERY: _QUESTION}, {QUERY: ACTIONS}, tuple(recordings))


def _phases(
    folder: Path, text: Callable[[str], str], used: Callable[[Mapping[str, str]], bool]
) -> Lessons:
    """Read a folder whose films have a label for every frame."""
    with (folder / "frames.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if used(row)]
    names = sorted({row["label"] for row in rows} - {""})
    by_clip: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        by_clip[row["clip"]].append(names.index(row["label"]) if row["label"] else UNLABELLED)
    recordings = [
        _labelled(folder / "clips" / clip, labels) for clip, labels in sorted(by_clip.items())
    ]
    return Lessons({QUERY: _QUESTION}, {QUERY: tuple(map(text, names))}, tuple(recordings))


def _labelled(path: Path, labels: Sequence[int]) -> TaughtRecording:
    """Read a film with one label a frame; a frame more than there are labels has none."""
    with opened_clip(path) as source:
        frames = np.stack([_fitted(rgb_pixels(frame)) for frame in source.frames()])
    frames = frames[: len(labels)]
    stamps = np.arange(len(frames)) * _PERIOD_S
    numbers = np.array(labels[: len(frames)], np.int32)
    return TaughtRecording(path.stem, path.stem, stamps, frames, {QUERY: numbers})


def _every(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Read the images of a film that are our period apart."""
    frames: list[NDArray[np.uint8]] = []
    with opened_clip(path) as source:
        for frame in source.frames():
            if frame.stamp_ns / 1e9 >= len(frames) * _PERIOD_S - 1e-6:
                frames.append(_fitted(rgb_pixels(frame)))
    return np.stack(frames), np.arange(len(frames)) * _PERIOD_S


def _fitted(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return fit_frame(image, height=PIXELS, width=PIXELS)
