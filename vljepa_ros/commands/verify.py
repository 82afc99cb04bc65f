# SPDX-License-Identifier: Apache-2.0
"""``vljepa verify``: a model directory or a bundle is complete and computes what it should.

Bundles are verified without torch.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.commands.main import CommandError
from vljepa_ros.runtime.bundle import MANIFEST
from vljepa_ros.runtime.calibration import calibrations_of
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.reference import SAME_TEXT, Reference
from vljepa_ros.runtime.text_decoder import TextDecoder
from vljepa_ros.runtime.tokenizer import UNKNOWN_WORDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command line may hold."""
    parser.add_argument("path", type=Path, help="model directory or bundle")


def run(args: argparse.Namespace) -> int:
    """Check what is there and print each check that it passed.

    Raises:
        CommandError: a check failed.
        BundleError: the bundle cannot be used.
    """
    check = _bundle if (args.path / MANIFEST).exists() else _model
    for passed in check(args.path):
        print(f"ok: {passed}", flush=True)
    return 0


def _bundle(path: Path) -> Iterator[str]:
    model = VLJepa.load(path)
    yield f"{len(model.bundle.files)} files are what the manifest says"
    yield "all graphs run, and make of the bundle's own clip what they did at the export"
    yield from _known(model)
    if model.bundle.words is not None:
        yield _spoken(model)
    if "y_encoder" not in model.bundle.graphs:
        yield "no graph embeds texts, so the phrases are taken as they are"
        return
    model.embed_text(UNKNOWN_WORDS)
    yield "words that the tokenizer does not know are embedded"
    yield _phrases(model)


def _known(model: VLJepa) -> Iterator[str]:
    """Return what the bundle knows of itself, if it knows something."""
    bundle = model.bundle
    if bundle.has_statistics:
        clip = Reference.from_bundle(bundle).clip
        noise = np.random.default_rng(0).integers(0, 256, clip.shape, np.uint8)
        own, strange = (_unfamiliarity(model, images) for images in (clip, noise))
        yield f"unfamiliarity of the bundle's own clip is {own:.2f}, of noise {strange:.2f}"
    for decoder, calibration in calibrations_of(bundle).items():
        queries = ", ".join(calibration.lines)
        yield f"scores of the decoder {decoder!r} are calibrated for {queries}"


def _unfamiliarity(model: VLJepa, images: NDArray[np.uint8]) -> float:
    frames = list(model.encode_frames(list(images)))
    questions = list(model.bundle.queries.values())
    unfamiliarity = model.unfamiliarity(model.see_clips([frames], questions).features[0])
    if math.isnan(unfamiliarity):
        raise CommandError(f"{model.bundle.root}: the features of a clip are not finite")
    return unfamiliarity


def _phrases(model: VLJepa) -> str:
    """Embed each phrase of the bank anew, and return how near its row is."""
    distances = _phrase_distances(model)
    worst = max(distances, key=lambda text: distances[text])
    if not distances[worst] <= SAME_TEXT:
        raise CommandError(
            f"{model.bundle.root}: the bank's embedding of {worst!r} is {distances[worst]:.1e} "
            "away from what the Y-Encoder says now; export the bundle again"
        )
    return f"{len(distances)} phrases embed to the bank's rows, within {distances[worst]:.1e}"


def _phrase_distances(model: VLJepa) -> dict[str, float]:
    """Return how far the embedding of each phrase is from its row in the bank."""
    texts = [text for phrases in model.phrases.texts.values() for text in phrases]
    return {
        text: float(np.linalg.norm(model.embed_text(text) - row))
        for text, row in zip(texts, model.phrases.embeddings, strict=True)
    }


def _spoken(model: VLJepa) -> str:
    """Return how many phrases of the bank the text decoder says as they are."""
    decoder = TextDecoder.from_bundle(model.bundle)
    texts = [(query, text) for query, part in model.phrases.texts.items() for text in part]
    pairs = zip(texts, model.phrases.embeddings, strict=True)
    same = sum(decoder.best(query, row).text == text for (query, text), row in pairs)
    return f"the text decoder runs; it says {same} of {len(texts)} phrases word for word"


def _model(path: Path) -> Iterator[str]:
    from vljepa_ros.model.verification import verify_model

    yield from verify_model(path)
