# SPDX-License-Identifier: Apache-2.0
"""The real backend behind a gate, to be slow or to fail when a test says so."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from support.ros import DEADLINE_S
from vljepa_ros.runtime.backend import BackendError, ClipOutputs, StreamOutputs
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.onnx_backend import OnnxBackend


class Gate:
    """What the next frames meet: an open or a closed gate, a failure, or no numbers.

    ``model_closed`` tells whether a model behind it was closed, ``batches`` how many frames each
    run of the frame encoder took. The results of the clips in ``not_finite_clips`` (their places
    in a run) are not finite; those of all clips if ``not_finite``.
    """

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.failing = False
        self.not_finite = False
        self.not_finite_clips: set[int] = set()
        self.model_closed = False
        self.batches: list[int] = []
        self._open = threading.Event()
        self._open.set()

    def close(self) -> None:
        """Hold the next frame; ``reached`` tells when it has come."""
        self.reached.clear()
        self._open.clear()

    def open(self) -> None:
        """Let frames pass."""
        self._open.set()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the gate before the backend of every model that is loaded from now on."""
        monkeypatch.setattr(
            "vljepa_ros.runtime.choose.OnnxBackend", lambda b, t: _GatedBackend(b, t, self)
        )

    def hold(self) -> None:
        """Hold a frame while closed."""
        self.reached.set()
        assert self._open.wait(DEADLINE_S), "the test did not open the gate"


class _GatedBackend(OnnxBackend):
    def __init__(self, bundle: Bundle, threads: int, gate: Gate) -> None:
        super().__init__(bundle, threads)
        self._gate = gate

    def encode_frames(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._gate.hold()
        self._gate.batches.append(len(frames))
        if self._gate.failing:
            raise BackendError("the test lets it fail")
        return super().encode_frames(frames)

    def embed(self, *arrays: Any) -> ClipOutputs:
        embedded = super().embed(*arrays)
        self._spoil(embedded.embeddings)
        return embedded

    def follow(self, *arrays: Any) -> StreamOutputs:
        followed = super().follow(*arrays)
        self._spoil(followed.embeddings)
        return followed

    def _spoil(self, embeddings: NDArray[np.float32]) -> None:
        spoilt = range(len(embeddings)) if self._gate.not_finite else self._gate.not_finite_clips
        embeddings[[clip for clip in spoilt if clip < len(embeddings)]] = np.nan

    def close(self) -> None:
        super().close()
        self._gate.model_closed = True
