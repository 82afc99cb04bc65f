# SPDX-License-Identifier: Apache-2.0
"""Frames to the feature maps of a frozen image trunk, for :mod:`.feature_cache` to keep."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from vljepa_ros.files import new_file
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.export.graphs import frame_encoder_graph
from vljepa_ros.model.export.onnx_file import write_graph
from vljepa_ros.model.frame_encoder import FrameEncoder


class TrunkFeatures:
    """Frames uint8 (T, H, W, 3) -> feature maps float16 (T, C, h, w), one frame after the other.

    ONNX Runtime runs the trunk on the CPU: it is several times faster there than torch, and it is
    what robots run.
    """

    def __init__(self, trunk: FrameEncoder, config: ModelConfig, folder: Path) -> None:
        """Take the trunk; ``folder`` keeps its graph for the next time."""
        self._trunk, self._config = trunk, config
        self._file = folder / f"frame_encoder_{config.frame_pixels}.onnx"

    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Encode frames of the model's size."""
        features = [self._session.run(None, {"frame": frame[None]})[0][0] for frame in frames]
        return np.stack(features).astype(np.float16)

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        """The trunk's graph, which takes seconds to write: only for those who miss features."""
        if not self._file.exists():
            self._write()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        return onnxruntime.InferenceSession(str(self._file), options, ["CPUExecutionProvider"])

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder, new_file(self._file) as stream:
            graph = Path(folder) / self._file.name
            write_graph(frame_encoder_graph(self._trunk, self._config), graph)
            stream.write(graph.read_bytes())
