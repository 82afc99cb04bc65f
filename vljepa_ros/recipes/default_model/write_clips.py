# SPDX-License-Identifier: Apache-2.0
"""Write a split's episodes as videos with captions, as `vljepa evaluate` and `index` read them.

``python -m vljepa_ros.recipes.default_model.write_clips --split test --out clips`` writes a video
for each episode, and for each query one file of JSON lines, ``<query>.jsonl``: each span through
which the label stays the same, with the label's sentence.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

from vljepa_ros.recipes.default_model.episodes import (
    FRAME_RATE_HZ,
    QUERY_NAMES,
    StoredEpisode,
    load_episodes,
)
from vljepa_ros.recipes.default_model.make_recording import write_video
from vljepa_ros.recipes.default_model.simulation import language

_SHORTEST_S = 0.5  # of a span: a shorter one is a matter of taste


def main() -> None:
    """Parse the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"), help="what make_data wrote")
    parser.add_argument("--split", default="test")
    parser.add_argument("--out", type=Path, default=Path("clips"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[str]] = {query: [] for query in QUERY_NAMES}
    for episode in load_episodes(args.data, args.split):
        clip = f"{episode.path.stem}.mp4"
        write_video(list(episode.frames()), args.out / clip)
        for query in QUERY_NAMES:
            lines[query] += captions(episode, query, clip)
    for query, found in lines.items():
        (args.out / f"{query}.jsonl").write_text("\n".join(found) + "\n")


def captions(episode: StoredEpisode, query: str, clip: str) -> Iterator[str]:
    """Yield a line for each span of a query's labels that is not too short."""
    first = 0
    for label, group in itertools.groupby(episode.labels[query]):
        start, first = first, first + len(list(group))
        if label is not None and first - start >= _SHORTEST_S * FRAME_RATE_HZ:
            span = {"start": start / FRAME_RATE_HZ, "end": first / FRAME_RATE_HZ}
            yield json.dumps({"clip": clip, **span, "caption": language.canonical(label)})


if __name__ == "__main__":
    main()
