# SPDX-License-Identifier: Apache-2.0
"""The road of a stream: pixels, stamps, clips and changes. numpy and OpenCV; no ROS, no torch.

Times are integer nanoseconds. Images are uint8 RGB (H, W, 3).
"""
