# SPDX-License-Identifier: Apache-2.0
"""An int8 graph back in float32, so that a model can be rebuilt from it and trained further."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

_Floats = NDArray[np.float32]


def in_floats(quantised: onnx.ModelProto) -> onnx.ModelProto:
    """Undo :func:`.int8_graphs.quantise_products`, but for the rounding of the weights."""
    model = onnx.ModelProto()
    model.CopyFrom(quantised)
    graph = model.graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    exact: dict[str, str] = {}  # what was there before a pair of Q and DQ rounded it
    nodes = []
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            weight = _weight(node, constants)
            graph.initializer.append(numpy_helper.from_array(weight, node.output[0]))
        elif node.op_type in ("DequantizeLinear", "QuantizeLinear"):
            exact[node.output[0]] = exact.get(node.input[0], node.input[0])
        else:
            node.input[:] = [exact.get(name, name) for name in node.input]
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    kept = [each for each in graph.initializer if each.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    return model


def _weight(node: onnx.NodeProto, constants: dict[str, NDArray[Any]]) -> _Floats:
    """Return the weight that a DQ node makes of codes and of a scale for each channel."""
    codes, scales = (constants[name] for name in node.input[:2])
    axis = next((each.i for each in node.attribute if each.name == "axis"), 1)
    shape = [1] * codes.ndim
    shape[axis] = -1
    return np.asarray(codes * scales.reshape(shape), np.float32)
