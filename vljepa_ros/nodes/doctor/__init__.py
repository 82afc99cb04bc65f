# SPDX-License-Identifier: Apache-2.0
"""``ros2 run vljepa_ros doctor``: one line per check, with the remedy of what is wrong.

What ROS 2 or a package of ours lacks is a finding too, so nothing here imports rclpy, vljepa_msgs
or numpy before it is needed. First comes what can be told without a running system, then what two
small processes see of each other, then the running nodes. The words are those of ``/diagnostics``
(:mod:`vljepa_ros.nodes.common.complaints`) if that has some, and those of :mod:`.ailments`.
"""
