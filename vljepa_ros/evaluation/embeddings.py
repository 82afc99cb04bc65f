# SPDX-License-Identifier: Apache-2.0
"""Embeddings of all annotated clips of a folder, and the names of those that cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recordings.annotations import Span
from vljepa_ros.recordings.open_clip import opened_clip
from vljepa_ros.recordings.source import Source, SourceError
from vljepa_ros.recordings.spans import SpanError, SpanImages, read_spans
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.tasks import embed_clip
from vljepa_ros.stream.images import ImageError


class NoClipsError(ValueError):
    """None of the annotated clips can be read."""


@dataclass(frozen=True)
class EmbeddedClips:
    """What was embedded and what was not.

    Attributes:
        vectors: (Q, dimension) by span, in the order of its queries.
        unreadable: why other spans have none, by the span's text.
        damaged: what is missing of clips that were used nevertheless, by the clip's name.
    """

    vectors: dict[Span, NDArray[np.float32]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)


def embed_clips(
    model: VLJepa, folder: Path, queries: Mapping[Span, Sequence[str]], *, live: bool = False
) -> EmbeddedClips:
    """Embed every span for its queries, each clip file opened once for all its spans.

    Args:
        model: a loaded model.
        folder: the folder of the clips.
        queries: texts by span.
        live: take the clip at the model's own rate that ends with the span, as a robot sees it
            there, and not images that are spread over the span.

    Raises:
        NoClipsError: no span is left.
        ValueError: a query is empty.
        BackendError: the model failed.
    """
    result = EmbeddedClips()
    for spans in _progress(_by_clip(queries), "clips"):
        _add_clip(result, model, folder, {span: queries[span] for span in spans}, live)
    if not result.vectors:
        name, cause = next(iter(result.unreadable.items()))
        raise NoClipsError(
            f"none of the {len(queries)} annotated clips in {folder} can be read; "
            f"the first, {name}: {cause}"
        )
    return result


def _by_clip(spans: Iterable[Span]) -> list[list[Span]]:
    """Return the spans in groups that one reading of a clip answers."""
    groups: dict[tuple[str, str], list[Span]] = {}
    for span in spans:
        groups.setdefault((span.clip, span.topic), []).append(span)
    return list(groups.values())


def _add_clip(
    result: EmbeddedClips,
    model: VLJepa,
    folder: Path,
    queries: Mapping[Span, Sequence[str]],
    live: bool,
) -> None:
    """Add the spans of one clip; those that are not reached when it fails are unreadable."""
    waiting, clip = dict(queries), next(iter(queries))
    try:
        with opened_clip(folder / clip.clip, clip.topic) as source:
            for span, images in _clips(source, list(queries), model.bundle, live):
                texts = waiting.pop(span)
                if isinstance(images, SpanError):
                    result.unreadable[str(span)] = images.cause
                else:
                    result.vectors[span] = embed_clip(model, list(images), texts)
            if source.problems:
                causes = (f"{cause} ({count} times)" for cause, count in source.problems.items())
                result.damaged[f"{clip.clip} {clip.topic}".rstrip()] = "; ".join(causes)
    except (SourceError, ImageError) as error:
        result.unreadable.update({str(span): str(error) for span in waiting})


def _clips(
    source: Source, spans: Sequence[Span], bundle: Bundle, live: bool
) -> Iterator[SpanImages]:
    return read_spans(
        source,
        spans,
        frames=bundle.clip.frames,
        height=bundle.frame.height,
        width=bundle.frame.width,
        live_hz=bundle.clip.rate_hz if live else None,
    )


def _progress(items: Sequence[Any], unit: str) -> Iterable[Any]:
    """Show a bar at a terminal if tqdm is installed; robots do without."""
    with suppress(ImportError):
        from tqdm import tqdm

        bar: Iterable[Any] = tqdm(items, unit=unit, disable=None)
        return bar
    return items
