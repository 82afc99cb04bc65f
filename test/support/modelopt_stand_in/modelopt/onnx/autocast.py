# SPDX-License-Identifier: Apache-2.0
"""AutoCast as the export calls it; the arithmetic is that of ONNX Runtime's float16 converter."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel


def convert_to_mixed_precision(
    onnx_path: str,
    low_precision_type: str,
    nodes_to_exclude: list[str],
    op_types_to_exclude: list[str],
    data_max: float,
    keep_io_types: bool,
    calibration_data: str,
    opset: int,
) -> onnx.ModelProto:
    """Convert a graph that runs on every file of ``calibration_data`` within ``data_max``."""
    assert low_precision_type == "fp16"
    for file in sorted(Path(calibration_data).glob("*.npz")):
        for output in ort.InferenceSession(onnx_path).run(None, dict(np.load(file))):
            assert np.abs(output).max() < data_max
    model = onnx.load(onnx_path)
    assert model.opset_import[0].version <= opset
    excluded = [
        node.name
        for node in model.graph.node
        if any(re.search(pattern, node.name) for pattern in nodes_to_exclude)
    ]
    half = convert_float_to_float16(
        model,
        keep_io_types=keep_io_types,
        op_block_list=[*op_types_to_exclude, "Cast"],
        node_block_list=excluded,
    )
    del half.graph.value_info[:]  # some of the converter's are wrong, and its nodes unsorted
    OnnxModel(half).topological_sort()
    return half
