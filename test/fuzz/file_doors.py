# SPDX-License-Identifier: Apache-2.0
"""Files: spoiled videos, bags, folders of images, bundles and model directories."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from fuzz.door import Attempt, Door
from fuzz.mutations import early, spoiled, strange_json_text
from support.colour_bundle import add_knowledge, build_colour_bundle
from support.recordings import bag_image, bag_jpeg, write_bag, write_folder, write_video
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.source import SourceError
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.bundle_files import BundleError, describe
from vljepa_ros.runtime.model import VLJepa

_COLOURS = ["red", "green", "blue"] * 4
_MOST_IMAGES = 200  # a spoiled file may announce any number of images
_STEP_NS = 100_000_000


@contextmanager
def _recordings(make: Callable[[Path], Path]) -> Iterator[Attempt]:
    """Spoil one file of a recording at a time."""
    with tempfile.TemporaryDirectory() as folder:
        honest = make(Path(folder) / "honest")
        spoilt = Path(folder) / f"spoilt{honest.suffix}"

        def attempt(rng: np.random.Generator) -> str:
            _copy(honest, spoilt)
            files = [spoilt] if spoilt.is_file() else sorted(spoilt.iterdir())
            file = files[int(rng.integers(len(files)))]
            spoil = early if rng.random() < 0.5 else spoiled
            file.write_bytes(spoil(rng, file.read_bytes()))
            try:
                with open_source(str(spoilt)) as source:
                    count = sum(1 for _ in islice(source.frames(), _MOST_IMAGES))
            except SourceError:
                return "refused"
            return "all played" if not source.problems and count else "played in part"

        yield attempt


def _copy(honest: Path, spoilt: Path) -> None:
    if spoilt.is_dir():
        shutil.rmtree(spoilt)
    if honest.is_dir():
        shutil.copytree(honest, spoilt)
    else:
        shutil.copyfile(honest, spoilt)


def _video(place: Path) -> Path:
    return write_video(place.with_suffix(".mp4"), _COLOURS)


def _folder(place: Path) -> Path:
    return write_folder(place, [f"{number}.png" for number in range(len(_COLOURS))], _COLOURS)


def _mcap(place: Path) -> Path:
    images = [
        (number * _STEP_NS, bag_image(colour, number * _STEP_NS))
        for number, colour in enumerate(_COLOURS)
    ]
    return write_bag(place, images)


def _sqlite(place: Path) -> Path:
    images = [
        (number * _STEP_NS, bag_jpeg(colour, number * _STEP_NS))
        for number, colour in enumerate(_COLOURS)
    ]
    return write_bag(place, images, storage="sqlite3")


@contextmanager
def _bundles() -> Iterator[Attempt]:
    with tempfile.TemporaryDirectory() as folder:
        honest = add_knowledge(build_colour_bundle(Path(folder) / "honest")).root
        spoilt = Path(folder) / "spoilt"

        def attempt(rng: np.random.Generator) -> str:
            _copy(honest, spoilt)
            files = sorted(spoilt.iterdir())
            manifest = spoilt / "manifest.json"
            file = manifest if rng.random() < 0.3 else files[int(rng.integers(len(files)))]
            if file.suffix == ".json" and rng.random() < 0.8:
                file.write_bytes(strange_json_text(rng, file.read_text(encoding="utf-8")))
            else:
                file.write_bytes(spoiled(rng, file.read_bytes()))
            if file != manifest:
                _seal(spoilt)  # or its sha256 would be all that is looked at
            try:
                VLJepa.load(spoilt).close()
            except (BundleError, BackendError):
                return "refused"
            return "loaded"

        yield attempt


def _seal(bundle: Path) -> None:
    """Let the manifest say what the files are now."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    for name, entry in manifest["files"].items():
        entry |= asdict(describe(bundle / name))
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def _door(name: str, share: float, make: Callable[[Path], Path]) -> Door:
    return Door(name, share, partial(_recordings, make))


DOORS = (
    _door("videos", 0.005, _video),
    _door("folders", 0.002, _folder),
    _door("bags (mcap)", 0.002, _mcap),
    _door("bags (sqlite3)", 0.002, _sqlite),
    Door("bundles", 0.003, _bundles),
)
