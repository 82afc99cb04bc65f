# SPDX-License-Identifier: Apache-2.0
"""What a run of the demo gathers: plain values, so that what is made of them needs no ROS.

Stamps and times of receipt are integer nanoseconds of the same (system) clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from vljepa_ros.stream.doubt import DoubtConfig


@dataclass(frozen=True)
class StateRecord:
    """One published state change; the fields are those of StateDescription.

    Attributes:
        unfamiliarity: None if it is not known.
        doubt: why nothing that is said can be trusted, in words; empty if it can.
    """

    query: str
    text: str
    previous_text: str
    score: float
    share: float
    unfamiliarity: float | None
    doubt: str
    distance: float
    reason: str
    seq: int
    stamp_ns: int
    since_ns: int
    received_ns: int


@dataclass(frozen=True)
class EmbeddingRecord:
    """One published embedding without its vector.

    Attributes:
        distance: cosine distance to the embedding of the query's current state; None before the
            first state.
        unfamiliarity: None if it is not known.
        image_fault: its number, as in Embedding.
    """

    query: str
    space_id: str
    dimension: int
    distance: float | None
    unfamiliarity: float | None
    image_fault: int
    stamp_ns: int
    window_start_ns: int
    received_ns: int

    @property
    def is_strange(self) -> bool:
        """Whether nothing can be claimed of its clip, if others like it come."""
        return bool(self.image_fault) or (self.unfamiliarity or 0.0) > DoubtConfig().threshold


@dataclass
class RunRecord:
    """Everything that came during a run.

    Attributes:
        source: name of what is replayed.
        model: name, version and backend.
        clip_s: length of one clip of the model in seconds.
        frame_s: time between two images of a clip in seconds.
        questions: text of each query, by its name.
        complete: whether the recording was replayed to its end.
        published: number of images that the replay published.
        losses: what the replay left out or mended in the recording, by cause.
        frames: number of images that came.
        refused: images that came and cannot be used, by reason.
        drops: images that the embedder left out, by cause.
        embedder: everything that the embedder counted, by cause.
        silent_decodes: texts that were decoded and were the current ones already.
        reports: the last line on /diagnostics of each node.
    """

    source: str
    model: str = ""
    clip_s: float = 0.0
    frame_s: float = 0.0
    questions: dict[str, str] = field(default_factory=dict)
    complete: bool = False
    published: int = 0
    losses: Mapping[str, int] = field(default_factory=dict)
    frames: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    first_frame_ns: int | None = None
    last_frame_ns: int | None = None
    states: list[StateRecord] = field(default_factory=list)
    embeddings: list[EmbeddingRecord] = field(default_factory=list)
    drops: Mapping[str, int] = field(default_factory=dict)
    embedder: Mapping[str, int] = field(default_factory=dict)
    silent_decodes: int = 0
    reports: dict[str, str] = field(default_factory=dict)

    def spans(self, query: str) -> list[tuple[float, float, StateRecord]]:
        """Return each state of a query with when it was published and when the next one was.

        Seconds from the first image; the last state lasts to the end.
        """
        states = [one for one in self.states if one.query == query]
        edges = [self.seconds(one.stamp_ns) for one in states] + [self.duration_s]
        return [(*edge, one) for edge, one in zip(pairwise(edges), states, strict=True)]

    def seconds(self, stamp_ns: int) -> float:
        """Return the seconds from the first image to a stamp."""
        return (stamp_ns - (self.first_frame_ns or 0)) / 1e9

    @property
    def duration_s(self) -> float:
        """The seconds between the first and the last image."""
        if self.first_frame_ns is None or self.last_frame_ns is None:
            return 0.0
        return (self.last_frame_ns - self.first_frame_ns) / 1e9

    def said(self, node: str) -> str:
        """Return the last report of a node."""
        return self.reports.get(node, "nothing")
