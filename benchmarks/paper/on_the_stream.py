# SPDX-License-Identifier: Apache-2.0
"""What answers questions about a camera's stream: ours, and what a user would take instead.

All run on one thread. CLIP also runs in ONNX Runtime, as ours does; SmolVLM2 runs in transformers.
What needs torch stands in :mod:`.usual_models`, so that the memory of the others is without it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.costs import Contestant, Job, costs
from benchmarks.paper.results import Figures

ROUNDS = 3
QUESTIONS = 4
CAMERA_HZ = 10.0
_PIXELS = (480, 640)  # of the camera


def compare(folder: Path) -> dict[str, Figures]:
    """Return the costs of all contestants; CLIP's graph stays in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = folder / "clip.onnx"
    if not graph.exists():
        from benchmarks.paper.usual_models import export_clip

        export_clip(graph)
    return costs(
        {
            "ours, four queries": Contestant(ours, QUESTIONS, 30),
            "CLIP ViT-B/32, ONNX Runtime": Contestant(partial(clip_in_onnx, graph), QUESTIONS, 5),
            "CLIP ViT-B/32, torch": Contestant(clip_in_torch, QUESTIONS, 5),
            "SmolVLM2-256M": Contestant(partial(smolvlm, "256M"), 1, 1),
            "SmolVLM2-500M": Contestant(partial(smolvlm, "500M"), 1, 1),
        },
        ROUNDS,
    )


def ours(cameras: int = 1, queries: int = QUESTIONS) -> Job:
    """Return a tick of the shipped bundle: a frame of each camera in, the nearest phrases out."""
    from vljepa_ros.runtime.clip_embedder import ClipEmbedder, Frame
    from vljepa_ros.runtime.model import VLJepa

    model = VLJepa.load(threads=1)
    known = list(model.bundle.queries)
    asked = [f"q{i}: {model.bundle.queries[known[i % len(known)]]}" for i in range(queries)]
    names = [str(camera) for camera in range(cameras)]
    embedder = ClipEmbedder(model, asked, names)
    size, image = model.bundle.frame, _image()
    number = count()

    def tick() -> object:
        small = cv2.resize(image, (size.width, size.height), interpolation=cv2.INTER_AREA)
        stamp_ns = round(next(number) * 1e9 / CAMERA_HZ)
        frames = {name: Frame(stamp_ns, "", small, restart=False) for name in names}
        return [
            model.describe(known[i % len(known)], vector).text
            for seen in embedder.add(frames).values()
            for i, vector in enumerate(seen.vectors.values())
        ]

    while not tick():  # until the first clip is complete
        pass
    return tick


def clip_in_torch() -> Job:
    """Return a tick of CLIP ViT-B/32: the newest frame against the texts of every question."""
    from benchmarks.paper.usual_models import clip_vision

    return _clip_tick(clip_vision())


def clip_in_onnx(graph: Path) -> Job:
    """Return the same, with CLIP's image side in ONNX Runtime."""
    import onnxruntime

    from vljepa_ros.runtime.onnx_session import session_options

    session = onnxruntime.InferenceSession(
        str(graph), session_options(1), ["CPUExecutionProvider"]
    )
    return _clip_tick(lambda pixels: session.run(None, {"pixels": pixels})[0])


def smolvlm(size: str) -> Job:
    """Return one question to SmolVLM2 about a clip."""
    from benchmarks.paper.usual_models import ask_smolvlm

    return ask_smolvlm(size)


def _clip_tick(embed: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Job:
    from vljepa_ros.runtime.bundle import Bundle, default_bundle_path
    from vljepa_ros.runtime.phrases import PhraseBank

    bank = PhraseBank.from_bundle(Bundle.load(default_bundle_path()))
    random = np.random.default_rng(0)
    texts = [random.normal(size=(len(each), 512)).astype("f4") for each in bank.texts.values()]
    image, half = _image(), np.float32(0.5)

    def tick() -> object:
        small = cv2.resize(image, (224, 224), interpolation=cv2.INTER_AREA)
        pixels = (small.astype(np.float32) / 255 - half) / half
        found = embed(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))[0]
        return [int((of_question @ found).argmax()) for of_question in texts]

    return tick


def _image() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (*_PIXELS, 3), np.uint8)
