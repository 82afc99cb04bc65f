# SPDX-License-Identifier: Apache-2.0
"""Graphs load with a robot's settings, or are refused with the cause."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from support.colour_bundle import seal
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.onnx_session import OnnxGraph, session_options


@pytest.fixture
def copy(colour_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(colour_bundle, tmp_path / "copy"))


def test_sessions_do_not_spin_and_use_the_threads_that_were_asked_for() -> None:
    options = session_options(3)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.intra_op_num_threads == 3
    assert options.inter_op_num_threads == 1
    assert options.graph_optimization_level == ort.GraphOptimizationLevel.ORT_ENABLE_ALL


@pytest.mark.parametrize("content", [b"", b"rubbish", bytes(1000)])
def test_a_file_that_is_no_graph_is_named_with_the_cause(copy: Path, content: bytes) -> None:
    (copy / "x_encoder.onnx").write_bytes(content)
    with pytest.raises(BundleError, match="ONNX Runtime .+ cannot load it") as caught:
        OnnxGraph(seal(copy), "x_encoder")
    assert caught.value.file == copy.resolve() / "x_encoder.onnx"
    assert caught.value.__cause__ is not None


def test_a_graph_of_a_later_opset_is_refused_and_not_guessed(copy: Path) -> None:
    model = onnx.load(str(copy / "x_encoder.onnx"))
    model.opset_import[0].version = 9999
    (copy / "x_encoder.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match="newer onnxruntime"):
        OnnxGraph(seal(copy), "x_encoder")


@pytest.mark.parametrize("graph", ["frame_encoder", "predictor", "y_encoder"])
def test_graphs_that_changed_places_are_refused(copy: Path, graph: str) -> None:
    shutil.copy(copy / "x_encoder.onnx", copy / f"{graph}.onnx")
    with pytest.raises(BundleError, match=f"as {graph} it must take"):
        OnnxGraph(seal(copy), graph)


def put_weights_beside(copy: Path, location: str) -> None:
    """Move the weights of the Y-Encoder into a file of their own."""
    onnx.save_model(
        onnx.load(str(copy / "y_encoder.onnx")),
        str(copy / "y_encoder.onnx"),
        save_as_external_data=True,
        location=location,
        size_threshold=200,  # small ones say shapes, which ONNX Runtime wants inside
    )


def embed(bundle: Bundle) -> list[NDArray[np.float32]]:
    return OnnxGraph(bundle, "y_encoder").run({"input_ids": np.array([[3, 4]])})


def test_weights_in_a_file_of_any_name_are_not_looked_for(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_weights_beside(copy, "weights.bin")
    monkeypatch.chdir(copy.parent)
    with pytest.raises(BundleError, match=r"y_encoder\.onnx"):
        OnnxGraph(seal(copy), "y_encoder")


def test_weights_that_the_manifest_lists_beside_the_graph_are_used(copy: Path) -> None:
    expected = embed(Bundle.load(copy))
    put_weights_beside(copy, "y_encoder.onnx.data")
    for found, true in zip(embed(seal(copy)), expected, strict=True):
        np.testing.assert_array_equal(found, true)


def test_weights_are_found_through_links(copy: Path, tmp_path: Path) -> None:
    put_weights_beside(copy, "y_encoder.onnx.data")
    seal(copy)
    linked = tmp_path / "linked"
    linked.mkdir()
    for file in copy.iterdir():
        (linked / file.name).symlink_to(file)
    assert len(embed(Bundle.load(linked))) == 2


def test_links_that_part_a_graph_from_its_weights_are_refused(copy: Path, tmp_path: Path) -> None:
    put_weights_beside(copy, "y_encoder.onnx.data")
    seal(copy)
    moved = tmp_path / "elsewhere.data"
    (copy / "y_encoder.onnx.data").rename(moved)
    (copy / "y_encoder.onnx.data").symlink_to(moved)
    with pytest.raises(BundleError, match="which is not beside"):
        embed(Bundle.load(copy))


def test_inputs_that_do_not_fit_are_an_error_of_the_backend(colour_bundle: Path) -> None:
    graph = OnnxGraph(Bundle.load(colour_bundle), "frame_encoder")
    with pytest.raises(BackendError, match="frame_encoder failed"):
        graph.run({"frame": np.zeros((1, 5, 5, 3), dtype=np.uint8)})
    with pytest.raises(BackendError, match="frame_encoder failed"):
        graph.run({"frame": np.zeros((1, 32, 32, 3), dtype=np.float32)})


def test_a_closed_graph_says_so(colour_bundle: Path) -> None:
    graph = OnnxGraph(Bundle.load(colour_bundle), "frame_encoder")
    graph.close()
    with pytest.raises(BackendError, match="frame_encoder is closed"):
        graph.run({"frame": np.zeros((1, 32, 32, 3), dtype=np.uint8)})
