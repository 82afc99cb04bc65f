# SPDX-License-Identifier: Apache-2.0
"""Says words to a describer: embeddings of the colour bundle, with the test's own stamps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support.colour_bundle import COLOURS, DIMENSION, LEVELS
from support.film import PERIOD, START
from support.ros import Bench
from vljepa_msgs.msg import Embedding
from vljepa_ros.nodes.common.conversions import to_floats, to_stamp
from vljepa_ros.nodes.common.qos import reliable
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.stream.vectors import unit

SPACE = "colour-1"
# Parameters with which a test can count samples, however slow the machine is.
COUNTING: dict[str, Any] = {
    "evidence_s": 0.02,
    "confirmations": 2,
    "min_gap_s": 0.0,
    "silence_s": 0.0,
}
_WORDS = (*COLOURS, *LEVELS)


def meaning(word: str) -> NDArray[np.float32]:
    """Return an embedding (DIMENSION) of one of COLOURS or LEVELS."""
    vector = np.full(DIMENSION, 0.01, dtype=np.float32)
    vector[_WORDS.index(word)] = 1.0
    return unit(vector)


class Speaker:
    """Publishes embeddings that say a word, one period apart."""

    def __init__(self, ros: Bench, describer: Describer, camera: str = "") -> None:
        self.next_ns = START
        self._ros = ros
        self._describer = describer
        self._camera = camera
        topic = f"embedder/{camera}/embedding" if camera else "embedder/embedding"
        self._publisher = ros.node.create_publisher(Embedding, topic, reliable(10))
        ros.wait(lambda: self._publisher.get_subscription_count() == 1, "the describer listens")

    def say(self, word: str, times: int, query: str = "colour", **changes: Any) -> list[int]:
        """Publish, wait until each has been taken, and return the stamps."""
        return [self.publish(meaning(word), query, **changes) for _ in range(times)]

    def publish(
        self,
        vector: Any,
        query: str = "colour",
        *,
        space_id: str = SPACE,
        window_start_ns: int = 0,
        seq: int = 0,
        unfamiliarity: float = math.nan,
        image_fault: int = Embedding.NO_FAULT,
    ) -> int:
        """Publish one vector, wait until it has been taken, and return its stamp."""
        stamp, taken = self.next_ns, self._taken()
        message = Embedding(space_id=space_id, query=query, data=to_floats(vector), seq=seq)
        message.window_start = to_stamp(window_start_ns)
        message.unfamiliarity, message.image_fault = unfamiliarity, image_fault
        message.header.stamp = to_stamp(stamp)
        message.header.frame_id = "front"
        self._publisher.publish(message)
        self._ros.wait(lambda: self._taken() == taken + 1, "it is taken")
        self.next_ns += PERIOD
        return stamp

    def _taken(self) -> int:
        # No topic tells when an embedding has been taken.
        worker = self._describer._worker
        camera = worker.cameras.get(self._camera) if worker else None
        return camera.listener.rate.total if camera and camera.listener else 0
