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
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from vljepa_ros.model.export.int8_means import (
    feeds,
    output_means,
    subtract,
    with_corrected_biases,
)
from vljepa_ros.model.export.low_precision import save

TOOL = f"onnxruntime {version('onnxruntime')}"
_PRODUCTS = ("Gemm", "MatMul")
_RUNS = 64  # about as many frames say enough about a trunk


def quantise_products(graph: Path, result: Path, inputs: Sequence[Path]) -> bool:
    """Write a graph whose products with weights are int8, for CPUs and TensorRT.

    Args:
        graph: in float32.
        result: the file to write.
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
        result: the file to write.
        inputs: as in :func:`quantise_products`.
    """
    inputs = inputs[:: max(1, len(inputs) // _RUNS)]
    model = onnx.load(str(graph))
    first, *others = (node for node in model.graph.node if node.op_type == "Conv")
    with TemporaryDirectory(dir=result.parent) as work:
        corrected = Path(work) / graph.name
        onnx.save(with_corrected_biases(model, others, inputs), corrected)
        quantised = _quantised(
            corrected,
            inputs,
            activation_type=QuantType.QUInt8,
            nodes_to_exclude=[first.name],
            op_types_to_quantize=["Add", "Clip", "Conv"],
            extra_options={"TensorQuantOverrides": _seven_bits(model.graph)},
        )
    shift = output_means(quantised, inputs) - output_means(model, inputs)
    subtract(quantised.graph, shift)
    save(quantised, result)


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


def _seven_bits(graph: onnx.GraphProto) -> dict[str, list[dict[str, Any]]]:
    """Return the settings of the weights of convolutions that are not depthwise."""
    settings = {"quant_type": QuantType.QInt8, "axis": 0, "reduce_range": True}
    kernels = [each for each in graph.initializer if len(each.dims) == 4]
    return {kernel.name: [settings] for kernel in kernels if kernel.dims[1] > 1}


class _Inputs(CalibrationDataReader):
    """Feeds the calibration from npz files."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._feeds = feeds(files)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """Return what the next run is fed with; None behind the last."""
        return next(self._feeds, None)
