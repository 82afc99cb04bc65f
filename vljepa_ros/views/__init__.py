# SPDX-License-Identifier: Apache-2.0
"""Pictures of what the model says, drawn with numpy and OpenCV; nothing here knows ROS."""
