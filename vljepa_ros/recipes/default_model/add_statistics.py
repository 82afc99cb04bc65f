# SPDX-License-Identifier: Apache-2.0
"""Tell a bundle which clips are familiar, and how often it is right.

``python -m vljepa_ros.recipes.default_model.add_statistics --data data --bundle engines/default``

The statistics are of the simulated training and validation episodes: the trunk is frozen, so none
of them were used to fit it. Not all of their clips count, so their order is random. The
calibration is of the validation episodes alone. Real clips were trained on too, but no phrase of
the bundle answers anything about them: they are the foreign ones. The command writes two small
files and the manifest; graphs and phrases stay as they are.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from vljepa_ros.recipes.default_model.episode_groups import load_training, load_validation
from vljepa_ros.recipes.default_model.episodes import (
    FRAME_RATE_HZ,
    StoredEpisode,
    real,
    simulated,
)
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.statistics import LabelledClip, add_statistics, cut_clips


def main() -> None:
    """Parse the command line, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the episodes")
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle to complete")
    args = parser.parse_args()
    bundle = Bundle.load(args.bundle)
    unseen = simulated(load_validation(args.data))
    trained = load_training(args.data)
    known, foreign = simulated(trained) + unseen, real(trained)
    for episodes in (known, foreign):
        random.Random(0).shuffle(episodes)
    clips = (clips_of(bundle, episodes) for episodes in (known, unseen, foreign))
    bundle = add_statistics(bundle, *clips)
    names = [name for name in (bundle.known_clips, bundle.calibration) if name is not None]
    size = sum(bundle.files[name].bytes for name in names)
    print(f"{args.bundle}: statistics of {len(known)} episodes, calibrated on {len(unseen)}")
    print(f"{size / 1e3:.0f} kB")


def clips_of(bundle: Bundle, episodes: Sequence[StoredEpisode]) -> Iterator[LabelledClip]:
    """Yield labelled clips of episodes."""
    for episode in tqdm(episodes, "episodes"):
        stamped = ((round(i * 1e9 / FRAME_RATE_HZ), f) for i, f in enumerate(episode.frames()))
        name = f"{episode.path.parent.name}/{episode.path.stem}"
        yield from cut_clips(bundle, name, stamped, partial(_answers, episode))


def _answers(episode: StoredEpisode, frame: int) -> dict[str, str]:
    """Return the phrase that answers each query at a frame."""
    labels = {query: each[frame] for query, each in episode.labels.items()}
    return {query: language.canonical(x) for query, x in labels.items() if x is not None}


if __name__ == "__main__":
    main()
