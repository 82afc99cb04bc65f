# SPDX-License-Identifier: Apache-2.0
"""The program that lowers one graph to fp16 or fp8; it needs nvidia-modelopt.

modelopt wants other versions of onnx and ONNX Runtime than the export has, so this file is a
program of its own, imports nothing else of this package, and no torch:
``python -m vljepa_ros.model.export.low_precision GRAPH RESULT --precision fp16 --inputs FOLDER``.
It prints the version of modelopt.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

_REDUCTIONS = ("ReduceL2", "ReduceMean", "ReduceSum")
FP32_OPERATORS = (*_REDUCTIONS, "LayerNormalization", "Pow", "Reciprocal", "Softmax", "Sqrt")
"""Norms, means, lengths and softmax: sums over many values lose most in half precision."""

_PRODUCTS = ("Conv", "Gemm", "MatMul", "Mul")

_QUANTISED = ("Gemm", "MatMul")
"""Convolutions stay in half precision: of the default model those of the trunk lose most."""

LARGEST = 8192.0
"""Nodes with values above this, an eighth of float16's largest, stay in float32."""

_OPSET = {"fp16": 18, "fp8": 19}  # 19 is the first with half-precision scales
_EXTERNAL_BYTES = 512 << 20  # as in onnx_file.py


def main() -> None:
    """Convert the graph that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--precision", choices=sorted(_OPSET), required=True)
    parser.add_argument("--inputs", type=Path, required=True, help="folder of npz files")
    args = parser.parse_args()
    save(_halve(args.graph, args.inputs, _OPSET[args.precision]), args.result)
    if args.precision == "fp8":
        _quantise(args.result, args.inputs)
    print(version("nvidia-modelopt"))


def _halve(graph: Path, inputs: Path, opset: int) -> onnx.ModelProto:
    """Make float16 of what may be; inputs and outputs keep their types."""
    from modelopt.onnx.autocast import convert_to_mixed_precision

    names = _after_reductions(onnx.load(str(graph), load_external_data=False).graph)
    return convert_to_mixed_precision(
        str(graph),
        low_precision_type="fp16",
        nodes_to_exclude=[f"^{re.escape(name)}$" for name in sorted(names)],
        op_types_to_exclude=list(FP32_OPERATORS),
        data_max=LARGEST,
        keep_io_types=True,
        calibration_data=str(inputs),
        opset=opset,
    )


def _quantise(graph: Path, inputs: Path) -> None:
    """Put Q/DQ pairs around all products of matrices but the first; ranges are the largest values.

    The first ones see what another graph or a tokenizer gave, whose channels differ most.
    """
    from modelopt.onnx.quantization import quantize

    parsed = onnx.load(str(graph), load_external_data=False).graph
    if not any(node.op_type in _QUANTISED for node in parsed.node):
        return
    batches = [np.load(file) for file in sorted(inputs.glob("*.npz"))]
    result = graph.with_name(f"quantised_{graph.name}")
    quantize(
        str(graph),
        quantize_mode="fp8",
        calibration_data={n: np.concatenate([b[n] for b in batches]) for n in batches[0].files},
        calibration_method="max",  # entropy cuts off what few values say
        calibration_eps=["cpu"],
        op_types_to_quantize=list(_QUANTISED),
        nodes_to_exclude=[f"^{re.escape(name)}$" for name in sorted(_first_products(parsed))],
        high_precision_dtype="fp32",  # the rest stays as it is
        output_path=str(result),
        use_external_data_format=True,
    )
    save(onnx.load(str(result)), graph)


def _after_reductions(graph: onnx.GraphProto) -> set[str]:
    """Return the nodes from a reduction up to the next product.

    They add the small number of a norm, or divide by a length or a count. In float16 the small
    numbers would be zero.
    """
    reductions = [node for node in graph.node if node.op_type in _REDUCTIONS]
    values = [value for node in reductions for value in node.output]
    return _until_products(graph, values, _PRODUCTS)[0]


def _first_products(graph: onnx.GraphProto) -> set[str]:
    """Return the products that numbers from outside come to first; masks are no numbers."""
    numbers = [v for v in graph.input if v.type.tensor_type.elem_type != onnx.TensorProto.BOOL]
    return _until_products(graph, [value.name for value in numbers], ("Conv", *_QUANTISED))[1]


def _until_products(
    graph: onnx.GraphProto, values: list[str], products: tuple[str, ...]
) -> tuple[set[str], set[str]]:
    """Return the nodes that values go through up to the next products, and those products."""
    users = defaultdict(list)
    for node in graph.node:
        for value in node.input:
            users[value].append(node)
    passed: set[str] = set()
    reached: set[str] = set()
    todo = list(values)
    while todo:
        for node in users[todo.pop()]:
            if node.op_type in products:
                reached.add(node.name)
            elif node.op_type != "Shape" and node.name not in passed:
                passed.add(node.name)
                todo += node.output
    return passed, reached


def save(model: onnx.ModelProto, file: Path) -> None:
    """Write a graph, large weights into a file beside it."""
    large = model.ByteSize() > _EXTERNAL_BYTES
    beside = f"{file.name}.data" if large else None
    ir.save(ir.from_proto(model), file, external_data=beside)


if __name__ == "__main__":
    main()
