# SPDX-License-Identifier: Apache-2.0
"""Measure a bundle on unseen episodes.

``python -m vljepa_ros.recipes.default_model.evaluate_episodes --split test``

Runs the bundle as a robot does (ONNX Runtime, the shipped graphs) on the stored frames, each
family of episodes for itself. Accuracy counts the newest frame's label; "within 2" also accepts a
label at most two frames away, because the border between two phases is a matter of taste. Majority
and chance stand beside each figure. Several bundles, trained from several seeds, give the median
and the range of each figure.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from vljepa_ros.recipes.default_model.episodes import (
    FRAME_RATE_HZ,
    QUERY_NAMES,
    StoredEpisode,
    load_episodes,
    stride,
)
from vljepa_ros.recipes.default_model.label_set import is_instruction
from vljepa_ros.recipes.default_model.shown_streams import shown
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.runtime.model import VLJepa

Figures = dict[str, dict[str, float]]
"""The figures of each query, in percent."""


@dataclass
class JudgedFrames:
    """The answers to one query, (D) each, in the trained wording and in one that was held out.

    Attributes:
        labels: the true one of each.
        near: those of the frames around it.
    """

    seen: list[NDArray[np.float32]] = field(default_factory=list)
    held_out: list[NDArray[np.float32]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    near: list[set[str | None]] = field(default_factory=list)

    def add(
        self,
        labels: Sequence[str | None],
        frame: int,
        seen: NDArray[np.float32],
        held_out: NDArray[np.float32],
    ) -> None:
        """Add the answers at a frame that has a label.

        Args:
            labels: of all frames of the episode.
            frame: which of them is answered.
            seen: the answer to the trained wording of the query.
            held_out: the answer to the wording that was held out.
        """
        label = labels[frame]
        if label is None:
            raise ValueError(f"frame {frame} has no label")
        self.seen.append(seen)
        self.held_out.append(held_out)
        self.labels.append(label)
        self.near.append(set(labels[max(0, frame - 2) : frame + 3]))


def main() -> None:
    """Parse the command line, measure, print tables and write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--bundle", type=Path, nargs="+", default=[None], help="default: the shipped bundle"
    )
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--split", default="test", help="a folder of the data")
    parser.add_argument("--json", type=Path, default=None, help="also write the figures here")
    args = parser.parse_args()
    families = by_family(load_episodes(args.data, args.split))
    measured: dict[str, list[Figures]] = {family: [] for family in families}
    for bundle in args.bundle:
        model = VLJepa.load(bundle, threads=2)
        for family, episodes in families.items():
            measured[family].append(evaluate(model, episodes))
        model.close()
    for family, rows in measured.items():
        print(f"{args.split}, {family}, {len(families[family])} episodes")
        print_table(rows)
    print(f"frames at {FRAME_RATE_HZ:g} Hz, each that the model sees measured; in percent")
    if args.json:
        content = {"split": args.split, "families": measured}
        args.json.write_text(json.dumps(content, indent=1) + "\n")


def by_family(episodes: Iterable[StoredEpisode]) -> dict[str, list[StoredEpisode]]:
    """Return the episodes of each family."""
    families = defaultdict(list)
    for episode in episodes:
        families[episode.family].append(episode)
    return dict(families)


def evaluate(model: VLJepa, episodes: Sequence[StoredEpisode]) -> Figures:
    """Return the figures of every query that has an answer in episodes of one family."""
    answers = {name: JudgedFrames() for name in QUERY_NAMES}
    for episode in tqdm(episodes, "episodes"):
        _add(answers, model, episode)
    return {name: figures(model, name, found) for name, found in answers.items() if found.labels}


def _add(answers: dict[str, JudgedFrames], model: VLJepa, episode: StoredEpisode) -> None:
    """Add what a model answers about an episode."""
    asked = [model.bundle.queries[name] for name in QUERY_NAMES]
    asked += [language.held_out_query(name) for name in QUERY_NAMES]
    step = stride(model.bundle.clip.rate_hz)
    frames = (model.encode_frame(frame) for frame in episode.frames()[::step])
    for number, embeddings in enumerate(shown(model, frames, asked)):
        for query, name in enumerate(QUERY_NAMES):
            labels, frame = episode.labels[name], number * step
            if labels[frame] is not None:
                held_out = embeddings[len(QUERY_NAMES) + query]
                answers[name].add(labels, frame, embeddings[query], held_out)


def figures(model: VLJepa, name: str, answers: JudgedFrames) -> dict[str, float]:
    """Return the figures of one query for seen wordings and for held-out ones."""
    true = answers.labels
    labels = _labels_of(model.phrases.texts[name], set(true))
    bank = np.stack([model.embed_text(language.canonical(x)) for x in labels])
    strange = np.stack([model.embed_text(language.held_out_paraphrases(x)[0]) for x in labels])
    order = np.argsort(-(np.stack(answers.seen) @ bank.T), axis=1)
    best = [labels[k] for k in order[:, 0]]
    hit = np.array([b == t for b, t in zip(best, true, strict=True)])
    counts = Counter(true)
    recalls = [hit[[label == t for t in true]].mean() for label in counts]
    top5 = [t in [labels[k] for k in row[:5]] for t, row in zip(true, order, strict=True)]
    unseen = np.argmax(np.stack(answers.held_out) @ strange.T, axis=1)
    shares = {
        "top1": hit.mean(),
        "within2": np.mean([b in near for b, near in zip(best, answers.near, strict=True)]),
        "macro": np.mean(recalls),
        "top5": np.mean(top5),
        "held_out_wording": np.mean([labels[k] == t for k, t in zip(unseen, true, strict=True)]),
        "majority": max(counts.values()) / len(hit),
        "chance": 1 / len(labels),
    }
    percent = {name: round(100 * float(share), 1) for name, share in shares.items()}
    return {"clips": float(len(hit)), "candidates": float(len(labels)), **percent}


def _labels_of(phrases: tuple[str, ...], present: set[str]) -> list[str]:
    """Return the label of every phrase; one that the split never shows keeps its own wording.

    What people said of real clips is no phrase of the bundle: there the split's own are taken.
    """
    if any(map(is_instruction, present)):
        return sorted(present)
    known = {language.canonical(label): label for label in present}
    return [known.get(phrase, f"state:{phrase}") for phrase in phrases]


def print_table(measured: Sequence[Figures]) -> None:
    """Print a row for each query; several models give medians and ranges."""
    columns = list(next(iter(measured[0].values())))
    print(f"{'query':8}" + "".join(f"{column:>18}" for column in columns))
    for name in measured[0]:
        cells = ([row[name][column] for row in measured] for column in columns)
        print(f"{name:8}" + "".join(f"{_summary(values):>18}" for values in cells))


def _summary(values: Sequence[float]) -> str:
    """Return the median of some values, and the range if they differ."""
    median = f"{np.median(values):.1f}"
    if min(values) == max(values):
        return median
    return f"{median} ({min(values):.1f}-{max(values):.1f})"


if __name__ == "__main__":
    main()
