# SPDX-License-Identifier: Apache-2.0
"""Visual graphs in int8: what is quantised, how, and why.

Products with weights become int8 on both sides, in pairs of Q and DQ that ONNX Runtime and
TensorRT read alike: one scale for each channel of the weights and one for all that flows, none of
them with a zero point, because TensorRT allows none. What lies between two products stays float32,
attention too: it is cheap, and its values differ most.

Convolutions are int8 in a second file, for ONNX Runtime alone. It is fast with a zero point, which
makes a ReLU part of the rounding, and with biases in int32. TensorRT's parser refuses both.

Weights of products take 7 bits. Processors without VNNI add two products of int8 in 16 bits, and 8
bits would overflow there. Depthwise convolutions are summed in another way and take all 8.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from vljepa_ros.model.export.low_precision import save
from vljepa_ros.runtime.onnx_session import session_options

TOOL = f"onnxruntime {version('onnxruntime')}"
_PRODUCTS = ("Gemm", "MatMul")
_RUNS = 64  # about as many frames say enough about a trunk
_Floats = NDArray[np.float32]


def quantise_products(graph: Path, result: Path, inputs: Sequence[Path]) -> bool:
    """Write a graph whose products with weights are int8, for CPUs and TensorRT.

    Args:
        graph: in float32.
        result: where it goes.
        inputs: npz files with what the graph is fed with; the largest values are the ranges.

    Returns:
        Whether there was such a product; if not, nothing is written.
    """
    parsed = onnx.load(str(graph), load_external_data=False).graph
    weights = {constant.name for constant in parsed.initializer}
    names = [
        node.name for node in parsed.node if node.op_type in _PRODUCTS and node.input[1] in weights
    ]
    if not names:
        return False
    quantised = _quantised(
        graph,
        inputs,
        activation_type=QuantType.QInt8,
        reduce_range=True,
        nodes_to_quantize=names,
        op_types_to_quantize=list(_PRODUCTS),
        extra_options={
            "ActivationSymmetric": True,
            "QuantizeBias": False,
            "OpTypesToExcludeOutputQuantization": list(_PRODUCTS),
        },
    )
    _keep_from_others(quantised.graph)
    _sort(quantised.graph, [node.name for node in parsed.node])
    save(quantised, result)
    return True


def quantise_convolutions(graph: Path, result: Path, inputs: Sequence[Path]) -> None:
    """Write a graph whose convolutions are int8, for ONNX Runtime on CPUs.

    The first convolution sees pixels and stays float32: in int8 it loses most and gains nothing.
    Rounded weights shift the means of what follows, and small shifts add up over many layers: the
    biases take them back, and what is left at the end is subtracted from the output. Statistics of
    features need that most.

    Args:
        graph: in float32, with one output (B, C, h, w).
        result: where it goes.
        inputs: as in :func:`quantise_products`.
    """
    inputs = inputs[:: max(1, len(inputs) // _RUNS)]
    first, *others = (n for n in onnx.load(str(graph)).graph.node if n.op_type == "Conv")
    with TemporaryDirectory(dir=result.parent) as work:
        corrected = Path(work) / graph.name
        onnx.save(_with_corrected_biases(graph, others, inputs), corrected)
        quantised = _quantised(
            corrected,
            inputs,
            activation_type=QuantType.QUInt8,
            nodes_to_exclude=[first.name],
            op_types_to_quantize=["Add", "Clip", "Conv"],
            extra_options={"TensorQuantOverrides": _seven_bits(graph)},
        )
    shift = _channel_means(quantised, inputs) - _channel_means(onnx.load(str(graph)), inputs)
    _subtract(quantised.graph, shift.astype(np.float32))
    save(quantised, result)


def in_floats(model: onnx.ModelProto) -> onnx.ModelProto:
    """Undo :func:`quantise_products`, but for the rounding of the weights."""
    codes = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    exact: dict[str, str] = {}
    nodes, weights = [], []
    for node in model.graph.node:
        source = exact.get(node.input[0], node.input[0]) if node.input else ""
        if node.op_type == "QuantizeLinear" or (
            node.op_type == "DequantizeLinear" and node.input[0] in exact
        ):
            exact[node.output[0]] = source
        elif node.op_type == "DequantizeLinear":
            weight = _weight(codes[source], codes[node.input[1]], _axis(node))
            weights.append(numpy_helper.from_array(weight, node.output[0]))
        else:
            node.input[:] = [exact.get(name, name) for name in node.input]
            nodes.append(node)
    floats = onnx.ModelProto()
    floats.CopyFrom(model)
    del floats.graph.node[:]
    floats.graph.node.extend(nodes)
    floats.graph.initializer.extend(weights)
    used = {name for node in nodes for name in node.input}
    kept = [each for each in floats.graph.initializer if each.name in used]
    del floats.graph.initializer[:]
    floats.graph.initializer.extend(kept)
    return floats


def _axis(node: onnx.NodeProto) -> int:
    """Return the axis that the scales of a node belong to."""
    return next((each.i for each in node.attribute if each.name == "axis"), 1)


def _weight(codes: NDArray[np.int8], scales: _Floats, axis: int) -> _Floats:
    shape = [1] * codes.ndim
    shape[axis] = -1
    return np.asarray(codes * scales.reshape(shape), np.float32)


def _quantised(graph: Path, inputs: Sequence[Path], **options: Any) -> onnx.ModelProto:
    """Return a graph with pairs of Q and DQ; weights have a scale for each channel."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # it advises to do what the export has done already
    try:
        with TemporaryDirectory(dir=graph.parent) as work:
            result = Path(work) / graph.name
            quantize_static(
                graph,
                result,
                _Inputs(inputs),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                use_external_data_format=True,
                **options,
            )
            return onnx.load(str(result))
    finally:
        logger.setLevel(level)


def _keep_from_others(graph: onnx.GraphProto) -> None:
    """Give nodes that are no products what was there before it was rounded for the products."""
    rounded = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "QuantizeLinear"}
    exact = {
        node.output[0]: rounded[node.input[0]]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in rounded
    }
    for node in graph.node:
        if node.op_type not in _PRODUCTS:
            node.input[:] = [exact.get(name, name) for name in node.input]


def _sort(graph: onnx.GraphProto, names: list[str]) -> None:
    """Bring nodes back into an order that tells which weight is whose; Q and DQ come just before.

    :mod:`vljepa_ros.model.graph_weights` relies on it.
    """
    places = {name: place for place, name in enumerate(names)}
    users = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            users[name].append(node)

    def place(node: onnx.NodeProto) -> tuple[int, int]:
        if node.name in places:
            return places[node.name], 0
        following, before = min(place(user) for user in users[node.output[0]])
        return following, before - 1

    nodes = sorted(graph.node, key=place)
    del graph.node[:]
    graph.node.extend(nodes)


def _seven_bits(graph: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the settings of the weights of convolutions that are not depthwise."""
    settings = {"quant_type": QuantType.QInt8, "axis": 0, "reduce_range": True}
    parsed = onnx.load(str(graph)).graph
    depthwise = {
        each.name: each.dims[1] == 1 for each in parsed.initializer if len(each.dims) == 4
    }
    return {name: [settings] for name, alone in depthwise.items() if not alone}


def _with_corrected_biases(
    graph: Path, convolutions: Sequence[onnx.NodeProto], inputs: Sequence[Path]
) -> onnx.ModelProto:
    """Return a graph whose biases take back by how much rounding will shift the means."""
    model = onnx.load(str(graph))
    constants = {each.name: each for each in model.graph.initializer}
    for node, mean in zip(convolutions, _input_means(model, convolutions, inputs), strict=True):
        weight, bias = (numpy_helper.to_array(constants[name]) for name in node.input[1:3])
        error = (_rounded(weight) - weight).sum((2, 3))
        shift = error[:, 0] * mean if weight.shape[1] == 1 else error @ mean
        constants[node.input[2]].CopyFrom(numpy_helper.from_array(bias - shift, node.input[2]))
    return model


def _rounded(weight: _Floats) -> _Floats:
    """Return the weight of a convolution as it will be rounded."""
    largest = 127 if weight.shape[1] == 1 else 64
    scale = np.abs(weight).max((1, 2, 3), keepdims=True) / largest
    scale[scale == 0] = 1
    return np.asarray(np.round(weight / scale) * scale, np.float32)


def _input_means(
    model: onnx.ModelProto, convolutions: Sequence[onnx.NodeProto], inputs: Sequence[Path]
) -> list[_Floats]:
    """Return the mean of each channel that flows into each convolution."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    names = [node.input[0] for node in convolutions]
    del watched.graph.output[:]
    watched.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    return _means(watched, names, inputs)


def _channel_means(model: onnx.ModelProto, inputs: Sequence[Path]) -> _Floats:
    return _means(model, [model.graph.output[0].name], inputs)[0]


def _means(model: onnx.ModelProto, names: Sequence[str], inputs: Sequence[Path]) -> list[_Floats]:
    """Return the mean of each channel of values (B, C, h, w)."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), session_options(1))
    runs = (session.run(list(names), feed) for feed in _feeds(inputs))
    means = [[value.mean((0, 2, 3)) for value in run] for run in runs]
    return [np.mean(each, 0) for each in zip(*means, strict=True)]


def _subtract(graph: onnx.GraphProto, shift: _Floats) -> None:
    """Subtract a number for each channel from the output (B, C, h, w)."""
    name = graph.output[0].name
    before, constant = f"{name}_shifted", f"{name}_shift"
    for node in graph.node:
        node.output[:] = [before if each == name else each for each in node.output]
    graph.initializer.append(numpy_helper.from_array(shift[:, None, None], constant))
    graph.node.append(onnx.helper.make_node("Sub", [before, constant], [name]))


def _feeds(inputs: Sequence[Path]) -> Iterator[dict[str, NDArray[Any]]]:
    for file in inputs:
        with np.load(file) as arrays:
            yield dict(arrays)


class _Inputs(CalibrationDataReader):
    """Feeds the calibration from npz files."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._feeds = _feeds(files)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """Return what the next run is fed with; None behind the last."""
        return next(self._feeds, None)
