# SPDX-License-Identifier: Apache-2.0
"""What a run of the demo gathers; plain values, so that everything after the run needs no ROS.

Stamps and times of receipt are integer nanoseconds of the same (system) clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class StateRecord:
    """One published state change."""

    query: str
    text: str
    previous_text: str
    score: float
    distance: float
    reason: str
    seq: int
    stamp_ns: int
    since_ns: int
    received_ns: int


@dataclass(frozen=True)
class EmbeddingRecord:
    """One published embedding without its vector.

    `distance` is the cosine distance to the embedding of the query's current state, None before
    the first state.
    """

    query: str
    space_id: str
    dimension: int
    distance: float | None
    stamp_ns: int
    window_start_ns: int
    received_ns: int


@dataclass
class RunRecord:
    """Everything that came during a run."""

    source: str
    model: str = ""
    questions: dict[str, str] = field(default_factory=dict)
    frames: int = 0
    first_frame_ns: int | None = None
    last_frame_ns: int | None = None
    states: list[StateRecord] = field(default_factory=list)
    embeddings: list[EmbeddingRecord] = field(default_factory=list)
    drops: dict[str, int] = field(default_factory=dict)
    silent_decodes: int = 0  # texts decoded that were the current ones already

    def seconds(self, stamp_ns: int) -> float:
        """Return the time of `stamp_ns` since the first image."""
        return (stamp_ns - (self.first_frame_ns or 0)) / 1e9

    @property
    def duration_s(self) -> float:
        """The time between the first and the last image."""
        if self.first_frame_ns is None or self.last_frame_ns is None:
            return 0.0
        return (self.last_frame_ns - self.first_frame_ns) / 1e9
