# SPDX-License-Identifier: Apache-2.0
"""How well scenes that the model does not know are told apart by showing examples.

``python benchmarks/show_and_name.py REAL`` takes a folder of labelled real footage, and for each
of its data sets shows the last two seconds of one, five and ten stretches of every label, each
from another recording. All clips of all other recordings are then named. The figure is the mean
recall of the labels, as a median over random draws of what is shown, beside chance and the phrase
bank, which compares the same clips with the same texts. REAL holds these folders, each with a
table of labels and a folder ``clips``:

* ``g1_phases``: a humanoid's hand fetches a bottle; the label of every frame is the phase.
* ``franka_phases``: an arm in one lab; the label of every frame is how it moves.
* ``bridge_v2_page``: toy kitchens; the label of every video is its task.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.clip_embedder import ClipEmbedder, Frame
from vljepa_ros.runtime.examples import TaughtAnswers
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.stream.vectors import unit

RATE_HZ = 5.0
SHOWS = (1, 5, 10)
_NS = 1_000_000_000
_START_NS = 1_000 * _NS


@dataclass(frozen=True)
class Recording:
    """The clips of one recording, oldest first.

    Attributes:
        labels: (N) of the newest frame of each clip.
        features: (N, F).
        embeddings: (N, dimension), answers to the query of the data set.
    """

    labels: NDArray[np.str_]
    features: NDArray[np.float32]
    embeddings: NDArray[np.float32]


@dataclass(frozen=True)
class DataSet:
    """Where the labels of a data set stand.

    Attributes:
        table: the file.
        query: of the bundle, whose embeddings the phrase bank answers.
        labels: returns the label of each frame, or one for the whole video, by clip.
    """

    table: str
    query: str
    labels: Callable[[Sequence[Mapping[str, str]]], dict[str, list[str]]]


Namer = Callable[[NDArray[np.float32]], NDArray[np.str_]]
"""Names clips by their features (N, F)."""
Teacher = Callable[[NDArray[np.float32], NDArray[np.str_]], Namer]
"""Learns from the features (N, F) and labels (N) of what is shown."""


def main() -> None:
    """Print a table per data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path, help="folder of the data sets")
    parser.add_argument("--draws", type=int, default=9, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=2.0, help="shown; default: %(default)s")
    args = parser.parse_args()
    model = VLJepa.load()
    for name, data in DATA.items():
        recordings = list(_recordings(model, args.real / name, data))
        labels = sorted({str(label) for one in recordings for label in one.labels if label})
        print(f"{name}: {len(recordings)} recordings, {len(labels)} labels, chance", end=" ")
        print(f"{1 / len(labels):.0%}, phrase bank {_phrase_bank(model, recordings, labels):.0%}")
        draws = [_draw(recordings, labels, seed, args.seconds) for seed in range(args.draws)]
        print(f"  {'examples of each label':30}" + "".join(f"{shows:>12}" for shows in SHOWS))
        for method in METHODS:
            cells = [_cell([draw[method, shows] for draw in draws]) for shows in SHOWS]
            print(f"  {method:30}" + "".join(f"{cell:>12}" for cell in cells), flush=True)


def _cell(recalls: Sequence[float]) -> str:
    """Return the median and the range; nothing if a label was left without a test."""
    if np.isnan(recalls).any():
        return "-"
    return f"{np.median(recalls):.0%} ({min(recalls) * 100:.0f}-{max(recalls) * 100:.0f})"


def _draw(
    recordings: Sequence[Recording], labels: Sequence[str], seed: int, seconds: float
) -> dict[tuple[str, int], float]:
    """Return the mean recall by method and number of shows."""
    order = [recordings[i] for i in np.random.default_rng(seed).permutation(len(recordings))]
    recalls = {}
    for shows in SHOWS:
        shown, others = _split(order, labels, shows, seconds)
        tested = {str(label) for one in others for label in one.labels if label}
        for method, teach in METHODS.items():
            recalls[method, shows] = np.nan
            if tested == set(labels):
                features, names = shown
                recalls[method, shows] = _recall(teach(features, names), others, labels)
    return recalls


def _split(
    order: Sequence[Recording], labels: Sequence[str], shows: int, seconds: float
) -> tuple[tuple[NDArray[np.float32], NDArray[np.str_]], list[Recording]]:
    """Show a stretch of each label in each recording until all labels have enough."""
    count = dict.fromkeys(labels, 0)
    features, names, others = [], [], []
    for one in order:
        wanted = [label for label in np.unique(one.labels) if label and count[label] < shows]
        if not wanted:
            others.append(one)
        for label in wanted:
            count[label] += 1
            stretch = _longest(one.labels == label)[-max(1, round(seconds * RATE_HZ)) :]
            features.append(one.features[stretch])
            names.append(one.labels[stretch])
    return (np.concatenate(features), np.concatenate(names)), others


def _longest(holds: NDArray[np.bool_]) -> NDArray[np.intp]:
    places = np.flatnonzero(holds)
    return max(np.split(places, np.flatnonzero(np.diff(places) > 1) + 1), key=len)


def _recall(
    name: Namer,
    recordings: Sequence[Recording],
    labels: Sequence[str],
) -> float:
    truth = np.concatenate([one.labels for one in recordings])
    named = np.concatenate([name(one.features) for one in recordings])
    return float(np.mean([np.mean(named[truth == label] == label) for label in labels]))


def _phrase_bank(model: VLJepa, recordings: Sequence[Recording], labels: Sequence[str]) -> float:
    """Return the mean recall of the nearest text."""
    texts = np.stack([model.embed_text(label) for label in labels])
    truth = np.concatenate([one.labels for one in recordings])
    found = np.concatenate([one.embeddings for one in recordings]) @ texts.T
    named = np.asarray(labels)[found.argmax(axis=1)]
    return float(np.mean([np.mean(named[truth == label] == label) for label in labels]))


def _recordings(model: VLJepa, folder: Path, data: DataSet) -> Iterator[Recording]:
    with (folder / data.table).open(encoding="utf-8", newline="") as table:
        labels = data.labels(list(csv.DictReader(table)))
    for clip, names in labels.items():
        clips = ClipEmbedder(model, [data.query])
        found, kept = [], []
        for index, image in enumerate(_images(folder / "clips" / clip)):
            stamp_ns = _START_NS + round(index * _NS / RATE_HZ)
            if index == 0:  # so that the first frame has a clip too: it stood still before
                for back in range(model.bundle.clip.frames, 0, -1):
                    earlier = stamp_ns - round(back * _NS / RATE_HZ)
                    clips.add({"": Frame(earlier, "", image, False)})
            if index >= len(names) > 1:
                break
            found.append(clips.add({"": Frame(stamp_ns, "", image, False)})[""])
            kept.append(names[index] if len(names) > 1 else names[0])
        features = np.stack([one.features for one in found])
        vectors = np.stack([one.vectors[data.query] for one in found])
        yield Recording(np.asarray(kept), features, unit(vectors))


def _images(video: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield the images of a video at :data:`RATE_HZ`."""
    with av.open(str(video)) as source:
        due_s = 0.0
        for number, frame in enumerate(source.decode(video=0)):
            time_s = number / RATE_HZ if frame.time is None else frame.time
            if time_s >= due_s - 0.5 / RATE_HZ:
                due_s += 1.0 / RATE_HZ
                yield frame.to_ndarray(format="rgb24")


def _of_frames(rows: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    labels: dict[str, list[str]] = {}
    for row in rows:
        if row.get("scene", "lab") == "lab":
            labels.setdefault(row["clip"], []).append(row["label"])
    return labels


def _of_rollouts(rows: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    return {
        row["clip"]: [row["task"].replace("_", " ")] for row in rows if "rollout" in row["kind"]
    }


def _examples(features: NDArray[np.float32], names: NDArray[np.str_]) -> Namer:
    """Name as the describer does."""
    taught = TaughtAnswers.of({str(n): features[names == n] for n in np.unique(names)})
    texts = np.asarray(taught.texts)
    return lambda clips: texts[[int(taught.nearness(clip).argmax()) for clip in clips]]


def _means_alone(features: NDArray[np.float32], names: NDArray[np.str_]) -> Namer:
    scale = _Scale(features)
    labels = np.unique(names)
    means = unit([scale(features)[names == label].mean(axis=0) for label in labels])
    return lambda clips: labels[(unit(scale(clips)) @ means.T).argmax(axis=1)]


def _nearest(features: NDArray[np.float32], names: NDArray[np.str_]) -> Namer:
    scale = _Scale(features)
    examples = unit(scale(features))
    return lambda clips: names[(unit(scale(clips)) @ examples.T).argmax(axis=1)]


def _discriminant(features: NDArray[np.float32], names: NDArray[np.str_]) -> Namer:
    """Linear discriminant analysis; the covariance is shrunk by 30 % to its mean variance."""
    scale = _Scale(features)
    labels, which = np.unique(names, return_inverse=True)
    rows = scale(features)
    means = np.stack([rows[which == index].mean(axis=0) for index in range(len(labels))])
    covariance = np.cov((rows - means[which]).T)
    level = np.trace(covariance) / len(covariance)
    shrunk = 0.7 * covariance + 0.3 * level * np.eye(len(covariance))
    weights = np.linalg.solve(shrunk, means.T)
    offset = 0.5 * (means.T * weights).sum(axis=0)
    return lambda clips: labels[(scale(clips) @ weights - offset).argmax(axis=1)]


class _Scale:
    def __init__(self, features: NDArray[np.float32]) -> None:
        self._mean = features.mean(axis=0)
        self._deviation = features.std(axis=0) + 1e-3 * features.std()

    def __call__(self, clips: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray((clips - self._mean) / self._deviation)


DATA = {
    "g1_phases": DataSet("frames.csv", "action", _of_frames),
    "franka_phases": DataSet("frames.csv", "action", _of_frames),
    "bridge_v2_page": DataSet("clips.csv", "task", _of_rollouts),
}
METHODS: dict[str, Teacher] = {
    "means and nearest (describer)": _examples,
    "means": _means_alone,
    "nearest example": _nearest,
    "discriminant analysis": _discriminant,
}


if __name__ == "__main__":
    main()
