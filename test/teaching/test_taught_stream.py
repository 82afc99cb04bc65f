# SPDX-License-Identifier: Apache-2.0
"""A bundle with a memory is taught, and the bundle that comes out answers stream by stream."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="teaching is tested where torch is installed")
pytest.importorskip("onnxscript", reason="the export needs onnxscript (make train-venv)")

from support.tiny_model import TINY_STREAM, contents, random_clips, tiny_model  # noqa: E402
from vljepa_ros.model.export.export_bundle import export_bundle  # noqa: E402
from vljepa_ros.model.from_bundle import model_from_bundle  # noqa: E402
from vljepa_ros.runtime.model import VLJepa  # noqa: E402
from vljepa_ros.teaching.fit_settings import FitSettings  # noqa: E402
from vljepa_ros.teaching.measured_recording import measure  # noqa: E402
from vljepa_ros.teaching.method import fit  # noqa: E402
from vljepa_ros.teaching.taught_bundle import write_taught  # noqa: E402
from vljepa_ros.teaching.taught_recording import Lessons, TaughtRecording  # noqa: E402

FRAMES = 12  # at 10 Hz, so the recording is shorter than the memory
TEXTS = ("a red door", "a green cup")


def recording(name: str) -> TaughtRecording:
    """Dark images, then bright ones."""
    bright = np.arange(FRAMES) >= FRAMES // 2
    side = TINY_STREAM.frame_pixels
    noise = np.random.default_rng(ord(name)).integers(0, 40, (FRAMES, side, side, 3))
    images = noise + 180 * bright[:, None, None, None]
    labels = {"thing": bright.astype(np.int32)}
    return TaughtRecording(name, name, np.arange(FRAMES) / 10, images.astype(np.uint8), labels)


def lessons(*names: str) -> Lessons:
    return Lessons(
        {"thing": "what is it ?"}, {"thing": TEXTS}, tuple(recording(name) for name in names)
    )


@pytest.mark.slow
def test_a_streaming_bundle_is_a_base_to_teach_from(tmp_path: Path) -> None:
    base = export_bundle(
        tiny_model(TINY_STREAM),
        tmp_path / "base",
        contents(TINY_STREAM, tmp_path),
        random_clips(TINY_STREAM),
    )
    runtime, taught = VLJepa.load(base.root), lessons("a", "b", "c")
    settings = replace(FitSettings(), copies=1, steps=0)
    fitted = fit(
        model_from_bundle(base), taught, lessons(), runtime, tmp_path / "work",
        lambda done: None, Event(), settings,
    )  # fmt: skip
    out = tmp_path / "taught"
    out.mkdir()
    bundle = write_taught(fitted.model, base, taught, out, "taught")
    assert bundle.memory is not None
    found = measure(VLJepa.load(out), taught.questions, recording("x"))
    assert (found.answers["thing"].found[1:] == recording("x").labels["thing"][1:]).mean() > 0.8
