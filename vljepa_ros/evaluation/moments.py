# SPDX-License-Identifier: Apache-2.0
"""How high the right moment ranks if a text is looked for in a store of indexed recordings."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.evaluation.ranks import hit_rate, percent, rank_of
from vljepa_ros.evaluation.report import Report
from vljepa_ros.index.store import Store
from vljepa_ros.index.stored import SearchHit
from vljepa_ros.recordings.annotations import Captioned, Span

TextVector = Callable[[str], NDArray[np.float32]]
_ALL = 1 << 30
_ENOUGH = 0.5  # of the shorter of a segment and a span, for the one to show the other


def moment_retrieval(
    store: Store,
    space_id: str,
    embed: TextVector,
    folder: Path,
    items: Sequence[Captioned],
    query: str,
) -> Report:
    """Measure how high a caption's own moment ranks among all segments of a query.

    Every caption of a span is looked for on its own. A segment is right if it and a span with that
    caption overlap by half of the shorter one.

    Args:
        store: the index.
        space_id: of the embeddings that are compared.
        embed: returns the unit vector (dimension) of a text.
        folder: the folder of the clips that the annotations name.
        items: annotations, one for each span.
        query: name of the query whose segments are ranked.

    Raises:
        ValueError: no annotated span is in the store.
        StoreError: the store cannot be read.
    """
    search = lru_cache(lambda text: store.search(embed(text), space_id, limit=_ALL, query=query))
    wanted = [(item.span, caption) for item in items for caption in item.captions]
    spans: dict[str, list[Span]] = {}
    for span, caption in wanted:
        spans.setdefault(caption, []).append(span)
    ranks, chances, results, missing = [], [], [], {}
    for span, caption in wanted:
        hits = search(caption)
        if not any(_shows(hit, span, folder) for hit in hits):
            missing[str(span)] = f"no segment of query {query!r} shows it in {store.location}"
            continue
        right = [any(_shows(hit, one, folder) for one in spans[caption]) for hit in hits]
        ranks.append(rank_of([hit.cosine for hit in hits], right))
        chances.append(float(np.mean(right)))
        results.append({"clip": str(span), "caption": caption, "rank": ranks[-1]})
    if not ranks:
        raise ValueError(f"{store.location} shows none of the annotated spans: are they indexed?")
    figures = {
        "captions": len(ranks),
        "moments": len(hits),
        "not_found": len(missing),
        **_rank_figures(ranks, chances),
    }
    return Report("search", figures, results, missing, {})


def _rank_figures(ranks: Sequence[int], chances: Sequence[float]) -> dict[str, float]:
    return {
        **{f"r@{top}": percent(hit_rate(ranks, top)) for top in (1, 5, 10)},
        "median_rank": float(np.median(ranks)),
        "chance_r@1": percent(float(np.mean(chances))),
    }


def _shows(hit: SearchHit, span: Span, folder: Path) -> bool:
    recording, segment = hit.recording, hit.segment
    if recording.path != os.path.abspath(folder / span.clip):
        return False
    if span.topic not in ("", recording.topic):
        return False
    end = min(span.end, recording.duration_s)
    overlap = min(segment.end, end) - max(segment.start, span.start)
    return overlap > 0 and overlap >= _ENOUGH * min(segment.end - segment.start, end - span.start)
