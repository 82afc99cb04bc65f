# SPDX-License-Identifier: Apache-2.0
"""What a bundle says about robots that it was never trained on, without being taught.

``python -m benchmarks.zero_shot --real DIR --fetch DIR`` asks it the question of each data set of
:mod:`benchmarks.teach` at every labelled frame, and lets it choose among the texts of that set.
Data that is absent is skipped, and said so. Every text counts the same, so guessing and always
saying one text both reach the chance. DROID is left out: its clips train the shipped model, and
``evaluate_episodes --split droid_test`` measures the sites that do not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.teach.datasets import QUERY
from benchmarks.teach.rows import DROID, SETS, Material
from benchmarks.teach.score import mean_recall
from vljepa_ros.recipes.default_model.shown_streams import shown
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.teaching.taught_recording import UNLABELLED, Lessons, TaughtRecording

RATE_HZ = 5.0  # of the recordings


def main() -> None:
    """Parse the command line, measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, nargs="+", default=[None])
    parser.add_argument("--real", type=Path, help="folder with g1_phases, franka_phases")
    parser.add_argument("--fetch", type=Path, help="folder of Fetch's episodes")
    args = parser.parse_args()
    sets = _sets(Material(args.real, args.fetch))
    print(f"{'bundle':24}{'data':20}{'recordings':>12}{'texts':>8}{'chance':>8}{'recall':>8}")
    for path in args.bundle:
        model = VLJepa.load(path, threads=2)
        if model.bundle.clip.rate_hz != RATE_HZ:
            parser.error(f"{path} sees {model.bundle.clip.rate_hz:g} frames a second, not 5")
        for name, lessons in sets.items():
            count = len(lessons.texts[QUERY])
            recall = zero_shot_recall(model, lessons)
            print(
                f"{model.bundle.root.name:24}{name:20}{len(lessons.recordings):12}{count:8}"
                f"{100 / count:8.1f}{100 * recall:8.1f}",
                flush=True,
            )
        model.close()


def zero_shot_recall(model: VLJepa, lessons: Lessons) -> float:
    """Return the recall, 0 to 1, of the newest frame's text, in the mean over the texts."""
    bank = np.stack([model.embed_text(text) for text in lessons.texts[QUERY]])
    found, wanted = [], []
    for recording in tqdm(lessons.recordings):
        labels = recording.labels[QUERY]
        known = labels != UNLABELLED
        embeddings = _embeddings(model, recording, lessons.questions[QUERY])
        found.append((embeddings @ bank.T).argmax(1)[known])
        wanted.append(labels[known])
    answers, truth = np.concatenate(found), np.concatenate(wanted)
    return mean_recall(answers == truth, truth)


def _embeddings(model: VLJepa, recording: TaughtRecording, question: str) -> NDArray[np.float32]:
    """Return what the model answers (F, D) at every frame."""
    seen = (model.encode_frame(frame) for frame in recording.frames)
    return np.stack([each[0] for each in shown(model, seen, [question])])


def _sets(material: Material) -> dict[str, Lessons]:
    """Read the data sets that are there, and say which are not."""
    sets = {}
    for name in (each for each in SETS if each != DROID):
        if cause := material.absent(name):
            print(f"skipped: {name}, for {cause}")
        else:
            sets[name] = material.lessons(name)
    return sets


if __name__ == "__main__":
    main()
