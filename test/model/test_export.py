# SPDX-License-Identifier: Apache-2.0
"""Exported graphs compute what torch computes, or there is no file."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("onnxscript", reason="the export needs onnxscript")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402

from vljepa_ros.model import export  # noqa: E402
from vljepa_ros.model.config import ModelConfig  # noqa: E402
from vljepa_ros.model.vljepa import VLJepaModel  # noqa: E402

SMALL = ModelConfig(
    frame_channels=3, frame_grid=4, width=24, heads=3, text_width=10, embedding=7,
    max_query_tokens=24, encoder_blocks=1, predictor_blocks=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return VLJepaModel(SMALL).eval()


def run(path, **feed):
    return onnxruntime.InferenceSession(str(path)).run(None, feed)[0]


def test_the_two_graphs_together_equal_the_torch_model(model, tmp_path):
    export.export_x_encoder(model, tmp_path / "x.onnx")
    export.export_predictor(model, tmp_path / "p.onnx")
    features = torch.randn(1, 8, 3, 4, 4)
    for count in (1, 2, 5):  # the number of queries is free
        tokens, mask = torch.randn(count, 24, 10), torch.rand(count, 24) < 0.5
        mask[:, 0] = True
        with torch.no_grad():
            expected = model(features, tokens[None], mask[None])[0]
        visual = run(tmp_path / "x.onnx", features=features.numpy())
        found = run(
            tmp_path / "p.onnx",
            visual_tokens=visual,
            query_tokens=tokens.numpy(),
            query_mask=mask.numpy(),
        )
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_graphs_are_opset_18(model, tmp_path):
    export.export_x_encoder(model, tmp_path / "x.onnx")
    opsets = {i.domain: i.version for i in onnx.load(tmp_path / "x.onnx").opset_import}
    assert opsets[""] == export.OPSET == 18


def test_the_graphs_tell_nothing_of_the_machine_that_exported_them(model, tmp_path):
    export.export_x_encoder(model, tmp_path / "x.onnx")
    content = (tmp_path / "x.onnx").read_bytes()
    assert b".py" not in content and str(tmp_path).encode() not in content
    assert not any(node.metadata_props for node in onnx.load(tmp_path / "x.onnx").graph.node)


def test_an_export_that_differs_from_torch_leaves_no_file(tmp_path):
    class Unfaithful(torch.nn.Module):
        """Counts its calls in the answer, so that torch and the graph disagree."""

        calls = 0.0

        def forward(self, x):
            self.calls += 1.0
            return x + self.calls

    path = tmp_path / "bad.onnx"
    with pytest.raises(export.ExportError, match=r"bad\.onnx differs from torch"):
        export._export(Unfaithful(), (torch.ones(1, 3),), path, ["x"], ["y"])
    assert not path.exists()
