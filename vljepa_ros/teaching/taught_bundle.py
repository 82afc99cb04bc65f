# SPDX-License-Identifier: Apache-2.0
"""A taught model as a bundle: its own name and space, and the labels as its phrases."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.export.further_bundle import write_further
from vljepa_ros.model.export.precision import COMPARED_CLIPS
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.runtime.bundle import MANIFEST, Bundle, write_manifest
from vljepa_ros.stream.clip_window import ClipWindow
from vljepa_ros.stream.last_frames import last_frames
from vljepa_ros.teaching.taught_recording import Lessons, TaughtRecording

_FURTHER = ", taught further on recordings of the user"
_NS = 1_000_000_000


def write_taught(
    model: VLJepaModel, base: Bundle, lessons: Lessons, out: Path, name: str
) -> Bundle:
    """Write a taught model into an empty folder.

    Args:
        model: the taught model; its name becomes ``name``.
        base: the bundle that it was rebuilt from.
        lessons: all lessons: the texts become the phrases, some clips the comparison with torch.
        out: an empty folder.
        name: of the bundle.

    Raises:
        ExportError: a graph differs from torch, or no recording is long enough for a clip.
        OSError: a file cannot be written.
    """
    model.eval().config = replace(model.config, name=name)
    clips = some_clips(lessons, model.config, COMPARED_CLIPS[base.precision])
    none = np.empty((0, base.clip.frames, base.frame.height, base.frame.width, 3), np.uint8)
    return write_further(
        model,
        base,
        out,
        queries=lessons.questions,
        phrases=lessons.texts,
        licences=_licences(base),
        clips=np.stack(clips) if clips else none,
    )


def some_clips(lessons: Lessons, config: ModelConfig, count: int) -> list[NDArray[np.uint8]]:
    """Return at most ``count`` clips (T, H, W, 3): the first of each recording, then the second.

    A recording may be too short for one. For a model with a memory none is: the first image stands
    for those before it.
    """
    rounds = zip_longest(*(_clips(recording, config) for recording in lessons.recordings))
    return [*islice((clip for each in rounds for clip in each if clip is not None), count)]


def _clips(recording: TaughtRecording, config: ModelConfig) -> Iterator[NDArray[np.uint8]]:
    """Yield the clips of a recording that share no frame."""
    window = ClipWindow(config.clip_frames, config.clip_rate_hz)
    none = True
    for stamp, frame in zip(recording.stamps_s, recording.frames, strict=True):
        window.push(round(stamp * _NS) + _NS, np.asarray(frame))
        if (clip := window.clip()) is not None:
            yield np.stack(clip.frames)
            window.clear()
            none = False
    if none and config.x_encoder.memory:
        yield np.stack(last_frames(window.so_far().frames, config.clip_frames))


def sealed(root: Path, **changes: Any) -> Bundle:
    """Write the manifest of a bundle anew after files were added; ``changes`` replace fields."""
    fields: Mapping[str, Any] = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    kept = {name: value for name, value in fields.items() if name not in ("format", "files")}
    return write_manifest(root, {**kept, **changes})


def _licences(base: Bundle) -> dict[str, str]:
    """Return the licences of the base; those of what was trained say so."""
    trained = {"x_encoder", "predictor", "y_encoder"}
    return {
        part: licence.removesuffix(_FURTHER) + _FURTHER if part in trained else licence
        for part, licence in base.licences.items()
        if part != "y_decoder"
    }
