# SPDX-License-Identifier: Apache-2.0
"""Recordings as images with times, and what is known about them; nothing needs ROS or torch."""
