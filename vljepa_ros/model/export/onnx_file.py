# SPDX-License-Identifier: Apache-2.0
"""A torch module to an ONNX file: opset 18, constants folded, nothing of this machine in it.

Opset 18 with attention written out is what every TensorRT from 10.3 on and ONNX Runtime read.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx_ir as ir
import torch
from onnx_ir.passes.common import (
    ClearMetadataAndDocStringPass,
    NameFixPass,
    RemoveUnusedNodesPass,
)
from onnxscript.optimizer import fold_constants

from vljepa_ros.model.export.graphs import Graph
from vljepa_ros.model.export.int8_storage import store_as_int8

OPSET = 18
IR_VERSION = 8  # what opset 18 came with; the exporter would ask for newer readers
EXTERNAL_BYTES = 512 << 20  # from there on weights are mapped, not read; ONNX allows 2 GB inside

_ANY_SIZE = 1 << 62


def write_graph(graph: Graph, path: Path, *, int8: bool = False) -> None:
    """Write a graph; large weights go into a file ``path`` + ``.data`` beside it.

    Args:
        graph: what to write.
        path: the file.
        int8: store what was rounded to int8 as codes and scales.

    Raises:
        ExportError: nothing in the graph was rounded.
    """
    model = _to_onnx(graph)
    fold_constants(model, input_size_limit=_ANY_SIZE, output_size_limit=_ANY_SIZE)
    _divide_by_roots(model.graph)
    RemoveUnusedNodesPass()(model)
    NameFixPass()(model)  # an inner value may be called what an output was asked to be called
    ClearMetadataAndDocStringPass()(model)
    model.ir_version = IR_VERSION
    if int8:
        store_as_int8(model)
    weights = sum(value.const_value.nbytes for value in model.graph.initializers.values())
    beside = f"{path.name}.data" if weights > EXTERNAL_BYTES else None
    ir.save(model, path, external_data=beside)


def _divide_by_roots(graph: ir.Graph) -> None:
    """Write ``x * (1 / root)`` as ``x / root``: ONNX Runtime runs such an RMS norm as one node."""
    for node in list(graph):
        if node.op_type != "Mul":
            continue
        for value, inverse in (node.inputs, reversed(node.inputs)):
            source = inverse.producer()
            if source is not None and source.op_type == "Reciprocal":
                divided = ir.node("Div", [value, source.inputs[0]])
                graph.insert_before(node, divided)
                node.outputs[0].replace_all_uses_with(divided.outputs[0])


def _to_onnx(graph: Graph) -> ir.Model:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, we do not
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph.module.eval(),
            tuple(graph.inputs.values()),
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_shapes=tuple(graph.free.get(name, {}) for name in graph.inputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    return program.model
