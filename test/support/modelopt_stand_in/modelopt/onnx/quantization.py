# SPDX-License-Identifier: Apache-2.0
"""Quantisation as the export calls it; the Q/DQ pairs are those of ONNX Runtime's quantiser."""

from __future__ import annotations

import re

import numpy as np
import onnx
from onnx import TensorProto
from onnxruntime import quantization as ort

_FP8 = TensorProto.FLOAT8E4M3FN
_FP8_LARGEST, _INT8_LARGEST = 448.0, 127.0


class _Rows(ort.CalibrationDataReader):  # type: ignore[misc]
    """One row of the data after the other."""

    def __init__(self, data: dict[str, np.ndarray]) -> None:
        count = len(next(iter(data.values())))
        self._rows = iter({n: d[row : row + 1] for n, d in data.items()} for row in range(count))

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._rows, None)


def quantize(
    onnx_path: str,
    quantize_mode: str,
    calibration_data: dict[str, np.ndarray],
    calibration_method: str,
    calibration_eps: list[str],
    op_types_to_quantize: list[str],
    nodes_to_exclude: list[str],
    high_precision_dtype: str,
    output_path: str,
    use_external_data_format: bool,
) -> None:
    """Put Q/DQ pairs around products whose ranges are those of the data."""
    assert quantize_mode == "fp8"
    assert calibration_method == "max"
    model = onnx.load(onnx_path)
    model.opset_import[0].version = 19  # the first with scales in half precision
    options = {
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
        "AddQDQPairToWeight": True,
        "QuantizeBias": False,
    }
    ort.quantize_static(
        model,
        output_path,
        _Rows(calibration_data),
        op_types_to_quantize=op_types_to_quantize,
        nodes_to_exclude=[
            node.name
            for node in model.graph.node
            if any(re.search(pattern, node.name) for pattern in nodes_to_exclude)
        ],
        extra_options=options,
        activation_type=ort.QuantType.QInt8,
        weight_type=ort.QuantType.QInt8,
    )
    quantised = onnx.load(output_path)
    _make_fp8(quantised.graph)
    onnx.save(quantised, output_path)


def _make_fp8(graph: onnx.GraphProto) -> None:
    """Put 8-bit floats in the place of 8-bit integers; the scales change with the largest."""
    scales = {node.input[1] for node in graph.node if node.op_type == "QuantizeLinear"}
    for tensor in graph.initializer:
        if tensor.name in scales:
            scale = onnx.numpy_helper.to_array(tensor)
            wider = (scale * (_INT8_LARGEST / _FP8_LARGEST)).astype(scale.dtype)
            tensor.CopyFrom(onnx.numpy_helper.from_array(wider, tensor.name))
        elif tensor.data_type == TensorProto.INT8:  # the zero of a pair
            zero = onnx.helper.make_tensor(tensor.name, _FP8, tensor.dims, b"\0", raw=True)
            tensor.CopyFrom(zero)
    del graph.value_info[:]
