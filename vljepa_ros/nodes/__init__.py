# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 nodes: thin adapters between topics and the rooms `stream` and `runtime`.

Beside `client` and `demo` no other room imports rclpy. Every rclpy call in it exists in Humble;
what later distributions add is guarded where it is used. A node's callbacks convert, stamp and
push; one worker thread per node computes and publishes.
"""
