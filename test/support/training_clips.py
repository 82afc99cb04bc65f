# SPDX-License-Identifier: Apache-2.0
"""Small annotated videos and images, as a folder and as WebDataset shards, and tokenizers."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers

RATE = 10
COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}
WORDS = [
    *("[UNK]", "it", "is", "red", "green", "blue", "first", "which", "colour"),
    *("Describe", "this", "video", "."),
]


def write_video(path: Path, colours: list[str], frames: int = 10) -> None:
    """Write a video that shows each colour for ``frames`` frames, at ten frames a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.bit_rate = 1_000_000
        for colour in colours:
            image = np.full((48, 64, 3), COLOURS[colour], np.uint8)
            for _ in range(frames):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())


def write_image(path: Path, colour: str) -> None:
    cv2.imwrite(str(path), np.full((40, 60, 3), COLOURS[colour][::-1], np.uint8))


def write_clips(folder: Path) -> list[dict[str, object]]:
    """Write a video of all colours and an image of each, and annotations of their colours."""
    folder.mkdir(parents=True, exist_ok=True)
    write_video(folder / "all.mp4", list(COLOURS))
    lines: list[dict[str, object]] = []
    for number, colour in enumerate(COLOURS):
        write_image(folder / f"{colour}.png", colour)
        part = {"clip": "all.mp4", "start": float(number), "end": number + 0.9}
        lines.append({**part, "query": "which colour is it", "answer": f"it is {colour}"})
        lines.append({"clip": f"{colour}.png", "answer": colour})
    write_annotations(folder, lines)
    return lines


def write_annotations(folder: Path, lines: list[dict[str, object]]) -> None:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "annotations.jsonl").write_text(text)


def write_tokenizer(path: Path) -> None:
    tokenizer = Tokenizer(
        models.WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(path))
