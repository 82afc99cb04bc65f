# SPDX-License-Identifier: Apache-2.0
"""What other nodes need to act on what the camera shows: wait for a text, poll it, ask.

It needs rclpy and vljepa_msgs only. :mod:`.trees` has the same as behaviours of py_trees, which is
not imported here.
"""

from vljepa_ros.client.condition import Condition
from vljepa_ros.client.errors import AnswerError, NotSeenError, SceneError
from vljepa_ros.client.scene_client import SceneClient

__all__ = ["AnswerError", "Condition", "NotSeenError", "SceneClient", "SceneError"]
