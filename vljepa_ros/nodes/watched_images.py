# SPDX-License-Identifier: Apache-2.0
"""The newest image of each camera as JPEG. It is subscribed to only while somebody looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sensor_msgs.msg import CompressedImage, Image

from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.conversions import to_rgb
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.listener import Listener
from vljepa_ros.nodes.diagnostic_keys import IMAGES_REFUSED
from vljepa_ros.nodes.image_topic import image_topic
from vljepa_ros.stream.images import ImageError
from vljepa_ros.views.jpeg import jpeg

_LOOKED_S = 3.0  # since the last look, after which nobody looks any more
_WIDTH = 960


@dataclass
class _Watched:
    """One camera: the newest message with its number, and the JPEG of one number."""

    listener: Listener | None = None
    looked_s: float = float("-inf")
    newest: tuple[int, Any] = (0, None)
    heard_s: float | None = None
    coded: tuple[int, bytes] = (0, b"")
    coding: threading.Lock = field(default_factory=threading.Lock)


class WatchedImages:
    """Follows who looks. Callbacks keep a message; whoever asks for the picture converts it."""

    def __init__(self, node: ManagedNode, cameras: Iterable[str]) -> None:
        """Subscribe to nothing yet.

        Args:
            node: The node that listens.
            cameras: Their names; one empty name is the only camera.
        """
        self._node = node
        self._watched = {name: _Watched() for name in cameras}

    def picture(self, camera: str, after: int) -> tuple[int, bytes]:
        """Return number and JPEG of the newest image; in any thread.

        Args:
            camera: Its name.
            after: Number of the image that is known.

        Returns:
            No bytes if there is no other image, or if it cannot be shown.
        """
        one = self._watched[camera]
        one.looked_s = time.monotonic()
        with one.coding:
            number, message = one.newest
            if number == after or message is None:
                return number, b""
            if one.coded[0] != number:
                one.coded = number, self._coded(message)
            return one.coded

    def age_s(self, camera: str) -> float | None:
        """Return how long ago the newest image came; None if none did; in any thread."""
        heard_s = self._watched[camera].heard_s
        return None if heard_s is None else time.monotonic() - heard_s

    def follow_demand(self) -> None:
        """Subscribe to the cameras that somebody looks at, and to no other; in the executor."""
        for name, one in self._watched.items():
            wanted = time.monotonic() - one.looked_s < _LOOKED_S
            if wanted and one.listener is None:
                one.listener = self._listen(name, one)
            elif not wanted:
                _close(one)

    def close(self) -> None:
        """Subscribe to nothing any more."""
        for one in self._watched.values():
            _close(one)

    def complaints(self) -> list[str]:
        """Say of each camera that somebody looks at why no image comes."""
        listeners = (one.listener for one in self._watched.values())
        return [one.complaint() for one in listeners if one is not None]

    def _listen(self, camera: str, one: _Watched) -> Listener:
        def take(message: Image | CompressedImage) -> None:
            one.newest = one.newest[0] + 1, message
            one.heard_s = time.monotonic()

        kind, topic = image_topic(self._node, camera)
        return Listener(self._node, kind, topic, take, qos.sensor_data(), self._node.tally)

    def _coded(self, message: Image | CompressedImage) -> bytes:
        try:
            return jpeg(to_rgb(message), _WIDTH)
        except ImageError as error:
            self._node.tally.warn(f"{IMAGES_REFUSED}: {error.cause}", f"image refused: {error}")
            return b""


def _close(one: _Watched) -> None:
    if one.listener is not None:
        one.listener.close()
        one.listener, one.newest, one.heard_s = None, (one.newest[0], None), None
