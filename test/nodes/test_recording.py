# SPDX-License-Identifier: Apache-2.0
"""The shipped model on the shipped recording, through the real nodes and DDS, against the truth.

Frames go out one by one as the embeddings of the one before come back, so that the test is as fast
as the machine and no frame is dropped. The bounds lie below what the model card reports and far
above what a constant or a random answer reaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import av
import pytest

from support.ros import Bench, Inbox
from vljepa_msgs.msg import Embedding, StateDescription
from vljepa_ros.demo.agreement import agreement
from vljepa_ros.demo.truth import Truth, load_truth
from vljepa_ros.nodes.common.conversions import to_ns
from vljepa_ros.nodes.common.qos import latched
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.views.timeline import TimelineSegment

RECORDING = Path(__file__).resolve().parents[2] / "demo" / "recording.mp4"
START_NS = 1_000_000_000_000
QUERIES = ("action", "object", "task")


@pytest.fixture(scope="module")
def truth() -> Truth:
    return load_truth(RECORDING.with_suffix(".json"))


def play(ros: Bench, embedder: Embedder, embeddings: Inbox, rate_hz: float) -> float:
    """Publish the recording in step with the embeddings; return its length in seconds."""
    camera = ros.camera().wait_matched()
    ros.wait_heard(embedder, "/embedder/embedding")
    with av.open(str(RECORDING)) as video:
        for index, frame in enumerate(video.decode(video=0)):
            stamp = START_NS + round(index / rate_hz * 1e9)
            camera.send(frame.to_ndarray(format="rgb24"), stamp, "camera")
            if embeddings.has(1, deadline_s=0.05):  # before that, time to take one frame
                embeddings.wait_for(partial(is_last_of, stamp), f"stamp {stamp}")
    return (index + 1) / rate_hz


def is_last_of(stamp: int, embedding: Embedding) -> bool:
    """Tell whether this is the last embedding of the tick at ``stamp``."""
    return embedding.query == QUERIES[-1] and to_ns(embedding.header.stamp) == stamp


def told(states: Sequence[StateDescription], query: str) -> list[tuple[float, str]]:
    """Return (seconds, text) of a query's states, by the time at which each was published."""
    return [
        ((s.header.stamp.sec + s.header.stamp.nanosec * 1e-9) - START_NS * 1e-9, s.text)
        for s in states
        if s.query == query
    ]


def in_order(expected: Sequence[str], found: Sequence[str]) -> int:
    """Return how many of ``expected`` occur in ``found`` in the same order."""
    best = [0] * (len(found) + 1)
    for text in expected:
        before = 0
        for i, other in enumerate(found):
            kept = best[i + 1]
            best[i + 1] = before + 1 if text == other else max(best[i + 1], best[i])
            before = kept
    return best[-1]


def sequence(segments: Sequence[TimelineSegment]) -> list[str]:
    return [segment.text for segment in segments]


def test_the_states_of_the_recording_are_told_in_their_order(
    ros: Bench, default_bundle: Path, truth: Truth
) -> None:
    states = ros.inbox(StateDescription, "describer/state", latched(10))
    embeddings = ros.inbox(Embedding, "embedder/embedding", 500)
    describer = ros.add(Describer, bundle=str(default_bundle))
    embedder = ros.add(Embedder, bundle=str(default_bundle), queries=list(QUERIES))
    ros.wait_heard(describer, "/describer/state")
    length = play(ros, embedder, embeddings, truth.rate_hz)

    assert {(e.space_id, len(e.data)) for e in embeddings} == {(embeddings[0].space_id, 256)}
    for query, least_agreement, least_in_order in (
        ("action", 0.5, 0.4),
        ("object", 0.6, 0.5),
        ("task", 0.7, 0.8),
    ):
        texts = [text for _, text in told(states, query)]
        found = agreement(truth.queries[query], told(states, query), truth.rate_hz, 2.0, length)
        assert found.tolerant >= least_agreement, f"{query}: {found}; {texts}"
        expected = sequence(truth.queries[query])
        share = in_order(expected, texts) / len(expected)
        assert share >= least_in_order, f"{query}: {share:.2f} of the states in order; {texts}"
        assert len(texts) <= 2 * len(expected), f"{query} flickers: {texts}"


def test_in_order_counts_the_longest_common_sequence() -> None:
    assert in_order("abcd", "abcd") == 4
    assert in_order("abcd", "xaxcxd") == 3
    assert in_order("abcd", "dcba") == 1
    assert in_order("aab", "ab") == 2
