# SPDX-License-Identifier: Apache-2.0
"""Makes ONNX Runtime round as float16 does, so that a comparison on the CPU means something.

On x86 ONNX Runtime has no half-precision arithmetic. It computes such graphs in float32 and drops
the casts between two nodes, so what a GPU would lose to overflow or rounding is not lost. Around
nodes that only change shapes, which it does have for float16, the casts must stay.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from vljepa_ros.model.export.low_precision import save
from vljepa_ros.runtime.bundle import EXTERNAL

_AXIS = "rounded_axis"


def round_halves(file: Path) -> None:
    """Replace a graph by one that computes the same, with every float16 value rounded to one."""
    types = value_types(file)
    model = onnx.load(str(file))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for node in nodes:
        halves = [name for name in node.output if types.get(name) == TensorProto.FLOAT16]
        node.output[:] = [f"{name}_exact" if name in halves else name for name in node.output]
        model.graph.node.append(node)
        for name in halves:
            model.graph.node.extend(_rounded(f"{name}_exact", name))
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.int64), _AXIS))
    for old in (file, file.with_name(file.name + EXTERNAL)):
        old.unlink(missing_ok=True)
    save(model, file)


def value_types(file: Path) -> dict[str, int]:
    """Return the element type of every value in a graph."""
    model = onnx.load(str(file), load_external_data=False)
    graph = shape_inference.infer_shapes(model).graph
    values = [*graph.value_info, *graph.output]
    return {value.name: value.type.tensor_type.elem_type for value in values}


def _rounded(name: str, result: str) -> list[onnx.NodeProto]:
    between = f"{result}_between"
    return [
        helper.make_node("Unsqueeze", [name, _AXIS], [between]),
        helper.make_node("Squeeze", [between, _AXIS], [result]),
    ]
