# SPDX-License-Identifier: Apache-2.0
"""The segments of one recording as a file for other programs: CSV, WebVTT, SRT or JSON."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict

from vljepa_ros.review.reviewed_lane import LaneSegment

Lanes = Mapping[str, Sequence[LaneSegment]]
_COLUMNS = ("query", "start", "end", "text", "score", "unfamiliarity", "corrected")


def as_csv(lanes: Lanes) -> str:
    """Return a table with a header; times in seconds from the first image."""
    out = io.StringIO()
    table = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows({"query": query, **_rounded(segment)} for query, segment in _by_time(lanes))
    return out.getvalue()


def as_json(lanes: Lanes) -> str:
    """Return a JSON object with a list of segments for each query."""
    content = {query: [_rounded(segment) for segment in lane] for query, lane in lanes.items()}
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def as_web_vtt(lanes: Lanes) -> str:
    """Return WebVTT subtitles; each cue names its query as its voice."""
    cues = ["WEBVTT\n"]
    for query, segment in _spoken(lanes):
        times = f"{_clock(segment.start, '.')} --> {_clock(segment.end, '.')}"
        voice = html.escape(query, quote=False)
        cues.append(f"{times}\n<v {voice}>{html.escape(segment.text, quote=False)}\n")
    return "\n".join(cues)


def as_srt(lanes: Lanes) -> str:
    """Return SRT subtitles; each names its query."""
    cues = []
    for number, (query, segment) in enumerate(_spoken(lanes), start=1):
        times = f"{_clock(segment.start, ',')} --> {_clock(segment.end, ',')}"
        cues.append(f"{number}\n{times}\n{query}: {segment.text}\n")
    return "\n".join(cues)


FORMATS: Mapping[str, tuple[Callable[[Lanes], str], str]] = {
    "csv": (as_csv, "text/csv"),
    "json": (as_json, "application/json"),
    "vtt": (as_web_vtt, "text/vtt"),
    "srt": (as_srt, "application/x-subrip"),
}
"""Ending of the file's name: the function that writes it, and its media type."""


def _by_time(lanes: Lanes) -> list[tuple[str, LaneSegment]]:
    every = [(query, segment) for query, lane in lanes.items() for segment in lane]
    return sorted(every, key=lambda one: one[1].start)


def _spoken(lanes: Lanes) -> Iterator[tuple[str, LaneSegment]]:
    return ((query, segment) for query, segment in _by_time(lanes) if segment.text)


def _rounded(segment: LaneSegment) -> dict[str, object]:
    fields = asdict(segment)
    return {key: round(v, 4) if isinstance(v, float) else v for key, v in fields.items()}


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{rest:03}"
