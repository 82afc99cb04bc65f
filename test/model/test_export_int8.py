# SPDX-License-Identifier: Apache-2.0
"""Rounded weights take a quarter of the file and change nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("onnxscript", reason="the export needs onnxscript")
pytest.importorskip("transformers", reason="the text towers are those of transformers")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402

from support.tiny_model import TINY_DEFAULT, TINY_PAPER, tiny_model  # noqa: E402
from vljepa_ros.model.export.export_error import ExportError  # noqa: E402
from vljepa_ros.model.export.graphs import y_encoder_graph  # noqa: E402
from vljepa_ros.model.export.onnx_file import write_graph  # noqa: E402
from vljepa_ros.model.int8 import round_to_int8  # noqa: E402

WIDE = replace(TINY_DEFAULT.y_encoder, width=64, head_width=32, mlp=128, vocabulary=500)
CONFIGS = {
    "bert": replace(
        TINY_DEFAULT,
        y_encoder=WIDE,
        predictor=replace(TINY_DEFAULT.predictor, query_width=64),
    ),
    "gemma": replace(
        TINY_PAPER,
        y_encoder=replace(TINY_PAPER.y_encoder, width=64, mlp=128, vocabulary=500),
    ),
}


def run(path: Path, ids: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options).run(None, {"input_ids": ids})


@pytest.mark.parametrize("tower", CONFIGS)
def test_codes_and_scales_say_the_same_as_rounded_floats(tower: str, tmp_path: Path) -> None:
    model = tiny_model(CONFIGS[tower])
    round_to_int8(model.y_encoder.tower)
    graph = y_encoder_graph(model)
    write_graph(graph, tmp_path / "float.onnx")
    write_graph(graph, tmp_path / "int8.onnx", int8=True)
    ids = np.array([[3, 1, 499, 7]])
    for plain, stored in zip(
        run(tmp_path / "float.onnx", ids), run(tmp_path / "int8.onnx", ids), strict=True
    ):
        np.testing.assert_array_equal(stored, plain)
    sizes = [weights(tmp_path / f"{name}.onnx") for name in ("int8", "float")]
    assert sizes[0] < 0.35 * sizes[1]


def weights(path: Path) -> int:
    """Return the bytes of the constants."""
    constants = onnx.load(path).graph.initializer
    return sum(onnx.numpy_helper.to_array(weight).nbytes for weight in constants)


def test_no_table_is_turned_into_floats_as_a_whole(tmp_path: Path) -> None:
    model = tiny_model(CONFIGS["bert"])
    round_to_int8(model.y_encoder.tower)
    write_graph(y_encoder_graph(model), tmp_path / "y.onnx", int8=True)
    graph = onnx.load(tmp_path / "y.onnx").graph
    tables = {w.name for w in graph.initializer if list(w.dims) == [500, 64]}
    users = {node.op_type for node in graph.node if tables & set(node.input)}
    assert tables
    assert users == {"Gather"}


def test_the_head_which_was_not_rounded_keeps_its_floats(tmp_path: Path) -> None:
    model = tiny_model(CONFIGS["bert"])
    round_to_int8(model.y_encoder.tower)
    write_graph(y_encoder_graph(model), tmp_path / "y.onnx", int8=True)
    head = model.y_encoder.head.weight.detach().numpy()
    floats = [
        onnx.numpy_helper.to_array(w) for w in onnx.load(tmp_path / "y.onnx").graph.initializer
    ]
    assert any(
        f.dtype == np.float32 and (np.array_equal(f, head) or np.array_equal(f, head.T))
        for f in floats
    )


def test_a_tower_that_was_not_rounded_is_refused(tmp_path: Path) -> None:
    model = tiny_model(CONFIGS["bert"])
    with pytest.raises(ExportError, match="no weight was rounded"):
        write_graph(y_encoder_graph(model), tmp_path / "y.onnx", int8=True)
    assert not list(tmp_path.iterdir())
