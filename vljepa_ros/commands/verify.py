# SPDX-License-Identifier: Apache-2.0
"""``vljepa verify``: a model directory or a bundle is complete and computes what it should.

Bundles are verified without torch.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.commands.main import CommandError
from vljepa_ros.runtime.bundle import MANIFEST
from vljepa_ros.runtime.bundle_files import BundleError
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.text_decoder import TextDecoder
from vljepa_ros.stream.vectors import unit

SAME_PHRASE = 1e-3
"""Largest distance of a phrase's embedding from the bank's, both of unit length."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command line may hold."""
    parser.add_argument("path", type=Path, help="model directory or bundle")


def run(args: argparse.Namespace) -> int:
    """Check what is there and print each check that it passed.

    Raises:
        CommandError: a check failed.
    """
    check = _bundle if (args.path / MANIFEST).is_file() else _model
    for passed in check(args.path):
        print(f"ok: {passed}", flush=True)
    return 0


def _bundle(path: Path) -> Iterator[str]:
    try:
        model = VLJepa.load(path)
    except BundleError as error:
        raise CommandError(str(error)) from error
    yield f"{len(model.bundle.files)} files are what the manifest says"
    yield "all graphs run"
    if model.bundle.words is not None:
        yield _spoken(model)
    if "y_encoder" not in model.bundle.graphs:
        yield "no graph embeds texts, so the phrases are taken as they are"
        return
    distances = _phrase_distances(model)
    worst = max(distances, key=lambda text: distances[text])
    if not distances[worst] <= SAME_PHRASE:
        raise CommandError(
            f"{path}: the bank's embedding of {worst!r} is {distances[worst]:.1e} away from what "
            "the Y-Encoder says now; export the bundle again"
        )
    yield f"{len(distances)} phrases embed to the bank's rows, within {distances[worst]:.1e}"


def _phrase_distances(model: VLJepa) -> dict[str, float]:
    """Return how far the embedding of each phrase is from its row in the bank."""
    rows = _bank_rows(model)
    texts = [text for phrases in model.phrases.texts.values() for text in phrases]
    return {
        text: float(np.linalg.norm(model.embed_text(text) - row))
        for text, row in zip(texts, rows, strict=True)
    }


def _spoken(model: VLJepa) -> str:
    """Return how many phrases of the bank the text decoder says as they are."""
    try:
        decoder = TextDecoder.from_bundle(model.bundle)
    except BundleError as error:
        raise CommandError(str(error)) from error
    texts = [(query, text) for query, part in model.phrases.texts.items() for text in part]
    pairs = zip(texts, _bank_rows(model), strict=True)
    same = sum(decoder.best(query, row).text == text for (query, text), row in pairs)
    return f"the text decoder runs; it says {same} of {len(texts)} phrases word for word"


def _bank_rows(model: VLJepa) -> NDArray[np.float32]:
    bundle = model.bundle
    return unit(np.load(bundle.root / bundle.phrases.embeddings, allow_pickle=False))


def _model(path: Path) -> Iterator[str]:
    from vljepa_ros.model.verification import verify_model

    yield from verify_model(path)
