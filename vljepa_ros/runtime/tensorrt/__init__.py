# SPDX-License-Identifier: Apache-2.0
"""TensorRT on a Jetson: engines built on the device, kept under their key, trusted, and run.

``tensorrt``, ``pycuda`` and ``cuda`` are imported only after the driver was probed. A machine
without one of them gets an error that names it, and ONNX Runtime runs the same bundle.
"""
