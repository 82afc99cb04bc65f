# SPDX-License-Identifier: Apache-2.0
"""Model bundles and the backends that run them: numpy, ONNX Runtime, tokenizers; no ROS or torch.

Whatever runs on a robot starts here without a middleware and without a training framework, so the
same code serves the nodes, the tests and the benchmarks.
"""
