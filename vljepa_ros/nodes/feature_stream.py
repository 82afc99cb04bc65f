# SPDX-License-Identifier: Apache-2.0
"""What the encoder saw lately, of one camera of the describer.

Embeddings and features of a clip come on two topics. An embedding that needs its features waits
for them if they come later; it does not wait for features that were lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vljepa_msgs.msg import Embedding, VisualFeatures
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.conversions import to_ns, to_vector
from vljepa_ros.nodes.common.diagnostics import Tally
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.listener import SILENCE_S, Listener
from vljepa_ros.nodes.text_services import RefusedError
from vljepa_ros.nodes.visual_features import DEPTH
from vljepa_ros.runtime.examples import MAX_FEATURES
from vljepa_ros.runtime.queries import MAX_QUERIES
from vljepa_ros.stream.clean_text import clean_text

KEPT_S = 60.0  # of the stream, for those who name what was seen
MAX_SHOWN = 64  # clips of one span; neighbours hardly differ
_MAX_KEPT = 2048  # clips, if the embedder is fast
_MAX_WAITING = 2 * MAX_QUERIES  # embeddings; their features come within a tick
_NS = 1_000_000_000


class FeatureStream:
    """Keeps the features of the last clips; listens from :meth:`start` to :meth:`stop`."""

    def __init__(
        self,
        node: ManagedNode,
        camera: str,
        space_id: str,
        tally: Tally,
        deliver: Callable[[Embedding], None],
    ) -> None:
        """Start without features.

        Args:
            node: the describer.
            camera: name of the camera; empty if there is only one, without a name.
            space_id: names the model whose features are taken.
            tally: counts faults.
            deliver: takes each embedding that has waited for its features.
        """
        self._node, self._space_id, self._tally, self._deliver = node, space_id, tally, deliver
        name = f"{camera}/visual_features" if camera else "visual_features"
        self._topic = f"embedder/{name}"
        self._listener: Listener | None = None
        self._clips: deque[tuple[int, NDArray[np.float32]]] = deque(maxlen=_MAX_KEPT)
        self._waiting: deque[Embedding] = deque()

    def start(self) -> None:
        """Subscribe."""
        self._clear()
        self._listener = Listener(
            self._node,
            VisualFeatures,
            self._topic,
            self._on_features,
            qos.reliable(DEPTH),
            self._tally,
        )

    def stop(self) -> None:
        """Unsubscribe and forget the stream."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._clear()

    def at(self, stamp_ns: int) -> NDArray[np.float32] | None:
        """Return the features (F) of the clip that ends then; None if they are not known."""
        return next((clip for stamp, clip in reversed(self._clips) if stamp == stamp_ns), None)

    def keeps_waiting(self, message: Embedding) -> bool:
        """Keep an embedding until its features come; return False if they are there."""
        if self.at(to_ns(message.header.stamp)) is not None:
            return False
        self._waiting.append(message)
        if len(self._waiting) > _MAX_WAITING:
            self._waiting.popleft()
            self._count_missing()
        return True

    def last(self, seconds: float) -> NDArray[np.float32]:
        """Return the features (clips, F) of the last seconds; 0 takes the newest clip alone.

        At most :data:`MAX_SHOWN` clips, evenly spread over the span.

        Raises:
            RefusedError: there are none; the message says why.
        """
        if not 0.0 <= seconds <= KEPT_S:  # also if it is not a number
            raise RefusedError(f"seconds must be from 0 to {KEPT_S:g}, not {seconds:g}")
        if self._listener is None:
            raise RefusedError("the node is not active")
        if not self._clips or self._listener.silent_s > SILENCE_S:
            raise RefusedError(
                f"no clip has come on {self._listener.topic} for {self._listener.silent_s:.0f} s: "
                "is the embedder active, does the camera send images, and has the model a trunk?"
            )
        oldest_ns = self._clips[-1][0] - round(seconds * _NS)
        clips = [clip for stamp, clip in self._clips if stamp >= oldest_ns]
        places = np.linspace(0, len(clips) - 1, min(len(clips), MAX_SHOWN))
        return np.stack([clips[round(place)] for place in places])

    def _on_features(self, message: VisualFeatures) -> None:
        if message.space_id != self._space_id:
            detail = f"visual features are of {clean_text(message.space_id, limit=64)!r}"
            self._tally.warn("visual features of another space", detail)
            return
        features, stamp_ns = to_vector(message.data), to_ns(message.header.stamp)
        if not 0 < features.size <= MAX_FEATURES or not np.isfinite(features).all():
            detail = f"{features.size} numbers, of which 1 to {MAX_FEATURES} finite ones are taken"
            self._tally.warn("visual features refused", detail)
            return
        self._keep(stamp_ns, features)
        self._deliver_until(stamp_ns)

    def _keep(self, stamp_ns: int, features: NDArray[np.float32]) -> None:
        clips = self._clips
        is_other = clips and (stamp_ns < clips[-1][0] or features.size != clips[-1][1].size)
        if is_other:  # the clock was set back, or it is another model
            clips.clear()
        clips.append((stamp_ns, features))
        while clips[0][0] < stamp_ns - KEPT_S * _NS:
            clips.popleft()

    def _deliver_until(self, stamp_ns: int) -> None:
        waiting, self._waiting = self._waiting, deque()
        for message in waiting:
            of_ns = to_ns(message.header.stamp)
            if of_ns == stamp_ns:
                self._deliver(message)
            elif of_ns > stamp_ns:
                self._waiting.append(message)
            else:
                self._count_missing()

    def _count_missing(self) -> None:
        detail = f"an embedding has no visual features on {self._topic}, which examples need"
        self._tally.warn("visual features missing", detail)

    def _clear(self) -> None:
        self._clips.clear()
        self._waiting.clear()
