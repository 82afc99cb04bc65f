# SPDX-License-Identifier: Apache-2.0
"""Graphs in int8 compute what they did, and ONNX Runtime really computes them in int8."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("onnxscript", reason="the export needs onnxscript")
pytest.importorskip("transformers", reason="the text towers are those of transformers")

import onnx  # noqa: E402
import onnxruntime as ort  # noqa: E402
from torch import nn  # noqa: E402

from support.tiny_model import (  # noqa: E402
    QUERIES,
    TINY_DEFAULT,
    TINY_PAPER,
    contents,
    random_clips,
    tiny_model,
)
from vljepa_ros.commands.inspect_ import _precision  # noqa: E402
from vljepa_ros.model.export import int8_means  # noqa: E402
from vljepa_ros.model.export.contents import Choices  # noqa: E402
from vljepa_ros.model.export.export_bundle import export_bundle  # noqa: E402
from vljepa_ros.model.export.graphs import Graph  # noqa: E402
from vljepa_ros.model.export.int8_graphs import (  # noqa: E402
    quantise_convolutions,
    quantise_products,
)
from vljepa_ros.model.export.int8_means import (  # noqa: E402
    output_means,
    with_corrected_biases,
)
from vljepa_ros.model.export.int8_to_floats import in_floats  # noqa: E402
from vljepa_ros.model.export.onnx_file import write_graph  # noqa: E402
from vljepa_ros.model.export.precision import LowPrecision, lower_precision  # noqa: E402
from vljepa_ros.runtime import reference  # noqa: E402
from vljepa_ros.runtime.bundle import Bundle, BundleError  # noqa: E402
from vljepa_ros.runtime.model import VLJepa  # noqa: E402
from vljepa_ros.runtime.onnx_session import session_options  # noqa: E402

CHANNELS = 8


class Trunk(nn.Module):
    """A stem, and a block with a depthwise convolution around which values flow as well."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, CHANNELS, 3, stride=2, padding=1)
        self.wider = nn.Conv2d(CHANNELS, 4 * CHANNELS, 1)
        self.depthwise = nn.Conv2d(4 * CHANNELS, 4 * CHANNELS, 3, padding=1, groups=4 * CHANNELS)
        self.narrower = nn.Conv2d(4 * CHANNELS, CHANNELS, 1)
        with torch.no_grad():  # edges, which small shifts of the weights make see brightness
            self.depthwise.weight -= self.depthwise.weight.mean((2, 3), keepdim=True)
            self.narrower.weight *= 8

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        """Take uint8 (B, H, W, 3) and give features (B, CHANNELS, H/2, W/2)."""
        x = frame.to(torch.float32).permute(0, 3, 1, 2) / 64 - 2
        x = nn.functional.relu6(self.stem(x))
        inner = nn.functional.relu6(self.depthwise(nn.functional.relu6(self.wider(x))))
        return x + self.narrower(inner)


def frames(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)


def run(graph: Path, feed: dict[str, np.ndarray]) -> np.ndarray:
    found: np.ndarray = ort.InferenceSession(str(graph), session_options(1)).run(None, feed)[0]
    return found


def operators(graph: Path) -> Counter[str]:
    """Return how often each operator stands in what ONNX Runtime makes of a graph."""
    options = session_options(1)
    with TemporaryDirectory() as folder:
        made = Path(folder) / "made.onnx"
        options.optimized_model_filepath = str(made)
        ort.InferenceSession(str(graph), options)
        return Counter(
            node.op_type for node in onnx.load(str(made), load_external_data=False).graph.node
        )


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


class Trunks(NamedTuple):
    """The graph of a trunk in float32 and in int8, and what gave the ranges."""

    plain: Path
    quantised: Path
    inputs: list[Path]


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Trunks:
    folder = tmp_path_factory.mktemp("trunk")
    torch.manual_seed(0)
    example = {"frame": torch.zeros(2, 16, 16, 3, dtype=torch.uint8)}
    free = {"frame": {0: torch.export.Dim("B", min=1, max=64)}}
    write_graph(Graph(Trunk(), example, ("features",), free), folder / "float.onnx")
    inputs = []
    for number, frame in enumerate(frames(16, seed=0)):
        inputs.append(folder / f"{number:02}.npz")
        np.savez(inputs[-1], frame=frame[None])
    quantise_convolutions(folder / "float.onnx", folder / "int8.onnx", inputs)
    return Trunks(folder / "float.onnx", folder / "int8.onnx", inputs)


def test_convolutions_are_computed_in_int8(trunk: Trunks) -> None:
    assert operators(trunk.plain)["Conv"] == 4
    found = operators(trunk.quantised)
    assert found["QLinearConv"] == 3, "the depthwise one too"
    assert found["Conv"] == 1, "the first one sees pixels"
    assert "Clip" not in found, "it is a part of the rounding"


def test_features_of_frames_stay_what_they_were(trunk: Trunks) -> None:
    feed = {"frame": frames(64, seed=1)}
    true, found = run(trunk.plain, feed), run(trunk.quantised, feed)
    assert found.shape == true.shape
    assert cosine(true, found) > 0.999
    shift = (found - true).mean((0, 2, 3))
    assert np.abs(shift).max() < 0.0015 * true.std(), "statistics of features stay as they are"


def test_biases_take_back_what_rounding_shifts(trunk: Trunks) -> None:
    model = onnx.load(str(trunk.plain))
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    corrected = with_corrected_biases(model, convolutions, trunk.inputs)
    true = output_means(model, trunk.inputs)
    shifts = [
        np.linalg.norm(output_means(with_rounded_weights(each), trunk.inputs) - true)
        for each in (model, corrected)
    ]
    assert shifts[1] < 0.1 * shifts[0]


def with_rounded_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for constant in result.graph.initializer:
        if len(constant.dims) == 4:
            weight = int8_means._rounded(onnx.numpy_helper.to_array(constant))
            constant.CopyFrom(onnx.numpy_helper.from_array(weight, constant.name))
    return result


@pytest.fixture(scope="module")
def plain(paper_bundle: Path) -> Bundle:
    return Bundle.load(paper_bundle)


@pytest.fixture(scope="module")
def lowered(plain: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    copy = shutil.copytree(plain.root, tmp_path_factory.mktemp("lowered") / "bundle")
    return lower_precision(Bundle.load(copy), random_clips(TINY_PAPER), LowPrecision("int8"))


def test_products_are_computed_in_int8(plain: Bundle, lowered: Bundle) -> None:
    for graph in ("x_encoder", "predictor"):
        before = operators(plain.root / plain.graphs[graph])
        after = operators(lowered.root / lowered.graphs[graph])
        products = before["MatMul"] + before["Gemm"] - after["MatMul"] - after["Gemm"]
        assert after["MatMulIntegerToFloat"] == products > 0
        assert after["QLinearSoftmax"] == after["QLinearMatMul"] == 0, "attention stays float32"


def test_a_bundle_says_how_it_was_lowered(plain: Bundle, lowered: Bundle) -> None:
    assert lowered == Bundle.load(lowered.root)
    assert (lowered.precision, lowered.space_id) == ("int8", plain.space_id)
    assert lowered.lowered is not None
    assert lowered.lowered.tool == f"onnxruntime {ort.__version__}"
    assert lowered.lowered.graphs == {"x_encoder": "int8", "predictor": "int8"}
    assert lowered.lowered.cosine > 0.99
    assert not lowered.cpu_graphs, "there is no convolution"
    assert "x_encoder int8, predictor int8" in _precision(lowered)
    assert not {file.name for file in lowered.root.iterdir()} - {*lowered.files, "manifest.json"}


def test_answers_stay_what_they_were(plain: Bundle, lowered: Bundle) -> None:
    clips = random_clips(TINY_PAPER, 4)[2:]
    models = [VLJepa.load(bundle.root) for bundle in (plain, lowered)]
    for clip in clips:
        true, found = (model.embed(list(clip), list(QUERIES.values())) for model in models)
        assert (true * found).sum(1).min() > 0.99
        assert not np.array_equal(true, found)


def test_weights_come_back_as_floats(plain: Bundle, lowered: Bundle, tmp_path: Path) -> None:
    file = lowered.root / lowered.graphs["x_encoder"]
    onnx.save(in_floats(onnx.load(str(file))), str(tmp_path / "floats.onnx"))
    assert operators(tmp_path / "floats.onnx")["MatMulIntegerToFloat"] == 0
    feed = {"frames": random_clips(TINY_PAPER)[:1]}
    true = run(plain.root / plain.graphs["x_encoder"], feed)
    found = run(tmp_path / "floats.onnx", feed)
    assert 0.999 < cosine(true, found) < 1


def test_what_no_product_reads_is_not_rounded(tmp_path: Path) -> None:
    """A node that takes the shape of what a product multiplies would keep the product in float."""
    value, kind = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    weight = onnx.numpy_helper.from_array(np.eye(4, dtype=np.float32), "weight")
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "weight"], ["product"], name="product"),
        onnx.helper.make_node("Add", ["x", "product"], ["y"], name="sum"),
    ]
    graph = onnx.helper.make_graph(
        nodes, "residual", [value("x", kind, [1, 4])], [value("y", kind, [1, 4])], [weight]
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    plain, result = tmp_path / "plain.onnx", tmp_path / "int8.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), str(plain))
    np.savez(tmp_path / "one.npz", x=np.full((1, 4), 1000, np.float32))
    assert quantise_products(plain, result, [tmp_path / "one.npz"])
    x = np.array([[1, 2, 3, 1000]], np.float32)
    np.testing.assert_allclose(run(result, {"x": x})[0, :3], x[0, :3], err_msg="rounded twice")


def test_a_graph_for_cpus_must_be_one_of_the_bundle(lowered: Bundle, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(lowered.root, tmp_path / "copy"))
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["cpu_graphs"] = {"frame_encoder": "x_encoder.onnx"}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="cpu_graphs: frame_encoder are not all in graphs"):
        Bundle.load(copy)


def test_convolutions_that_lose_too_much_stay_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, clips = contents(TINY_DEFAULT, tmp_path), random_clips(TINY_DEFAULT)
    choices = Choices(text_encoder=False)
    plain = export_bundle(tiny_model(TINY_DEFAULT), tmp_path / "plain", texts, clips, choices)

    def lower(name: str) -> Bundle:
        copy = Bundle.load(shutil.copytree(plain.root, tmp_path / name))
        return lower_precision(copy, clips, LowPrecision("int8"))

    whole = lower("whole")
    assert set(whole.cpu_graphs) == {"frame_encoder"}
    assert whole.lowered is not None
    stricter = reference.Limit(whole.lowered.cosine + 1e-6, 1.0)
    monkeypatch.setattr(reference, "LIMITS", {**reference.LIMITS, "int8": stricter})
    without = lower("without")
    assert not without.cpu_graphs
    assert without.lowered is not None
    assert without.lowered.cosine > whole.lowered.cosine
    assert without.lowered.graphs["predictor"] == "int8"
    assert not {file.name for file in without.root.iterdir()} - {*without.files, "manifest.json"}
