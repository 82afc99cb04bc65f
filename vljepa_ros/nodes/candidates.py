# SPDX-License-Identifier: Apache-2.0
"""All answers of the queries of one camera with their shares at every tick, for whoever listens.

All queries are on ``~/candidates``. A tool that plots ``shares[0]`` over time cannot tell messages
of one topic apart, so each query whose name can be part of a topic name also has its own topic,
``~/candidates/QUERY``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from rclpy.publisher import Publisher

from vljepa_msgs.msg import Candidates, Embedding
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.conversions import to_floats
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.runtime.example_answers import ExampleAnswers

_DEPTH = 50
_MAX_NAME = 64  # characters; a whole topic name may have 255
_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")


class CandidatesPublisher:
    """Publishes the candidates of one camera until :meth:`close`."""

    def __init__(self, node: ManagedNode, topic: str, answers: ExampleAnswers) -> None:
        """Create the publisher of all queries.

        Args:
            node: the describer.
            topic: for all queries; those of single queries are below it.
            answers: finds the candidates.
        """
        self._node, self._topic, self._answers = node, topic, answers
        self._all = self._create(topic)
        self._of: dict[str, Publisher] = {}  # by query

    def set_queries(self, names: Iterable[str]) -> None:
        """Have topics for these queries alone."""
        wanted = {name for name in names if len(name) <= _MAX_NAME and _TOKEN.fullmatch(name)}
        for gone in self._of.keys() - wanted:
            self._node.destroy_publisher(self._of.pop(gone))
        for new in sorted(wanted - self._of.keys()):
            self._of[new] = self._create(f"{self._topic}/{new}")

    def publish(self, embedding: Embedding, vector: NDArray[np.float32]) -> None:
        """Publish the candidates of a query.

        Args:
            embedding: its message.
            vector: what :meth:`ExampleAnswers.seen` gave for it.

        Raises:
            ValueError: the vector is not usable.
        """
        both = (self._all, self._of.get(embedding.query))
        listened = [one for one in both if one is not None and one.get_subscription_count()]
        found = self._answers.candidates(embedding.query, vector) if listened else None
        if found is not None:
            message = Candidates(
                header=embedding.header,
                query=embedding.query,
                texts=list(found.texts),
                shares=to_floats(found.probabilities),
                cosines=to_floats(found.cosines),
            )
            for publisher in listened:
                publisher.publish(message)

    def close(self) -> None:
        """Destroy the publishers."""
        self.set_queries(())
        self._node.destroy_publisher(self._all)

    def _create(self, topic: str) -> Publisher:
        # No lifecycle publisher: one that is made while the node is active would be silent.
        return self._node.create_publisher(Candidates, topic, qos.reliable(_DEPTH))
