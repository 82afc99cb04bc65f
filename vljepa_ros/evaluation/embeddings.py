# SPDX-License-Identifier: Apache-2.0
"""Embeddings of all annotated clips of a folder, and the names of those that cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.evaluation.clips import read_clip
from vljepa_ros.recordings.annotations import Span
from vljepa_ros.recordings.source import SourceError
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.tasks import embed_clip
from vljepa_ros.stream.images import ImageError


class NoClipsError(ValueError):
    """None of the annotated clips can be read."""


@dataclass(frozen=True)
class EmbeddedClips:
    """What was embedded and what was not.

    ``vectors`` are (Q, dimension) by span, in the order of its queries. ``unreadable`` says why
    other spans have none, and ``damaged`` what is missing of clips that were used nevertheless.
    """

    vectors: dict[Span, NDArray[np.float32]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)


def embed_clips(
    model: VLJepa, folder: Path, queries: Mapping[Span, Sequence[str]]
) -> EmbeddedClips:
    """Embed every span for its queries, each clip file opened once for all its spans.

    Raises:
        NoClipsError: no span is left.
        ValueError: a query is empty.
        BackendError: the model failed.
    """
    result = EmbeddedClips()
    for clip, spans in _progress(_by_clip(queries), "clips"):
        _add_clip(result, model, folder / clip, {span: queries[span] for span in spans})
    if not result.vectors:
        name, cause = next(iter(result.unreadable.items()))
        raise NoClipsError(
            f"none of the {len(queries)} annotated clips in {folder} can be read; "
            f"the first, {name}: {cause}"
        )
    return result


def _by_clip(spans: Iterable[Span]) -> list[tuple[str, list[Span]]]:
    groups: dict[str, list[Span]] = {}
    for span in spans:
        groups.setdefault(span.clip, []).append(span)
    return list(groups.items())


def _add_clip(
    result: EmbeddedClips, model: VLJepa, path: Path, queries: Mapping[Span, Sequence[str]]
) -> None:
    try:
        read = read_clip(path, list(queries), model.bundle)
    except (SourceError, ImageError, OSError) as error:
        result.unreadable.update({str(span): str(error) for span in queries})
        return
    for span, texts in queries.items():
        if span in read.images:
            result.vectors[span] = embed_clip(model, read.images[span], texts)
        else:
            result.unreadable[str(span)] = "it has no image between these times"
    if read.problems:
        causes = (f"{cause} ({count} times)" for cause, count in read.problems.items())
        result.damaged[next(iter(queries)).clip] = "; ".join(causes)


def _progress(items: Sequence[Any], unit: str) -> Iterable[Any]:
    """Show a bar at a terminal where tqdm is installed; robots do without."""
    with suppress(ImportError):
        from tqdm import tqdm

        bar: Iterable[Any] = tqdm(items, unit=unit, disable=None)
        return bar
    return items
