# SPDX-License-Identifier: Apache-2.0
"""Weights that were rounded to int8 stored as codes and scales: a quarter of the file, no change.

A graph turns them into floats again, Cast and Mul: weights of products once, when ONNX Runtime
loads the graph and folds constants; of a table only the rows that were looked up, so that no table
of floats is ever made. What was not rounded stays as it is.
"""

from __future__ import annotations

import onnx_ir as ir
import torch

from vljepa_ros.model.export.export_error import ExportError
from vljepa_ros.model.int8 import to_int8


def store_as_int8(model: ir.Model) -> None:
    """Replace the rounded weights of products and tables.

    Raises:
        ExportError: there are none.
    """
    nodes = list(model.graph)
    stored = [_store_product(model.graph, n) or _store_table(model.graph, n) for n in nodes]
    if not any(stored):
        raise ExportError(
            "no weight was rounded to int8, so none can be stored so: "
            "round the tower (vljepa_ros.model.int8.round_to_int8) before training its head"
        )
    for name in [n for n, value in model.graph.initializers.items() if not value.uses()]:
        del model.graph.initializers[name]


def _store_product(graph: ir.Graph, node: ir.Node) -> bool:
    """Store the right factor (in, out) of a product; its scales belong to outputs."""
    found = _rounded(node, 1, transpose=True) if node.op_type == "MatMul" else None
    if found is None:
        return False
    weight, codes, scale = found
    nodes, floats = _floats(
        _constant(graph, f"{weight.name}_codes", codes.T),
        _constant(graph, f"{weight.name}_scale", scale.T),
    )
    graph.insert_before(node, nodes)
    node.replace_input_with(1, floats)
    return True


def _store_table(graph: ir.Graph, node: ir.Node) -> bool:
    """Store a table (rows, width); codes and scales of the rows are looked up, then multiplied."""
    found = _rounded(node, 0, transpose=False) if node.op_type == "Gather" else None
    if found is None or node.attributes.get_int("axis", 0) != 0:
        return False
    table, codes, scale = found
    looked_up = [
        ir.node("Gather", [_constant(graph, f"{table.name}_{name}", part), node.inputs[1]])
        for name, part in (("codes", codes), ("scale", scale))
    ]
    nodes, floats = _floats(*(each.outputs[0] for each in looked_up))
    graph.insert_before(node, [*looked_up, *nodes])
    node.outputs[0].replace_all_uses_with(floats)
    graph.remove(node, safe=True)
    return True


def _rounded(
    node: ir.Node, index: int, *, transpose: bool
) -> tuple[ir.Value, torch.Tensor, torch.Tensor] | None:
    """Return a constant input with its codes and scales, if they say exactly the same."""
    value = node.inputs[index]
    constant = value.const_value
    if constant is None or constant.dtype != ir.DataType.FLOAT or len(constant.shape) != 2:
        return None
    weight = torch.from_numpy(constant.numpy())
    codes, scale = to_int8(weight.T.contiguous() if transpose else weight)
    same = codes * scale == (weight.T if transpose else weight)
    return (value, codes, scale) if bool(same.all()) else None


def _constant(graph: ir.Graph, name: str, content: torch.Tensor) -> ir.Value:
    if name not in graph.initializers:
        tensor = ir.tensor(content.contiguous().numpy(), name=name)
        kind = ir.TensorType(tensor.dtype)
        graph.register_initializer(
            ir.Value(name=name, shape=tensor.shape, type=kind, const_value=tensor)
        )
    return graph.initializers[name]


def _floats(codes: ir.Value, scale: ir.Value) -> tuple[list[ir.Node], ir.Value]:
    cast = ir.node("Cast", [codes], attributes={"to": ir.DataType.FLOAT.value})
    product = ir.node("Mul", [cast.outputs[0], scale])
    return [cast, product], product.outputs[0]
