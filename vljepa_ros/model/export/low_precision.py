# SPDX-License-Identifier: Apache-2.0
"""The program that lowers the precision of one graph; it needs nvidia-modelopt.

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

LARGEST = 8192.0
"""Nodes with values above this, an eighth of float16's largest, stay in float32."""

_OPSET = {"fp16": 18, "int8": 19, "fp8": 19}  # 19 is the first with half-precision scales
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
    if args.precision != "fp16":
        _quantise(args.result, args.inputs, args.precision)
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


def _quantise(graph: Path, inputs: Path, precision: str) -> None:
    """Put Q/DQ pairs around products and convolutions, with ranges found on the inputs."""
    from modelopt.onnx.quantization import quantize

    batches = [np.load(file) for file in sorted(inputs.glob("*.npz"))]
    result = graph.with_name(f"quantised_{graph.name}")
    quantize(
        str(graph),
        quantize_mode=precision,
        calibration_data={n: np.concatenate([b[n] for b in batches]) for n in batches[0].files},
        calibration_eps=["cpu"],
        op_types_to_quantize=["Conv", "Gemm", "MatMul"],
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
    users = defaultdict(list)
    for node in graph.node:
        for value in node.input:
            users[value].append(node)
    found: set[str] = set()
    todo = [node for node in graph.node if node.op_type in _REDUCTIONS]
    while todo:
        following = [user for value in todo.pop().output for user in users[value]]
        new = [n for n in following if n.op_type not in _PRODUCTS and n.name not in found]
        found.update(node.name for node in new)
        todo += new
    return found


def save(model: onnx.ModelProto, file: Path) -> None:
    """Write a graph, large weights into a file beside it."""
    large = model.ByteSize() > _EXTERNAL_BYTES
    beside = f"{file.name}.data" if large else None
    ir.save(ir.from_proto(model), file, external_data=beside)


if __name__ == "__main__":
    main()
