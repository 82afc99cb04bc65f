# SPDX-License-Identifier: Apache-2.0
"""Make episodes of real clips: ``python -m vljepa_ros.recipes.default_model.make_real_data``.

Reads a folder of DROID clips: ``clips.csv`` with the columns ``clip``, ``text`` and ``site``, and
``clips/*.mp4``. A clip's only label is what the operator was told to do; it answers "What is the
robot's task?" in every frame. Whole sites are held out, because clips of one site share rooms.

The files play about twice as fast as the robot moved. Frames are taken at 10 Hz of the robot's
time, so a model sees real movements as slowly as a camera will show them: a clip of 8 frames at
5 Hz spans 1.6 s of the robot's time, and 0.8 s of the file.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from vljepa_ros.recipes.default_model.episode_file import FRAME_PIXELS, write_episode
from vljepa_ros.recipes.default_model.episodes import FRAME_RATE_HZ
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.pixels import rgb_pixels
from vljepa_ros.stream.preprocess import fit_frame

SPEED = 2.0  # of the files, against the robot's time
TEST_SITES = frozenset({"36906660", "f147f077", "764db432", "4b1df5eb"})
VAL_SITES = frozenset({"bc15b34b"})


def main() -> None:
    """Parse the command line and convert what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--droid", type=Path, required=True, help="folder with clips.csv")
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of the episodes")
    args = parser.parse_args()
    with (args.droid / "clips.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    for row in tqdm(rows, unit="clip"):
        clip = args.droid / "clips" / row["clip"]
        path = args.out / split_of(row["site"]) / f"droid_{clip.stem}.npz"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_episode(path, list(frames_of(clip)), {"instruction": plain(row["text"])})


def split_of(site: str) -> str:
    """Return the split of the clips of a site."""
    if site in TEST_SITES:
        return "droid_test"
    return "droid_val" if site in VAL_SITES else "train"


def plain(instruction: str) -> str:
    """Return an instruction in lower case, with single spaces and without its final stop."""
    return " ".join(instruction.lower().split()).rstrip(" .")


def frames_of(clip: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield frames (H, W, 3) RGB of a file at the episodes' rate of the robot's time.

    A file with fewer frames than that repeats some.
    """
    period_ns = 1e9 / (FRAME_RATE_HZ * SPEED)
    taken, start_ns = 0, None
    with open_source(str(clip)) as source:
        for frame in source.frames():
            start_ns = frame.stamp_ns if start_ns is None else start_ns
            shown = fit_frame(rgb_pixels(frame), height=FRAME_PIXELS, width=FRAME_PIXELS)
            while frame.stamp_ns - start_ns >= (taken - 0.25) * period_ns:  # stamps are rounded
                taken += 1
                yield shown


if __name__ == "__main__":
    main()
