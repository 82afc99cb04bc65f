# SPDX-License-Identifier: Apache-2.0
"""How good a bundle is on annotated clips: numpy and the runtime, no ROS and no torch."""
