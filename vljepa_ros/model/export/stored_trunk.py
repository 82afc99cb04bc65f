# SPDX-License-Identifier: Apache-2.0
"""The frozen image trunk of a bundle: a graph that is copied and never rebuilt."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import torch
from torch import Tensor

from vljepa_ros.runtime.onnx_session import session_options


class StoredTrunk:
    """uint8 RGB (B, H, W, 3) -> features float32 (B, C, h, w), by the graph in ``file``."""

    def __init__(self, file: Path) -> None:
        """Load the graph."""
        self.file = file
        self._session = onnxruntime.InferenceSession(
            str(file),
            session_options(torch.get_num_threads()),
            providers=["CPUExecutionProvider"],
        )

    def __call__(self, frame: Tensor) -> Tensor:
        """Encode frames."""
        return torch.from_numpy(self._session.run(None, {"frame": frame.numpy()})[0])
