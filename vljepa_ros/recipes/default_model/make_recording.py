# SPDX-License-Identifier: Apache-2.0
"""Render the demo's recording: held-out episodes one after another, with their ground truth.

``python -m vljepa_ros.recipes.default_model.make_recording --out demo`` writes
``recording.mp4`` and ``recording.json``. Its seeds belong to no split, so nothing was trained or
tuned on it.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recipes.default_model.episodes import FRAME_RATE_HZ, QUERY_NAMES
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.simulation.episode import Simulator
from vljepa_ros.recipes.default_model.simulation.labels import label_episode
from vljepa_ros.recipes.default_model.simulation.simulated_tasks import BY_NAME
from vljepa_ros.recipes.default_model.simulation.splits import episode_seed

HEIGHT, WIDTH = 360, 480
TASKS = (
    "drawer-open",
    "coffee-button",
    "bin-picking",
    "window-close",
    "dial-turn",
    "peg-insert-side",
    "door-open",
    "faucet-open",
    "coffee-push",
    "plate-slide",
    "assembly",
    "button-press",
)


def main() -> None:
    """Render, encode and write the ground truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    frames: list[NDArray[np.uint8]] = []
    labels: dict[str, list[str]] = {name: [] for name in QUERY_NAMES}
    episodes = []
    for index, name in enumerate(TASKS):
        start = len(frames) / FRAME_RATE_HZ
        simulator = Simulator(BY_NAME[name], HEIGHT, WIDTH)
        episode = simulator.run(episode_seed("demo", index, 0))
        simulator.close()
        frames += episode.frames
        for query, values in label_episode(BY_NAME[name], episode.signals()).items():
            labels[query] += [language.canonical(value) for value in values]
        episodes.append({"start": start, "end": len(frames) / FRAME_RATE_HZ, "task": name})
    write_video(frames, args.out / "recording.mp4")
    truth = {
        "rate_hz": FRAME_RATE_HZ,
        "queries": {name: _segments(values) for name, values in labels.items()},
        "episodes": episodes,
    }
    (args.out / "recording.json").write_text(json.dumps(truth, indent=1) + "\n")


def _segments(texts: Sequence[str]) -> list[dict[str, float | str]]:
    """Return runs of equal texts as start, end (s) and text."""
    segments: list[dict[str, float | str]] = []
    first = 0
    for text, group in itertools.groupby(texts):
        last = first + len(list(group))
        segments.append(
            {"start": first / FRAME_RATE_HZ, "end": last / FRAME_RATE_HZ, "text": text}
        )
        first = last
    return segments


def write_video(frames: Sequence[NDArray[np.uint8]], path: Path) -> None:
    """Write RGB frames (H, W, 3) as a video at the rate of the episodes."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FRAME_RATE_HZ))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "24", "preset": "veryslow"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
