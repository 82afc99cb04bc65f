# SPDX-License-Identifier: Apache-2.0
"""Measure a bundle on unseen episodes.

``python -m vljepa_ros.recipes.default_model.evaluate_episodes --split test``

Runs the bundle as a robot does (ONNX Runtime, the shipped graphs) on the stored frames. Accuracy
counts the newest frame's label; "within 2" also accepts a label at most two frames away, because
the border between two phases is a matter of taste. Majority and chance stand beside each figure.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from vljepa_ros.recipes.default_model.episodes import (
    FRAME_RATE_HZ,
    QUERY_NAMES,
    StoredEpisode,
    clip_indices,
    load_episodes,
)
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.runtime.model import VLJepa

EVERY = 2  # frames; the clip's own stride, so that every frame is encoded once


@dataclass(frozen=True)
class Predictions:
    """Embeddings (P, D) of one query, each prediction's label and the labels around it."""

    embeddings: NDArray[np.float32]
    labels: list[str]
    near: list[set[str]]


def main() -> None:
    """Parse the command line, measure, print a table and write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=None, help="default: the shipped bundle")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--split", choices=["val", "test", "side"], default="test")
    parser.add_argument("--json", type=Path, default=None, help="also write the figures here")
    args = parser.parse_args()
    model = VLJepa.load(args.bundle, threads=2)
    episodes = load_episodes(args.data, args.split)
    rows = evaluate(model, episodes)
    _print(rows)
    if args.json:
        args.json.write_text(json.dumps({"split": args.split, "queries": rows}, indent=1) + "\n")


def evaluate(model: VLJepa, episodes: list[StoredEpisode]) -> dict[str, dict[str, float]]:
    """Return the figures of every query, in percent."""
    seen = {name: language.QUERIES[name][0] for name in QUERY_NAMES}
    held_out = {name: language.held_out_query(name) for name in QUERY_NAMES}
    collected: dict[str, list[tuple[NDArray[np.float32], NDArray[np.float32], str, set[str]]]]
    collected = {name: [] for name in QUERY_NAMES}
    for episode in tqdm(episodes, "episodes"):
        for i, embeddings in _embed(model, episode, [*seen.values(), *held_out.values()]):
            for q, name in enumerate(QUERY_NAMES):
                labels = episode.labels[name]
                near = set(labels[max(0, i - 2) : i + 3])
                other = embeddings[len(QUERY_NAMES) + q]
                collected[name].append((embeddings[q], other, labels[i], near))
    rows = {}
    for name, items in collected.items():
        labels, nearby = [item[2] for item in items], [item[3] for item in items]
        rows[name] = _figures(
            model,
            name,
            Predictions(np.stack([item[0] for item in items]), labels, nearby),
            Predictions(np.stack([item[1] for item in items]), labels, nearby),
        )
    return rows


def _embed(
    model: VLJepa, episode: StoredEpisode, queries: list[str]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield every measured frame's number and its embeddings (queries, D)."""
    clip = model.bundle.clip
    features = {}
    for i, frame in enumerate(episode.frames()):
        if i % EVERY == 0:
            features[i] = model.encode_frame(frame)
            window = [features[j] for j in clip_indices(i, clip.frames, clip.rate_hz)]
            yield i, model.embed(window, queries)


def _figures(
    model: VLJepa, name: str, seen: Predictions, held_out: Predictions
) -> dict[str, float]:
    """Return the figures of one query for seen wordings and for held-out ones."""
    labels = _labels_of(model.phrases.texts[name], seen.labels)
    bank = np.stack([model.embed_text(language.canonical(x)) for x in labels])
    strange = np.stack([model.embed_text(language.held_out_paraphrases(x)[0]) for x in labels])
    order = np.argsort(-(seen.embeddings @ bank.T), axis=1)
    best = [labels[k] for k in order[:, 0]]
    hit = np.array([b == t for b, t in zip(best, seen.labels, strict=True)])
    counts = Counter(seen.labels)
    recalls = [hit[[label == t for t in seen.labels]].mean() for label in counts]
    top5 = [t in [labels[k] for k in row[:5]] for t, row in zip(seen.labels, order, strict=True)]
    unseen = np.argmax(held_out.embeddings @ strange.T, axis=1)
    figures = {
        "clips": float(len(hit)),
        "candidates": float(len(labels)),
        "top1": hit.mean(),
        "within2": np.mean([b in near for b, near in zip(best, seen.near, strict=True)]),
        "macro": float(np.mean(recalls)),
        "top5": float(np.mean(top5)),
        "held_out_wording": np.mean(
            [labels[k] == t for k, t in zip(unseen, seen.labels, strict=True)]
        ),
        "majority": max(counts.values()) / len(hit),
        "chance": 1 / len(labels),
    }
    counted = ("clips", "candidates")
    return {k: round(float(v) * (1 if k in counted else 100), 1) for k, v in figures.items()}


def _labels_of(phrases: tuple[str, ...], present: list[str]) -> list[str]:
    """Return the label of every phrase; one that the split never shows keeps its own wording."""
    known = {language.canonical(label): label for label in set(present)}
    return [known.get(phrase, f"state:{phrase}") for phrase in phrases]


def _print(rows: dict[str, dict[str, float]]) -> None:
    columns = list(next(iter(rows.values())))
    print(f"{'query':8}" + "".join(f"{column:>18}" for column in columns))
    for name, figures in rows.items():
        print(f"{name:8}" + "".join(f"{figures[column]:18.1f}" for column in columns))
    print(f"frames at {FRAME_RATE_HZ:g} Hz, every {EVERY}nd measured; accuracies in percent")


if __name__ == "__main__":
    main()
