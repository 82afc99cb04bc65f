# SPDX-License-Identifier: Apache-2.0
"""The topic of the images of a camera."""

from __future__ import annotations

from sensor_msgs.msg import CompressedImage, Image

from vljepa_ros.nodes.common.lifecycle import ManagedNode


def image_topic(node: ManagedNode, camera: str = "") -> tuple[type, str]:
    """Return type and name of a camera's image topic, as the parameter image_transport is now.

    Args:
        node: the node that listens.
        camera: name of the camera; empty if there is only one, without a name.
    """
    name = f"{camera}/image_raw" if camera else "image_raw"
    if node.parameters["image_transport"] == "raw":
        return Image, name
    # As image_transport does it: a remapping of the base topic holds here too.
    return CompressedImage, f"{node.resolve_topic_name(name)}/compressed"
