# SPDX-License-Identifier: Apache-2.0
"""Measure both decoders of a bundle on unseen episodes.

``python -m vljepa_ros.recipes.default_model.evaluate_decoders --split test``

Embeddings are the bundle's own, of cached frame features. ``exact`` counts canonical sentences
of the right label, ``right`` any of its training paraphrases, ``formed`` sentences that are one of
any label; CIDEr is against the paraphrases of the right label. ``kept`` is ``right`` for the
embeddings of wordings that training never saw, instead of those of clips.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from vljepa_ros.evaluation.cider import cider
from vljepa_ros.recipes.default_model.episode_groups import load_training
from vljepa_ros.recipes.default_model.episodes import (
    QUERY_NAMES,
    StoredEpisode,
    load_episodes,
    stride,
)
from vljepa_ros.recipes.default_model.label_set import LabelSet
from vljepa_ros.recipes.default_model.shown_streams import shown
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.runtime.choose_decoder import available_decoders, choose_decoder
from vljepa_ros.runtime.decoder import Decoder
from vljepa_ros.runtime.model import VLJepa

EVERY = 2  # one of so many frames that the model sees is measured

_COLUMNS = ("clips", "exact", "right", "cider", "formed", "distinct", "kept", "ms")


@dataclass(frozen=True)
class Answers:
    """Embeddings (N, D) of the answers to one query, and the true labels."""

    embeddings: NDArray[np.float32]
    labels: list[str]


def main() -> None:
    """Parse the command line, measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=None, help="default: the shipped bundle")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--split", default="test", help="a folder of the data")
    args = parser.parse_args()
    model = VLJepa.load(args.bundle)
    labels = LabelSet.of(load_training(args.data)).all()
    formed = {text for label in labels for text in language.training_paraphrases(label)}
    episodes = load_episodes(args.data, args.split)
    answers = of_clips(model, episodes)
    unseen = {query: of_unseen_wordings(model, given.labels) for query, given in answers.items()}
    print(f"{'decoder':10} {'query':8}" + "".join(f"{name:>9}" for name in _COLUMNS))
    for name in available_decoders(model.bundle):
        decoder = choose_decoder(name, model.bundle, model.phrases)
        for query, given in answers.items():
            row = figures(decoder, query, given, formed)
            row["kept"] = figures(decoder, query, unseen[query], formed)["right"]
            print(f"{name:10} {query:8}" + "".join(f"{row[column]:9.4g}" for column in _COLUMNS))
    print("percent, but for cider (0 to 10), distinct (sentences) and ms (of CPU per sentence)")


def of_clips(model: VLJepa, episodes: list[StoredEpisode]) -> dict[str, Answers]:
    """Embed the answers at every EVERY-th frame that the model sees, by query."""
    questions = [model.bundle.queries[name] for name in QUERY_NAMES]
    step = stride(model.bundle.clip.rate_hz)
    embeddings: dict[str, list[NDArray[np.float32]]] = {name: [] for name in QUERY_NAMES}
    labels: dict[str, list[str]] = {name: [] for name in QUERY_NAMES}
    for episode in tqdm(episodes, "episodes"):
        frames = (model.encode_frame(frame) for frame in episode.frames()[::step])
        for number, found in enumerate(shown(model, frames, questions)):
            for query, name in enumerate(QUERY_NAMES):
                label = episode.labels[name][number * step]
                if label is not None and number % EVERY == 0:
                    embeddings[name].append(found[query])
                    labels[name].append(label)
    return {
        name: Answers(np.stack(found), labels[name]) for name, found in embeddings.items() if found
    }


def of_unseen_wordings(model: VLJepa, labels: list[str]) -> Answers:
    """Embed the wordings of labels that were never trained."""
    pairs = [
        (w, each) for each in sorted(set(labels)) for w in language.held_out_paraphrases(each)
    ]
    return Answers(np.stack([model.embed_text(w) for w, _ in pairs]), [each for _, each in pairs])


def figures(decoder: Decoder, query: str, given: Answers, formed: set[str]) -> dict[str, float]:
    """Return how good what is said is, and its cost; ``formed`` are all training sentences."""
    start = time.process_time()
    said = [decoder.best(query, embedding).text for embedding in given.embeddings]
    seconds = time.process_time() - start
    references = [language.training_paraphrases(label) for label in given.labels]
    pairs = list(zip(said, references, strict=True))
    return {
        "clips": len(said),
        "exact": 100 * float(np.mean([text == wordings[0] for text, wordings in pairs])),
        "right": 100 * float(np.mean([text in wordings for text, wordings in pairs])),
        "cider": float(cider(said, references).mean()),
        "formed": 100 * float(np.mean([text in formed for text in said])),
        "distinct": len(set(said)),
        "ms": 1000 * seconds / len(said),
    }


if __name__ == "__main__":
    main()
