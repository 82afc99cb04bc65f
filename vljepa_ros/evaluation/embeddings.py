# SPDX-License-Identifier: Apache-2.0
"""Embeddings of all annotated clips of a folder, and the names of those that cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.evaluation.stream_clips import StreamClip, stream_clips
from vljepa_ros.recordings.annotations import Asked, Captioned, Labelled, Span
from vljepa_ros.recordings.open_clip import opened_clip
from vljepa_ros.recordings.source import Source, SourceError
from vljepa_ros.recordings.spans import SpanError, SpanImages, read_spans
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.tasks import embed_clip
from vljepa_ros.stream.images import ImageError

_Annotation = TypeVar("_Annotation", Labelled, Captioned, Asked)


class NoClipsError(ValueError):
    """None of the annotated clips can be read."""


@dataclass(frozen=True)
class EmbeddedClips:
    """What was embedded and what was not.

    Attributes:
        vectors: (Q, dimension) by clip, in the order of its queries.
        seen: the clips of each span: the span itself, or all clips of a stream that end in it.
        unreadable: why other spans have none, by the span's text.
        damaged: what is missing of clips that were used nevertheless, by the clip's name.
    """

    vectors: dict[Span, NDArray[np.float32]] = field(default_factory=dict)
    seen: dict[Span, list[Span]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)

    def read(self, items: Iterable[_Annotation]) -> list[_Annotation]:
        """Return annotations of what was embedded, one for each clip of their span."""
        return [replace(item, span=one) for item in items for one in self.seen.get(item.span, ())]


def embed_clips(
    model: VLJepa, folder: Path, queries: Mapping[Span, Sequence[str]], *, stream: bool = False
) -> EmbeddedClips:
    """Embed every span for its queries, each clip file opened once for all its spans.

    Args:
        model: a loaded model.
        folder: the folder of the clips.
        queries: texts by span.
        stream: take every clip of a robot's stream that ends within the span, at the model's own
            rate (:mod:`.stream_clips`), and not one clip of images that are spread over the span.

    Raises:
        NoClipsError: no span is left.
        ValueError: a query is empty.
        BackendError: the model failed.
    """
    result = EmbeddedClips()
    for spans in _progress(_by_clip(queries), "clips"):
        _add_clip(result, model, folder, {span: queries[span] for span in spans}, stream)
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
    stream: bool,
) -> None:
    """Add the spans of one clip; those that are not reached when it fails are unreadable."""
    waiting, clip = dict(queries), next(iter(queries))
    try:
        with opened_clip(folder / clip.clip, clip.topic) as source:
            for span, found in _clips(source, queries, model, stream):
                asked = span.within if isinstance(span, StreamClip) else span
                waiting.pop(asked, None)
                if isinstance(found, SpanError):
                    result.unreadable[str(span)] = found.cause
                else:
                    result.vectors[span] = found
                    result.seen.setdefault(asked, []).append(span)
            if source.problems:
                causes = (f"{cause} ({count} times)" for cause, count in source.problems.items())
                result.damaged[f"{clip.clip} {clip.topic}".rstrip()] = "; ".join(causes)
    except (SourceError, ImageError) as error:
        result.unreadable.update({str(span): str(error) for span in waiting})


def _clips(
    source: Source, queries: Mapping[Span, Sequence[str]], model: VLJepa, stream: bool
) -> Iterator[tuple[Span, NDArray[np.float32] | SpanError]]:
    """Yield the embeddings (Q, dimension) of each clip, or why there are none."""
    if stream:
        for tick, features in stream_clips(source, list(queries), model):
            if isinstance(tick, StreamClip) and not isinstance(features, SpanError):
                yield tick, model.embed(features, queries[tick.within])
            elif isinstance(features, SpanError):
                yield tick, features
        return
    for span, images in _spread(source, list(queries), model.bundle):
        if isinstance(images, SpanError):
            yield span, images
        else:
            yield span, embed_clip(model, list(images), queries[span])


def _spread(source: Source, spans: Sequence[Span], bundle: Bundle) -> Iterator[SpanImages]:
    return read_spans(
        source,
        spans,
        frames=bundle.clip.frames,
        height=bundle.frame.height,
        width=bundle.frame.width,
    )


def _progress(items: Sequence[Any], unit: str) -> Iterable[Any]:
    """Show a bar at a terminal if tqdm is installed; robots do without."""
    with suppress(ImportError):
        from tqdm import tqdm

        bar: Iterable[Any] = tqdm(items, unit=unit, disable=None)
        return bar
    return items
