# SPDX-License-Identifier: Apache-2.0
"""The clips of a training data set as a robot sees them, for the statistics of a bundle.

A data set is a folder with ``annotations.jsonl``, as ``vljepa train`` takes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from vljepa_ros.recordings.annotations import Answered, Span, read_answers
from vljepa_ros.recordings.clip_folder import ANNOTATIONS
from vljepa_ros.recordings.open_clip import opened_clip
from vljepa_ros.recordings.source import Source, SourceError
from vljepa_ros.recordings.spans import SpanError, read_spans
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.statistics import LabelledClip
from vljepa_ros.stream.images import ImageError
from vljepa_ros.stream.sampling import Extent

_EVERY_S = 0.4  # between the ends of two clips
_MOST_OF_SPAN = 200  # clips


class NoLabelledClipsError(ValueError):
    """A folder has no clip that can be read; the message says why the first cannot."""


def labelled_clips(folder: Path, bundle: Bundle) -> Iterator[LabelledClip]:
    """Yield clips of every annotated part of a folder's recordings.

    A part gives a clip at its end and one each 0.4 s before that. What cannot be read is left out.

    Raises:
        NoLabelledClipsError: nothing can be read.
        AnnotationError: a line of the annotations cannot be used, or there is none.
        OSError: the annotations cannot be read.
    """
    names = {text: name for name, text in bundle.queries.items()}
    by_recording: dict[tuple[str, str], list[Answered]] = {}
    for annotation in read_answers(folder / ANNOTATIONS):
        span = annotation.span
        by_recording.setdefault((span.clip, span.topic), []).append(annotation)
    first_fault = ""
    any_read = False
    for (name, topic), answered in by_recording.items():
        try:
            with opened_clip(folder / name, topic) as source:
                for found in _of_recording(source, answered, bundle, names):
                    any_read = True
                    yield found
        except (SourceError, ImageError) as error:
            first_fault = first_fault or str(error)
    if not any_read:
        raise NoLabelledClipsError(f"no clip of {folder} can be read; the first: {first_fault}")


def _of_recording(
    source: Source, annotations: list[Answered], bundle: Bundle, names: Mapping[str, str]
) -> Iterator[LabelledClip]:
    answers: dict[Span, dict[str, str]] = {}
    extent = _extent(source)
    for annotation in annotations:
        query = names.get(annotation.query, annotation.query)
        for span in _parts(annotation.span, extent):
            answers.setdefault(span, {})[query] = annotation.answer
    clips = read_spans(
        source,
        list(answers),
        frames=bundle.clip.frames,
        height=bundle.frame.height,
        width=bundle.frame.width,
        live_hz=bundle.clip.rate_hz,
    )
    for span, images in clips:
        if not isinstance(images, SpanError):
            yield LabelledClip(source.name, list(images), answers[span])


def _extent(source: Source) -> float:
    """Return the seconds from the first image to the end of the last one; 0 of a picture."""
    if source.still:
        return 0.0
    stamps = source.stamps_ns()
    return Extent.of([(stamp - stamps[0]) / 1e9 for stamp in stamps]).end if stamps else 0.0


def _parts(span: Span, extent_s: float) -> list[Span]:
    """Return parts of a span with the same beginning, whose ends lie a step apart."""
    end = extent_s if math.isinf(span.end) else span.end
    count = min(_MOST_OF_SPAN, max(1, int((end - span.start) / _EVERY_S)))
    ends = [round(end - step * _EVERY_S, 6) for step in range(count)]
    return [Span(span.clip, span.start, one, span.topic) for one in ends]
