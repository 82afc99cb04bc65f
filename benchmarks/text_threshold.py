# SPDX-License-Identifier: Apache-2.0
"""How far the cosine of a text tells the clips that show it from all others.

``python benchmarks/text_threshold.py`` plays the shipped recording through the default model and
compares the clips' embeddings with one text. A clip shows what its newest frame shows. Clips whose
newest frame is within 0.2 s of a change count for neither side: nobody can date a change exactly.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.stream.clip_window import ClipWindow

DEMO = Path(__file__).resolve().parents[1] / "demo"
NEAR_S = 0.2


def main() -> None:
    """Print the least cosine of clips that show the text, and the largest of the others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--query", default="object", help="default: %(default)s")
    parser.add_argument("--text", default="the drawer is open", help="default: %(default)s")
    args = parser.parse_args()
    truth = json.loads((DEMO / "recording.json").read_text(encoding="utf-8"))["queries"]
    states = truth[args.query]
    shown, other = [], []
    for newest, cosine in cosines(args.query, args.text):
        near = [s for s in states if s["start"] < newest + NEAR_S and s["end"] > newest - NEAR_S]
        texts = {state["text"] for state in near}
        if len(texts) == 1:
            (shown if args.text in texts else other).append(cosine)
    print(f"{len(shown)} clips show {args.text!r}: cosine at least {min(shown):.2f}")
    print(
        f"{len(other)} clips show something else: at most {np.percentile(other, 99):.2f} "
        f"in 99 % of them, {max(other):.2f} in all"
    )


def cosines(query: str, text: str) -> Iterator[tuple[float, float]]:
    """Yield the time of the newest frame in seconds and the cosine of each clip."""
    model = VLJepa.load()
    wanted, shape = model.embed_text(text), model.bundle.clip
    window = ClipWindow(shape.frames, shape.rate_hz)
    with av.open(str(DEMO / "recording.mp4")) as video:
        for frame in video.decode(video=0):
            image = frame.to_ndarray(format="rgb24")
            window.push(round(frame.time * 1e9), model.encode_frame(image))
            if (clip := model.bundle.clip_in(window)) is not None:
                (embedding,) = model.embed(clip.frames, [model.bundle.queries[query]])
                yield clip.end_ns / 1e9, float(embedding @ wanted)


if __name__ == "__main__":
    main()
