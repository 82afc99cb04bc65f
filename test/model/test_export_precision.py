# SPDX-License-Identifier: Apache-2.0
"""A bundle in half precision answers as the one in float32, and products alone are halved.

nvidia-modelopt needs other versions than the test environment has. A stand-in with the same calls
takes its place, and modelopt itself where VLJEPA_MODELOPT_PYTHON says which Python has it.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("onnxscript", reason="the export needs onnxscript")
pytest.importorskip("transformers", reason="the text towers are those of transformers")

import onnx  # noqa: E402
import onnxruntime as ort  # noqa: E402

from support.tiny_model import (  # noqa: E402
    QUERIES,
    TINY_PAPER,
    contents,
    random_clips,
    tiny_model,
)
from vljepa_ros.model.export import low_precision  # noqa: E402
from vljepa_ros.model.export.contents import Choices  # noqa: E402
from vljepa_ros.model.export.export_bundle import export_bundle  # noqa: E402
from vljepa_ros.model.export.export_error import ExportError  # noqa: E402
from vljepa_ros.model.export.half_rounding import round_halves  # noqa: E402
from vljepa_ros.model.export.low_precision import FP32_OPERATORS  # noqa: E402
from vljepa_ros.model.export.precision import LowPrecision, lower_precision  # noqa: E402
from vljepa_ros.runtime.bundle import Bundle  # noqa: E402
from vljepa_ros.runtime.model import VLJepa  # noqa: E402
from vljepa_ros.runtime.onnx_session import session_options  # noqa: E402
from vljepa_ros.runtime.reference import Reference  # noqa: E402

STAND_IN = Path(__file__).resolve().parents[1] / "support" / "modelopt_stand_in"
MODELOPT = os.environ.get("VLJEPA_MODELOPT_PYTHON")
FLOAT, FLOAT16 = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("plain")
    texts = contents(TINY_PAPER, folder)
    choices = Choices(text_encoder=False)
    return export_bundle(
        tiny_model(TINY_PAPER), folder / "bundle", texts, random_clips(TINY_PAPER), choices
    )


@pytest.fixture
def copy(plain: Bundle, tmp_path: Path) -> Bundle:
    return Bundle.load(shutil.copytree(plain.root, tmp_path / "bundle"))


@pytest.fixture
def python(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(STAND_IN))
    return Path(sys.executable)


def types(file: Path) -> dict[str, set[int]]:
    """Return the types of the outputs of the nodes of each kind."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(str(file))).graph
    known = {v.name: v.type.tensor_type.elem_type for v in [*graph.value_info, *graph.output]}
    found: dict[str, set[int]] = {}
    for node in graph.node:
        found.setdefault(node.op_type, set()).add(known[node.output[0]])
    return found


def quantised(file: Path) -> dict[str, str]:
    """Return names and kinds of the nodes that take what a pair of Q and DQ rounded."""
    nodes = onnx.load(str(file)).graph.node
    rounded = {node.output[0] for node in nodes if node.op_type == "DequantizeLinear"}
    return {node.name: node.op_type for node in nodes if rounded.intersection(node.input)}


def check(bundle: Bundle) -> None:
    for graph in ("x_encoder", "predictor"):
        model = onnx.load(str(bundle.root / bundle.graphs[graph]))
        assert model.opset_import[0].version <= 20, "TensorRT 10.3 reads no newer one"
        assert {v.type.tensor_type.elem_type for v in model.graph.output} == {FLOAT}
        kinds = types(bundle.root / bundle.graphs[graph])
        assert FLOAT16 in kinds["MatMul"]
        assert all(FLOAT16 not in kinds.get(kind, ()) for kind in FP32_OPERATORS)
    model = VLJepa.load(bundle.root)
    assert model.backend.precision == bundle.precision
    reference = Reference.from_bundle(bundle)
    found = model.embed(list(reference.clip), list(QUERIES.values()))
    cosine = reference.check(found, np.load(bundle.root / "phrases.npy"), bundle.precision)
    assert bundle.lowered is not None
    # The least of all clips; but the export pads queries, as TensorRT does, and rounds other sums.
    assert bundle.lowered.cosine <= cosine + 2e-4


@pytest.mark.parametrize("precision", ["fp16", "fp8"])
def test_products_are_halved_and_sums_are_not(copy, precision, python: Path) -> None:
    before = (copy.root / "predictor.onnx").stat().st_size
    graphs = {name: onnx.load(str(copy.root / file)).graph for name, file in copy.graphs.items()}
    first = {name: low_precision._first_products(graph) for name, graph in graphs.items()}
    assert len(first["predictor"]) == 2, "of the visual tokens, and of the query's"
    lowered = lower_precision(copy, random_clips(TINY_PAPER), LowPrecision(precision, python))
    assert lowered == Bundle.load(copy.root)
    assert lowered.precision == precision
    assert lowered.space_id == copy.space_id
    assert lowered.lowered is not None
    assert lowered.lowered.tool == "nvidia-modelopt 0.0"
    assert lowered.lowered.graphs == dict.fromkeys(("x_encoder", "predictor"), precision)
    if precision == "fp16":  # the scales of the others outweigh what so small weights save
        assert (copy.root / "predictor.onnx").stat().st_size < before
    assert not {file.name for file in copy.root.iterdir()} - {*copy.files, "manifest.json"}
    check(lowered)
    for graph in ("x_encoder", "predictor"):
        rounded = quantised(lowered.root / lowered.graphs[graph])
        assert ("MatMul" in rounded.values()) == (precision != "fp16")
        assert "Conv" not in rounded.values()
        assert not first[graph].intersection(rounded)


@pytest.mark.skipif(MODELOPT is None, reason="VLJEPA_MODELOPT_PYTHON is not set")
@pytest.mark.parametrize("precision", ["fp16", "fp8"])
def test_modelopt_itself_does_so_too(copy: Bundle, precision: str) -> None:
    wanted = LowPrecision(precision, Path(str(MODELOPT)))
    check(lower_precision(copy, random_clips(TINY_PAPER), wanted))


def test_float16_is_rounded_on_the_cpu_too(tmp_path: Path) -> None:
    """Without that a comparison would be blind: ONNX Runtime would compute in float32."""
    file = tmp_path / "products.onnx"
    weight = onnx.numpy_helper.from_array(np.full((8, 8), 1000, np.float16), "weight")
    nodes = [
        onnx.helper.make_node("Cast", ["x"], ["half"], to=FLOAT16),
        onnx.helper.make_node("MatMul", ["half", "weight"], ["once"]),
        onnx.helper.make_node("MatMul", ["once", "weight"], ["twice"]),
        onnx.helper.make_node("Cast", ["twice"], ["y"], to=FLOAT),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "products", [value("x", FLOAT, [1, 8])], [value("y", FLOAT, [1, 8])], [weight]
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), str(file))
    round_halves(file)
    session = ort.InferenceSession(file, session_options(1))
    (found,) = session.run(None, {"x": np.full((1, 8), 0.001, np.float32)})
    assert (found == 64_000).all(), "the product, rounded to what float16 has"
    (found,) = session.run(None, {"x": np.ones((1, 8), np.float32)})
    assert np.isinf(found).all()


def test_the_small_numbers_of_norms_and_lengths_stay_in_float32(copy, python: Path) -> None:
    lower_precision(copy, random_clips(TINY_PAPER), LowPrecision("fp16", python))
    kinds = types(copy.root / "predictor.onnx")
    assert kinds["Clip"] == {FLOAT}, "1e-12 would be zero"
    assert FLOAT16 not in kinds["Div"], "nor in other divisors"
    assert FLOAT in kinds["Add"], "that of the norms"


def test_without_modelopt_the_error_says_where_the_set_up_is_described(copy: Bundle) -> None:
    wanted = LowPrecision("fp16", Path(sys.executable))
    with pytest.raises(ExportError, match="No module named 'modelopt'.+docs/export.md"):
        lower_precision(copy, random_clips(TINY_PAPER), wanted)
    with pytest.raises(ExportError, match="no/python does not run"):
        lower_precision(copy, random_clips(TINY_PAPER), LowPrecision("fp16", Path("no/python")))


@pytest.mark.slow
def test_an_export_that_loses_too_much_leaves_no_bundle(tmp_path: Path, python: Path) -> None:
    model = tiny_model(TINY_PAPER)
    with torch.no_grad():  # values beyond float16; the norm that follows takes them back
        model.x_encoder.blocks[0].mlp.up.weight *= 1e4
        model.x_encoder.blocks[0].mlp.down.weight *= 1e4
    choices = Choices(text_encoder=False, precision=LowPrecision("fp16", python))
    with pytest.raises(ExportError, match="fp16 is not what fp32 was"):
        export_bundle(
            model,
            tmp_path / "bundle",
            contents(TINY_PAPER, tmp_path),
            random_clips(TINY_PAPER),
            choices,
        )
    assert not (tmp_path / "bundle").exists()
