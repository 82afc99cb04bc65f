# SPDX-License-Identifier: Apache-2.0
"""No embedding is lost between the nodes, with as many queries as are accepted."""

from __future__ import annotations

import threading
from collections import Counter

from support.film import PERIOD, START, Film
from support.ros import DEADLINE_S, Bench
from support.speaker import SPACE, meaning
from vljepa_msgs.msg import Embedding, ModelInfo, Query, Segment
from vljepa_ros.nodes.common.conversions import to_floats, to_stamp
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.common.qos import embeddings, latched, reliable
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.runtime.queries import MAX_QUERIES

NAMES = [f"q{number}" for number in range(MAX_QUERIES)]
TICKS = 5  # that wait while a node is busy


def test_every_embedding_of_every_query_arrives(ros: Bench, bundle: str) -> None:
    inbox = ros.inbox(Embedding, "embedder/embedding", embeddings())
    queries = [f"{name}: What colour is the scene?" for name in NAMES]
    ros.add(Embedder, bundle=bundle, queries=queries)
    film = Film(ros.camera().wait_matched(), inbox)
    film.roll("red")
    film.show("green", TICKS)
    last = film.next_ns - PERIOD
    ros.wait(lambda: counted(inbox, last) == Counter(NAMES), "all of the last tick")
    stamps = {(e.header.stamp.sec, e.header.stamp.nanosec) for e in inbox}
    assert Counter(e.query for e in inbox) == dict.fromkeys(NAMES, len(stamps))


def counted(inbox: list[Embedding], stamp_ns: int) -> Counter[str]:
    return Counter(e.query for e in inbox if e.header.stamp == to_stamp(stamp_ns))


def test_a_describer_that_was_busy_misses_none(ros: Bench, bundle: str) -> None:
    segments = ros.inbox(Segment, "describer/segment", reliable(MAX_QUERIES))
    describer = ros.add(Describer, bundle=bundle, answer_from="all")
    publisher = ros.node.create_publisher(Embedding, "embedder/embedding", embeddings())
    infos = ros.node.create_publisher(ModelInfo, "embedder/model_info", latched(1))
    ros.wait(lambda: publisher.get_subscription_count() == 1, "the describer listens")
    ros.wait(lambda: describer.phase is Phase.ACTIVE, "it is active")
    infos.publish(
        ModelInfo(space_id=SPACE, queries=[Query(name=name, text="What?") for name in NAMES])
    )
    with busy(describer):
        for tick in range(TICKS):
            for name in NAMES:
                publisher.publish(embedding(name, START + tick * PERIOD))
    taken = describer._worker.cameras[""].listener.rate  # no topic tells how many were taken
    ros.wait(lambda: taken.total == MAX_QUERIES * TICKS, "all have been taken")
    assert ros.transition("describer", "deactivate")
    ended = segments.wait(MAX_QUERIES)
    assert {segment.query: segment.samples for segment in ended} == dict.fromkeys(NAMES, TICKS)


def embedding(query: str, stamp_ns: int) -> Embedding:
    message = Embedding(space_id=SPACE, query=query, data=to_floats(meaning("red")))
    message.header.stamp = to_stamp(stamp_ns)
    return message


class busy:
    """Keeps a node's executor from taking messages meanwhile."""

    def __init__(self, node: Describer) -> None:
        self._node = node
        self._begun, self._end = threading.Event(), threading.Event()

    def __enter__(self) -> None:
        assert self._node.phase is Phase.ACTIVE

        def wait() -> None:
            self._begun.set()
            self._end.wait(DEADLINE_S)

        self._node.executor.create_task(wait)
        assert self._begun.wait(DEADLINE_S)

    def __exit__(self, *_: object) -> None:
        self._end.set()
