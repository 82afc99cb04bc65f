# SPDX-License-Identifier: Apache-2.0
"""What of the labels can be used: all that is wrong is found before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from vljepa_ros.recordings.open_clip import opened_clip
from vljepa_ros.recordings.source import Source, SourceError
from vljepa_ros.stream.images import ImageError
from vljepa_ros.stream.sampling import ROUNDING_S, Extent
from vljepa_ros.teaching.label_row import Footage, LabelFault, LabelRow


@dataclass(frozen=True)
class CheckedLabels:
    """Labels that can be used, with ends that are known, and what is wrong with the others."""

    rows: tuple[LabelRow, ...]
    faults: tuple[LabelFault, ...]


def check_labels(
    rows: Iterable[LabelRow], questions: Mapping[str, str], default: str
) -> CheckedLabels:
    """Compare labels with their recordings and with each other.

    Args:
        rows: labels of any recordings.
        questions: the text of each query that may be answered, by its name.
        default: name of the query of labels that name none.
    """
    faults: list[LabelFault] = []
    named = [replace(row, query=row.query or default) for row in rows]
    asked = list(_asked(named, questions, faults))
    placed = list(_placed(asked, faults))
    apart = list(_apart(placed, faults))
    kept = list(_told_apart(apart, faults))
    return CheckedLabels(tuple(kept), tuple(faults))


def listed(faults: Sequence[LabelFault]) -> Iterator[str]:
    """Yield a line for each file and cause, with all lines that it is about."""
    lines: dict[tuple[str, str], list[int]] = {}
    for fault in faults:
        lines.setdefault((str(fault.place.file), fault.cause), []).append(fault.place.line)
    for (file, cause), numbers in lines.items():
        where = ", ".join(str(number) for number in numbers if number)
        several = "s" if len(numbers) > 1 else ""
        yield f"{file}{f', line{several} {where}' if where else ''}: {cause}"


def _asked(
    rows: Iterable[LabelRow], questions: Mapping[str, str], faults: list[LabelFault]
) -> Iterator[LabelRow]:
    for row in rows:
        if row.query in questions:
            yield row
            continue
        cause = (
            f"the question of the query {row.query!r} is not known: "
            f"say it with --query '{row.query}: What ...?'"
        )
        faults.append(LabelFault(row.place, cause))


def _placed(rows: Iterable[LabelRow], faults: list[LabelFault]) -> Iterator[LabelRow]:
    """Yield the labels that lie within a recording that can be read."""
    by_footage: dict[Footage, list[LabelRow]] = {}
    for row in rows:
        by_footage.setdefault(row.footage, []).append(row)
    for footage, members in by_footage.items():
        try:
            with opened_clip(footage.path, footage.topic) as source:
                extent = _extent(source, footage)
                # Labels with and without the topic's name may mean the same one.
                known = replace(footage, topic=getattr(source, "topic", ""))
        except (SourceError, ImageError) as error:
            faults += [LabelFault(row.place, str(error)) for row in members]
            continue
        for row in members:
            try:
                start, end = extent.part(row.start, row.end)
                if not end > start:
                    raise ValueError(f"it ends at {end:g} s and begins at {start:g} s")
            except ValueError as error:
                faults.append(LabelFault(row.place, f"{footage.path.name}: {error}"))
            else:
                yield replace(row, footage=known, start=start, end=end)


def _extent(source: Source, footage: Footage) -> Extent:
    stamps = source.stamps_ns()
    if source.still or len(stamps) < 2:
        raise SourceError(f"{source.name} is a single image: clips need a recording")
    whole = Extent.of([(stamp - stamps[0]) / 1e9 for stamp in stamps])
    if footage.start > whole.end:
        raise SourceError(f"{source.name} ends at {whole.end:.3f} s, before {footage.start:g} s")
    return Extent(min(footage.end, whole.end) - footage.start, whole.period)


def _apart(rows: Iterable[LabelRow], faults: list[LabelFault]) -> Iterator[LabelRow]:
    """Yield the labels of which no two of one query say something of the same moment."""
    ends: dict[tuple[Footage, str], LabelRow] = {}
    for row in sorted(rows, key=lambda row: (str(row.footage), row.query, row.start, row.end)):
        key = (row.footage, row.query)
        before = ends.get(key)
        if before is not None and row.start < before.end - ROUNDING_S:
            cause = (
                f"it overlaps {before.text!r} ({before.place}), which lasts until "
                f"{before.end:.3f} s: a query has one answer at a time"
            )
            faults.append(LabelFault(row.place, cause))
            continue
        ends[key] = row
        yield row


def _told_apart(rows: Sequence[LabelRow], faults: list[LabelFault]) -> Iterator[LabelRow]:
    """Yield the labels of queries that have at least two texts."""
    texts: dict[str, set[str]] = {}
    for row in rows:
        texts.setdefault(row.query, set()).add(row.text)
    said: set[str] = set()
    for row in rows:
        if len(texts[row.query]) > 1:
            yield row
        elif row.query not in said:
            said.add(row.query)
            cause = (
                f"{row.text!r} is the only usable text of the query {row.query!r}: "
                "there is nothing to tell it apart from"
            )
            faults.append(LabelFault(row.place, cause))
