# SPDX-License-Identifier: Apache-2.0
"""What it costs to watch an embedding for changes, beside making it and putting it into words.

``python benchmarks/decoding_cost.py`` runs the shipped bundle (VLJEPA_BUNDLE names another) on one
thread: the model on a new frame for all its queries, the change detector on a stream of such
embeddings with noise, and both decoders. Everything is CPU time per embedding, and a ratio to the
phrase bank, which is what would run at every embedding without selective decoding.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.clip_embedder import ClipEmbedder, ClipEmbeddings, Frame
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.runtime.signals import ANSWERS, choose_signal
from vljepa_ros.runtime.text_decoder import TextDecoder
from vljepa_ros.stream.change import ChangeConfig, ChangeDetector
from vljepa_ros.stream.vectors import unit

ROUNDS = 200
PER_ROUND = 20
QUERY = "action"


def main() -> None:
    """Time and print."""
    model = VLJepa.load(threads=1)
    see = _seeing(model)
    vector = see().vectors[QUERY]
    sentences = TextDecoder.from_bundle(model.bundle)
    jobs: dict[str, tuple[Callable[[], object], int]] = {
        "the model, for each of its queries": (see, len(model.bundle.queries)),
        "change detection": (_watching(model.phrases, vector), 1),
        "nearest phrase": (lambda: model.phrases.best(QUERY, vector), 1),
        "sentence of the text decoder": (lambda: sentences.best(QUERY, vector), 1),
    }
    times = {name: times_ms / jobs[name][1] for name, times_ms in _interleaved(jobs).items()}
    print(f"{'CPU time per embedding':36} {'ms':>7} {'ratio':>7}")
    for name, milliseconds in times.items():
        print(f"{name:36} {milliseconds:7.3f} {milliseconds / times['nearest phrase']:7.2f}")


def _seeing(model: VLJepa) -> Callable[[], ClipEmbeddings]:
    """Return what the embedder does with each frame, after as many as the model remembers."""
    embedder = ClipEmbedder(model, list(model.bundle.queries))
    size, clip = model.bundle.frame, model.bundle.clip
    black = np.zeros((size.height, size.width, 3), np.uint8)
    stamps_ns = itertools.count(1, round(1e9 / clip.rate_hz))

    def add() -> dict[str, ClipEmbeddings]:
        return embedder.add({"": Frame(next(stamps_ns), "", black, restart=False)})

    for _ in range(clip.frames - 1):
        add()
    return lambda: add()[""]


def _watching(phrases: PhraseBank, vector: NDArray[np.float32]) -> Callable[[], object]:
    detector, signal = ChangeDetector(ChangeConfig()), choose_signal(ANSWERS, phrases)
    samples = _noisy(vector)

    def watch() -> object:
        stamp_ns, sample = next(samples)
        return detector.update(stamp_ns, sample, signal(QUERY, sample))

    return watch


def _noisy(vector: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1000, len(vector))).astype(np.float32) * 0.01
    stamp_ns = 0
    while True:
        for row in noise:
            stamp_ns += 100_000_000
            yield stamp_ns, unit(vector + row)


def _interleaved(jobs: dict[str, tuple[Callable[[], object], int]]) -> dict[str, float]:
    """Return the median CPU milliseconds of each job, the jobs taking turns."""
    samples: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(ROUNDS + 1):
        for name, (job, _) in jobs.items():
            start = time.process_time()
            for _ in range(PER_ROUND):
                job()
            samples[name].append((time.process_time() - start) * 1e3 / PER_ROUND)
    return {name: statistics.median(values[1:]) for name, values in samples.items()}


if __name__ == "__main__":
    main()
