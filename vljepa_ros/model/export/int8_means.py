# SPDX-License-Identifier: Apache-2.0
"""Keeps the means of a graph whose convolutions are rounded to int8.

A rounded weight is a little too large or too small, always. So each channel that it makes is
shifted, and the shifts add up from layer to layer. What is to be expected of one layer goes into
its bias; what is left of all of them is subtracted from the output.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from vljepa_ros.runtime.onnx_session import session_options

EIGHT_BITS, SEVEN_BITS = 127, 64
"""The largest codes of weights, as ONNX Runtime's quantiser takes them."""

_Floats = NDArray[np.float32]


def with_corrected_biases(
    model: onnx.ModelProto, convolutions: Sequence[onnx.NodeProto], inputs: Sequence[Path]
) -> onnx.ModelProto:
    """Return a graph whose biases take back by how much rounding will shift the means.

    Args:
        model: the graph.
        convolutions: its nodes whose weights will be rounded.
        inputs: npz files with what the graph is fed with.
    """
    corrected = onnx.ModelProto()
    corrected.CopyFrom(model)
    constants = {each.name: each for each in corrected.graph.initializer}
    for node, mean in zip(convolutions, _input_means(model, convolutions, inputs), strict=True):
        weight, bias = (numpy_helper.to_array(constants[name]) for name in node.input[1:3])
        error = (_rounded(weight) - weight).sum((2, 3))
        shift = error[:, 0] * mean if weight.shape[1] == 1 else error @ mean
        constants[node.input[2]].CopyFrom(numpy_helper.from_array(bias - shift, node.input[2]))
    return corrected


def _rounded(weight: _Floats) -> _Floats:
    """Return the weight of a convolution as it will be rounded."""
    largest = EIGHT_BITS if weight.shape[1] == 1 else SEVEN_BITS
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


def output_means(model: onnx.ModelProto, inputs: Sequence[Path]) -> _Floats:
    """Return the mean of each channel of the output (B, C, h, w)."""
    return _means(model, [model.graph.output[0].name], inputs)[0]


def _means(model: onnx.ModelProto, names: Sequence[str], inputs: Sequence[Path]) -> list[_Floats]:
    """Return the mean of each channel of values (B, C, h, w)."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), session_options(1))
    runs = (session.run(list(names), feed) for feed in feeds(inputs))
    means = [[value.mean((0, 2, 3)) for value in run] for run in runs]
    return [np.mean(each, 0) for each in zip(*means, strict=True)]


def subtract(graph: onnx.GraphProto, shift: _Floats) -> None:
    """Subtract a number for each channel from the output (B, C, h, w)."""
    name = graph.output[0].name
    before, constant = f"{name}_shifted", f"{name}_shift"
    for node in graph.node:
        node.output[:] = [before if each == name else each for each in node.output]
    graph.initializer.append(numpy_helper.from_array(shift[:, None, None], constant))
    graph.node.append(onnx.helper.make_node("Sub", [before, constant], [name]))


def feeds(inputs: Sequence[Path]) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the arrays of npz files by name."""
    for file in inputs:
        with np.load(file) as arrays:
            yield dict(arrays)
