# SPDX-License-Identifier: Apache-2.0
"""A model in torch to a bundle of ONNX graphs that ONNX Runtime and TensorRT run.

:func:`.export_bundle.export_bundle` does all of it.
"""
