# SPDX-License-Identifier: Apache-2.0
"""What comes in between the nodes: stamps of any order, and embeddings that are none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from fuzz.door import Attempt, Door
from fuzz.mutations import strange_text
from vljepa_ros.runtime.queries import parse_queries
from vljepa_ros.stream.change import ChangeConfig, ChangeDetector
from vljepa_ros.stream.clean_text import clean_text
from vljepa_ros.stream.clip_window import ClipWindow
from vljepa_ros.stream.stamp_gate import StampGate
from vljepa_ros.stream.vectors import EmbeddingError

_STEPS_NS = (0, 1, 33_000_000, 100_000_000, -50_000_000, 10**12, -(10**12), 2**62)
_LIMIT = 200


@contextmanager
def _stamps() -> Iterator[Attempt]:
    yield _try_stamps


def _try_stamps(rng: np.random.Generator) -> str:
    gate, window, stamp_ns = StampGate(10.0, 1.0), ClipWindow(8, 5.0), 0
    clips = 0
    for step_ns in rng.choice(_STEPS_NS, 40):
        stamp_ns += int(step_ns)
        if gate.admit(stamp_ns).accepted:
            window.push(stamp_ns, np.zeros(1))
            clip = window.clip()
            clips += clip is not None
            assert clip is None or clip.start_ns <= clip.end_ns == stamp_ns
    return "a clip" if clips else "no clip"


@contextmanager
def _embeddings() -> Iterator[Attempt]:
    yield _try_embeddings


def _try_embeddings(rng: np.random.Generator) -> str:
    detector, stamp_ns, refused = ChangeDetector(ChangeConfig()), 0, 0
    for _ in range(20):
        stamp_ns += int(rng.choice(_STEPS_NS))
        size = 8 if rng.random() < 0.9 else int(rng.integers(0, 12))
        vector = rng.normal(size=size).astype(np.float32)
        if size and rng.random() < 0.2:
            vector[int(rng.integers(size))] = rng.choice([np.nan, np.inf, -np.inf, 1e38, 0.0])
        try:
            decode = detector.update(stamp_ns, vector)
        except EmbeddingError:
            refused += 1
        else:
            assert decode is None or np.isfinite(decode.embedding).all()
    return "some refused" if refused else "taken"


@contextmanager
def _texts() -> Iterator[Attempt]:
    yield _try_text


def _try_text(rng: np.random.Generator) -> str:
    text = strange_text(rng)
    clean = clean_text(text, limit=_LIMIT)
    assert len(clean) <= _LIMIT and "\n" not in clean and "\0" not in clean
    try:
        parse_queries([text, f"name: {text}"], {"action": "What is done?"})
    except ValueError:
        return "refused"
    return "taken"


DOORS = (
    Door("stamps", 0.05, _stamps),
    Door("embeddings", 0.003, _embeddings),
    Door("texts", 0.2, _texts),
)
