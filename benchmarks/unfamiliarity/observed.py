# SPDX-License-Identifier: Apache-2.0
"""What the model makes of streams, as its node would, kept in files.

Features and answers are kept, not the unfamiliarity: so other statistics of the same model can be
tried without running it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.unfamiliarity.footage import Stream
from vljepa_ros.files import new_file
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.stream.clip_window import ClipWindow
from vljepa_ros.stream.stamp_gate import StampGate

_GAP_S = 1.0  # after which a stream begins anew, as by default in the embedder


@dataclass(frozen=True)
class Observed:
    """The clips of one stream.

    Attributes:
        name: of the stream.
        stamps_ns: of the clips' newest frames (n).
        features: (n, F).
        shares: of the best phrase by query (n, Q); without columns if nobody knows the answers.
        right: whether that phrase is right (n, Q).
    """

    name: str
    stamps_ns: NDArray[np.int64]
    features: NDArray[np.float32]
    shares: NDArray[np.float32]
    right: NDArray[np.bool_]


class Observer:
    """Runs a model on streams, or returns what it made of them the last time."""

    def __init__(self, model: VLJepa, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self._model, self._cache = model, cache
        graphs = model.bundle.graphs.values()
        self._mark = "".join(sorted(model.bundle.files[name].sha256 for name in graphs))

    def __call__(self, streams: Sequence[Stream], group: str) -> list[Observed]:
        """Return the clips of every stream that has some."""
        found = [self._observed(stream) for stream in tqdm(streams, group)]
        return [one for one in found if len(one.stamps_ns)]

    def _observed(self, stream: Stream) -> Observed:
        key = hashlib.sha256(f"{stream.name} {self._mark}".encode()).hexdigest()[:24]
        file = self._cache / f"{key}.npz"
        if not file.exists():
            columns = self._observe(stream)
            with new_file(file) as written:
                np.savez(written, **columns)
        with np.load(file) as data:
            return Observed(stream.name, **{name: data[name] for name in data})

    def _observe(self, stream: Stream) -> dict[str, NDArray[np.generic]]:
        model, bundle = self._model, self._model.bundle
        queries = bundle.queries if stream.answers else {}
        gate, window = StampGate(bundle.clip.rate_hz, _GAP_S), _window(bundle)
        stamps, features, shares, right = [], [], [], []
        for index, (stamp_ns, image) in enumerate(stream.frames()):
            admitted = gate.admit(stamp_ns)
            if admitted.resets:
                window.clear()
            if not admitted.accepted:
                continue
            window.push(stamp_ns, model.encode_frame(image))
            if (clip := window.clip()) is None:
                continue
            (vectors,), (seen,) = model.see_clips([clip.frames], list(queries.values()))
            told = [model.describe(q, row) for q, row in zip(queries, vectors, strict=True)]
            truth = [stream.answers[query][index] for query in queries]
            stamps.append(stamp_ns)
            features.append(seen)
            shares.append([phrase.share for phrase in told])
            right.append([a.text == b for a, b in zip(told, truth, strict=True)])
        return {
            "stamps_ns": np.array(stamps, np.int64),
            "features": np.array(features, np.float32),
            "shares": np.array(shares, np.float32),
            "right": np.array(right, np.bool_),
        }


def _window(bundle: Bundle) -> ClipWindow:
    return ClipWindow(bundle.clip.frames, bundle.clip.rate_hz)
