# SPDX-License-Identifier: Apache-2.0
"""Quantisation as the export calls it; the graph stays as it is."""

from __future__ import annotations

import shutil

import numpy as np
import onnxruntime as ort


def quantize(
    onnx_path: str,
    quantize_mode: str,
    calibration_data: dict[str, np.ndarray],
    calibration_eps: list[str],
    op_types_to_quantize: list[str],
    high_precision_dtype: str,
    output_path: str,
    use_external_data_format: bool,
) -> None:
    """Copy a graph that runs on one row of the data after the other."""
    assert quantize_mode in ("int8", "fp8")
    session = ort.InferenceSession(onnx_path)
    for row in range(len(next(iter(calibration_data.values())))):
        session.run(None, {name: rows[row : row + 1] for name, rows in calibration_data.items()})
    shutil.copyfile(onnx_path, output_path)
