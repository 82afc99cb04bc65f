# SPDX-License-Identifier: Apache-2.0
"""What the encoder of a camera sees, before any query: one vector per clip for who listens."""

from __future__ import annotations

from std_msgs.msg import Header

from vljepa_msgs.msg import VisualFeatures
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.conversions import to_floats, to_stamp
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.runtime.clip_embedder import ClipEmbeddings

DEPTH = 50  # clips that may wait, 5 s at 10 Hz


class VisualFeaturesPublisher:
    """Publishes on ``~/visual_features`` of a camera until :meth:`close`, if anyone subscribes."""

    def __init__(self, node: ManagedNode, camera: str, space_id: str) -> None:
        """Create the publisher; the name of an only camera may be empty."""
        self._node, self._space_id = node, space_id
        topic = f"~/{camera}/visual_features" if camera else "~/visual_features"
        profile = qos.reliable(DEPTH)
        self._publisher = node.create_lifecycle_publisher(VisualFeatures, topic, profile)

    def publish(self, embedded: ClipEmbeddings, header: Header) -> None:
        """Publish the features of a clip; call it before its embeddings are published."""
        if embedded.features.size and self._publisher.get_subscription_count():
            message = VisualFeatures(header=header, space_id=self._space_id)
            message.window_start = to_stamp(embedded.start_ns)
            message.data = to_floats(embedded.features)
            self._publisher.publish(message)

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)
