# SPDX-License-Identifier: Apache-2.0
"""What the frozen trunk sees in every variation of every recording, computed once.

The light parts train for thousands of steps on what the trunk costs the most time to see. A file
holds one variation of one recording, and is there whole or not at all: a command that was stopped
computes only what is missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.teaching.augment import Variation
from vljepa_ros.teaching.taught_recording import TaughtRecording
from vljepa_ros.training.array_file import write_array

_AT_ONCE = 8  # frames of one run of the trunk
_VERSION = "1"  # of what a variation is

EncodeFrames = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""RGB frames uint8 (n, h, w, 3) -> feature maps (n, C, rows, columns)."""


@dataclass(frozen=True)
class SeenRecording:
    """A recording as the trunk saw it in one variation, at the rate of clips.

    Attributes:
        features: float16 (m, C, rows, columns).
        chosen: the recording's frames that these are (m).
    """

    features: NDArray[np.float16]
    chosen: NDArray[np.int64]


class TrunkCache:
    """A folder of features by recording, its variation and the trunk."""

    def __init__(
        self, folder: Path, encode: EncodeFrames, trunk_mark: str, rate_hz: float
    ) -> None:
        """Take the trunk.

        Args:
            folder: made if it is missing.
            encode: the trunk.
            trunk_mark: a text that changes with the trunk.
            rate_hz: of clips.
        """
        self._folder, self._encode = folder, encode
        self._mark, self._rate_hz = trunk_mark, rate_hz
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, recording: TaughtRecording, copy: int) -> SeenRecording:
        """Return a recording in one of its variations; the features stay on disk."""
        variation = Variation.draw(recording.name, copy)
        chosen = variation.choose(recording.stamps_s, self._rate_hz)
        path = self._path(recording, copy)
        features = _stored(path, len(chosen))
        if features is None:
            self._write(path, recording.frames[chosen], variation)
            features = np.load(path, mmap_mode="r")
        return SeenRecording(features, chosen)

    def count(self, recording: TaughtRecording) -> int:
        """Return how many frames the trunk sees of a recording as it is."""
        return len(Variation().choose(recording.stamps_s, self._rate_hz))

    def missing(self, recording: TaughtRecording, copy: int) -> bool:
        """Return whether a variation has to be computed."""
        return not self._path(recording, copy).exists()

    def _write(self, path: Path, frames: NDArray[np.uint8], variation: Variation) -> None:
        parts = [
            np.asarray(self._encode(variation.apply(frames[i : i + _AT_ONCE])), np.float16)
            for i in range(0, len(frames), _AT_ONCE)
        ]
        write_array(path, np.concatenate(parts))

    def _path(self, recording: TaughtRecording, copy: int) -> Path:
        mark = f"{_VERSION} {self._mark} {self._rate_hz} {recording.name} {copy} "
        found = hashlib.sha256(mark.encode())
        found.update(recording.stamps_s.tobytes())
        found.update(np.ascontiguousarray(recording.frames).data)
        return self._folder / f"{found.hexdigest()}.npy"


def _stored(path: Path, count: int) -> NDArray[np.float16] | None:
    """Return the features of a file, or None if there are none or they are damaged."""
    try:
        features: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (FileNotFoundError, EOFError, ValueError):
        return None
    return features if len(features) == count and features.dtype == np.float16 else None
