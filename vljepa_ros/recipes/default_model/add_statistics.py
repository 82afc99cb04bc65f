# SPDX-License-Identifier: Apache-2.0
"""Tell a bundle which clips are familiar, and how often it is right.

``python -m vljepa_ros.recipes.default_model.add_statistics --data data --bundle engines/default``

The statistics are those of the training and the validation episodes: the trunk is frozen, so
neither were used to fit it. The calibration is that of the validation episodes alone. Two small
files and the manifest are written; graphs and phrases stay as they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from vljepa_ros.recipes.default_model.episodes import (
    FRAME_RATE_HZ,
    StoredEpisode,
    load_episodes,
)
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.statistics import LabelledClip, add_statistics, cut_clips

KNOWN, UNSEEN = ("train", "val"), "val"
"""Splits of the statistics, and of the calibration."""


def main() -> None:
    """Parse the command line, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the episodes")
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle to complete")
    args = parser.parse_args()
    bundle = Bundle.load(args.bundle)
    known = [episode for split in KNOWN for episode in load_episodes(args.data, split)]
    unseen = load_episodes(args.data, UNSEEN)
    bundle = add_statistics(bundle, clips_of(bundle, known), clips_of(bundle, unseen))
    names = [name for name in (bundle.known_clips, bundle.calibration) if name is not None]
    size = sum(bundle.files[name].bytes for name in names)
    print(f"{args.bundle}: statistics of {len(known)} episodes, calibrated on {len(unseen)}")
    print(f"{size / 1e3:.0f} kB")


def clips_of(bundle: Bundle, episodes: Sequence[StoredEpisode]) -> Iterator[LabelledClip]:
    """Yield labelled clips of episodes."""
    for episode in tqdm(episodes, "episodes"):
        stamped = ((round(i * 1e9 / FRAME_RATE_HZ), f) for i, f in enumerate(episode.frames()))
        labels = episode.labels

        def answers(i: int, labels: dict[str, list[str]] = labels) -> dict[str, str]:
            return {query: language.canonical(each[i]) for query, each in labels.items()}

        name = f"{episode.path.parent.name}/{episode.path.stem}"
        yield from cut_clips(bundle, name, stamped, answers)


if __name__ == "__main__":
    main()
