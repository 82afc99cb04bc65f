# SPDX-License-Identifier: Apache-2.0
"""The figures at the end of a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vljepa_ros.demo.agreement import Agreement, agreement
from vljepa_ros.demo.record import EmbeddingRecord, RunRecord, StateRecord
from vljepa_ros.demo.truth import Truth


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the stamp of an image to the receipt of what was made of it."""

    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, records: Sequence[StateRecord] | Sequence[EmbeddingRecord]) -> Latency | None:
        """Return the percentiles over some records, or None if there are none."""
        if not records:
            return None
        spans = [(one.received_ns - one.stamp_ns) / 1e6 for one in records]
        p50, p99 = np.percentile(spans, [50, 99])
        return cls(float(p50), float(p99))

    def __str__(self) -> str:
        """Return both percentiles in words."""
        return f"p50 {self.p50_ms:.0f} ms, p99 {self.p99_ms:.0f} ms"


@dataclass(frozen=True)
class Figures:
    """The summary of a run.

    Attributes:
        published: number of images that the replay published.
        frames: number of those that came.
        losses: what was left out or mended in the recording, by cause.
        drops: images that the embedder left out, by cause.
        doubts: seconds for which nothing that was said could be trusted, by cause.
        agreement: by query; empty without ground truth.
    """

    published: int
    frames: int
    losses: dict[str, int]
    duration_s: float
    ticks: int
    embeddings: int
    states: int
    decodes: int
    decodes_per_s: float
    embedding_latency: Latency | None
    state_latency: Latency | None
    drops: dict[str, int]
    doubts: dict[str, float]
    agreement: dict[str, Agreement]

    def lines(self) -> list[str]:
        """Return the summary for the terminal."""
        share = 100 * self.decodes / self.embeddings if self.embeddings else 0.0
        dropped = ", ".join(f"{cause} {count}" for cause, count in self.drops.items() if count)
        came = f"{self.frames}"
        if self.published > self.frames:
            came += f" of {self.published} that the replay published,"
        lines = [
            f"frames in      {came} in {self.duration_s:.1f} s",
            f"embeddings     {self.embeddings} ({self.ticks} time steps)",
            f"states         {self.states} changes from {self.decodes} decoded texts: "
            f"{self.decodes_per_s:.2f} decodes per second, {share:.1f} % of the embeddings",
            f"latency        embeddings {self.embedding_latency or '-'}; "
            f"states {self.state_latency or '-'} (image stamp to receipt)",
            f"drops          {dropped or 'none'}",
        ]
        if self.losses:
            lost = [f"{cause} ({n}x)" if n > 1 else cause for cause, n in self.losses.items()]
            lines.insert(1, f"recording      {', '.join(lost)}")
        if self.doubts:
            spans = [f"{cause} {seconds:.1f} s" for cause, seconds in self.doubts.items()]
            lines.append(f"not trusted    {', '.join(spans)} of {self.duration_s:.1f} s")
        lines += [f"truth          {query}: {one}" for query, one in self.agreement.items()]
        return lines


def figures(run: RunRecord, truth: Truth | None) -> Figures:
    """Sum up a run."""
    decodes = len(run.states) + run.silent_decodes
    return Figures(
        published=run.published,
        frames=run.frames,
        losses=dict(run.losses),
        duration_s=run.duration_s,
        ticks=len({one.stamp_ns for one in run.embeddings}),
        embeddings=len(run.embeddings),
        states=len(run.states),
        decodes=decodes,
        decodes_per_s=decodes / run.duration_s if run.duration_s else 0.0,
        embedding_latency=Latency.of(run.embeddings),
        state_latency=Latency.of(run.states),
        drops=dict(run.drops),
        doubts=_doubts(run),
        agreement=_agreements(run, truth) if truth else {},
    )


def _doubts(run: RunRecord) -> dict[str, float]:
    """Return the seconds of each cause; those of the query for which it lasted longest."""
    found: dict[str, float] = {}
    for query in run.questions:
        lasted: defaultdict[str, float] = defaultdict(float)
        for start, end, one in run.spans(query):
            lasted[one.doubt] += end - start
        for cause in filter(None, lasted):
            found[cause] = max(found.get(cause, 0.0), lasted[cause])
    return found


def _agreements(run: RunRecord, truth: Truth) -> dict[str, Agreement]:
    """Compare every query that has both truth and embeddings, from its first embedding on."""
    found = {}
    for query, segments in truth.queries.items():
        stamps = [one.stamp_ns for one in run.embeddings if one.query == query]
        if not stamps:
            continue
        states = [
            (run.seconds(one.stamp_ns), one.text) for one in run.states if one.query == query
        ]
        start, end = run.seconds(min(stamps)), run.seconds(max(stamps))
        found[query] = agreement(segments, states, truth.rate_hz, start, end)
    return found
