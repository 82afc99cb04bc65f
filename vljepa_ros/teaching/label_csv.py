# SPDX-License-Identifier: Apache-2.0
"""Labels from a table: CSV with a heading, separated by commas, semicolons or tabs.

Two kinds are read. In one, a row has ``file``, ``start``, ``end`` and ``text``; a row without
times is about the whole recording. In the other, a row has ``file``, ``time`` and ``text``, which
holds until the next row of that file; an empty text says that nothing is true there. A table
without the column ``file`` is about the recording that it is named after.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vljepa_ros.teaching.label_row import (
    Footage,
    LabelFault,
    LabelRow,
    Place,
    RowError,
    label_text,
    seconds,
)
from vljepa_ros.teaching.recordings_folder import RecordingsFolder

# What each column may be called.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "file": ("file", "clip", "recording", "video", "bag", "path", "filename"),
    "start": ("start", "start_s", "begin", "from"),
    "end": ("end", "end_s", "stop", "to"),
    "time": ("time", "time_s", "timestamp", "t"),
    "text": ("text", "label", "caption", "answer"),
    "query": ("query",),
    "topic": ("topic",),
}
_Columns = Mapping[str, str]


def read_csv(file: Path, recordings: RecordingsFolder) -> Iterator[LabelRow | LabelFault]:
    """Yield the labels of a table, and what is wrong with its other rows.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        yield LabelFault(Place(file), f"is no text in UTF-8 ({error.reason})")
        return
    heading = text.partition("\n")[0]
    separator = max(",;\t", key=heading.count)
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, restval="")
    names = _columns(table.fieldnames or [])
    if "text" not in names:
        known = " or ".join(_NAMES["text"])
        yield LabelFault(Place(file, 1), f"there is no column {known}")
        return
    rows = _rows(table, names, file, recordings)
    yield from _lasting(rows) if "time" in names and "end" not in names else rows


def _columns(heading: Sequence[str]) -> dict[str, str]:
    """Return what each column that is known is called in this table."""
    given = {str(name).strip().lower(): name for name in heading if name}
    return {
        name: given[found]
        for name, allowed in _NAMES.items()
        if (found := next((each for each in allowed if each in given), ""))
    }


def _rows(
    table: csv.DictReader[str], names: _Columns, file: Path, recordings: RecordingsFolder
) -> Iterator[LabelRow | LabelFault]:
    timed = "time" in names and "end" not in names
    while True:
        try:
            values = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield LabelFault(Place(file, table.line_num), str(error))
            return
        place = Place(file, table.line_num)
        try:
            yield _row(values, names, place, recordings, timed=timed)
        except RowError as error:
            yield LabelFault(place, str(error))


def _row(
    values: Mapping[str, str],
    names: _Columns,
    place: Place,
    recordings: RecordingsFolder,
    *,
    timed: bool,
) -> LabelRow:
    def field(name: str) -> str:
        return (values.get(names[name]) or "").strip() if name in names else ""

    path = recordings.find(field("file") if "file" in names else place.file.stem)
    begin = field("time") if timed else field("start")
    start = seconds(begin, "start") if begin or timed else 0.0
    end = seconds(field("end"), "end") if field("end") else math.inf
    text = field("text")
    text = label_text(text) if text or not timed else ""
    known = set(names.values())
    others = {
        name: value.strip()
        for name, value in values.items()
        if name and name not in known and isinstance(value, str)
    }
    footage = Footage(path, field("topic"))
    return LabelRow(footage, field("query"), start, end, text, place, others)


def _lasting(rows: Iterator[LabelRow | LabelFault]) -> Iterator[LabelRow | LabelFault]:
    """Turn rows that each say a moment into spans of one text."""
    series: dict[tuple[Footage, str], list[LabelRow]] = {}
    for row in rows:
        if isinstance(row, LabelFault):
            yield row
        else:
            series.setdefault((row.footage, row.query), []).append(row)
    for moments in series.values():
        yield from _spans(moments)


def _spans(moments: list[LabelRow]) -> Iterator[LabelRow | LabelFault]:
    """Yield the spans of one recording and query; the last one lasts as long as the one before."""
    begun, last = moments[0], moments[0]
    step = 0.0
    for row in moments[1:]:
        if row.start <= last.start:
            yield LabelFault(row.place, f"time {row.start:g} is not after {last.start:g}")
            continue
        step, last = row.start - last.start, row
        if row.text != begun.text:
            if begun.text:
                yield replace(begun, end=row.start)
            begun = row
    if begun.text:
        yield replace(begun, end=last.start + step if step else math.inf)
