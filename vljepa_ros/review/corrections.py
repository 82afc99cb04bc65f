# SPDX-License-Identifier: Apache-2.0
"""What a person said of one recording: a file of annotations beside the model's own answer.

Every line is an annotation (:mod:`vljepa_ros.recordings.annotations`) with ``query``, ``start``,
``end`` and ``label``; an empty label means that there is nothing to say. The lines of a query do
not overlap. Only what a person asserted is in the file.

There is one kind of edit: the lines in a stretch of time are replaced by others. It names the
lines that it replaces, so an edit that was made in ignorance of another one is refused, and edits
of different stretches never disturb each other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from vljepa_ros.fields import FieldReader
from vljepa_ros.files import locked, new_file

MAX_LABEL = 500  # characters
MAX_SPANS = 1000  # lines that one edit may write
SHORTEST_S = 0.001
_LATEST_S = 1e9


class CorrectionError(ValueError):
    """An edit or a file of corrections cannot be used; the text says why."""


class EditConflictError(RuntimeError):
    """The lines that an edit replaces are not those that are there: somebody was faster."""


@dataclass(frozen=True)
class Correction:
    """What a person said of a stretch of one query.

    Attributes:
        start: seconds from the first image.
        end: seconds from the first image.
        label: the right text; "" means that there is nothing to say.
    """

    start: float
    end: float
    label: str


@dataclass(frozen=True)
class Edit:
    """Lines of one query in a stretch of time, before and after.

    Attributes:
        query: name of the query.
        start: seconds from the first image.
        end: seconds from the first image.
        seen: all corrections that overlap the stretch, as the editor saw them.
        spans: what takes their place.
    """

    query: str
    start: float
    end: float
    seen: tuple[Correction, ...]
    spans: tuple[Correction, ...]

    def undone(self) -> Edit:
        """Return the edit that takes this one back."""
        return Edit(self.query, self.start, self.end, self.spans, self.seen)


def parse_edit(value: object) -> Edit:
    """Read an edit from a JSON object.

    Raises:
        CorrectionError: it is not what it should be.
    """
    try:
        fields = FieldReader(value)
        edit = Edit(
            fields.text("query").strip(),
            fields.amount("start"),
            fields.amount("end"),
            _spans(value, "seen"),
            _spans(value, "spans"),
        )
    except ValueError as error:
        raise CorrectionError(str(error)) from error
    _check_inside(edit)
    return edit


class CorrectionsFile:
    """The corrections of one recording. For any number of threads and processes."""

    def __init__(self, file: Path, clip: str, topic: str = "") -> None:
        """Name the file, which need not exist, and the recording that its lines are about."""
        self.file = file
        self._about = {"clip": clip} | ({"topic": topic} if topic else {})

    def revision(self) -> str:
        """Return what changes whenever the file does; "" if there is none."""
        content = self._content()
        return hashlib.sha256(content).hexdigest()[:16] if content else ""

    def by_query(self) -> dict[str, list[Correction]]:
        """Return the corrections of each query in the order of time.

        Raises:
            CorrectionError: a line cannot be read.
        """
        found: dict[str, list[Correction]] = {}
        for query, correction, _ in self._lines():
            found.setdefault(query, []).append(correction)
        return {query: sorted(all_, key=lambda one: one.start) for query, all_ in found.items()}

    def apply(self, edit: Edit) -> None:
        """Write an edit to the disk, whole or not at all.

        Raises:
            EditConflictError: other lines lie in the stretch than the edit has seen.
            CorrectionError: the file that is there cannot be read.
            OSError: it cannot be written; the file is as before.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.file.parent / ".lock", waiting=lambda: None):
            there: list[Correction] = []
            kept: list[dict[str, Any]] = []
            for query, correction, fields in self._lines():
                if _overlaps(query, correction, edit):
                    there.append(correction)
                else:
                    kept.append(fields)
            if tuple(sorted(there, key=lambda one: one.start)) != edit.seen:
                raise EditConflictError("this part was changed elsewhere in the meantime")
            self._write([*kept, *(self._line(edit.query, one) for one in edit.spans)])

    def _line(self, query: str, one: Correction) -> dict[str, Any]:
        times = {"query": query, "start": one.start, "end": one.end}
        return {**self._about, **times, "label": one.label}

    def _write(self, lines: Sequence[dict[str, Any]]) -> None:
        ordered = sorted(lines, key=lambda line: (str(line["query"]), float(line["start"])))
        content = b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in ordered)
        with new_file(self.file) as stream:
            stream.write(content)

    def _lines(self) -> Sequence[tuple[str, Correction, dict[str, Any]]]:
        """Return query, correction and all fields of each line."""
        return _parsed(self.file, self._content())

    def _content(self) -> bytes:
        try:
            return self.file.read_bytes()
        except FileNotFoundError:
            return b""


@lru_cache(maxsize=64)
def _parsed(file: Path, content: bytes) -> Sequence[tuple[str, Correction, dict[str, Any]]]:
    lines = []
    for number, text in enumerate(content.splitlines(), start=1):
        if not text.strip():
            continue
        try:
            value = json.loads(text)
            lines.append((FieldReader(value).text("query").strip(), _correction(value), value))
        except (ValueError, RecursionError) as error:
            raise CorrectionError(
                f"{file}, line {number}: {error}. Nothing is written to this file until the line "
                "is mended or removed"
            ) from error
    return lines


def _overlaps(query: str, one: Correction, edit: Edit) -> bool:
    return query == edit.query and one.start < edit.end and one.end > edit.start


def _spans(value: Any, key: str) -> tuple[Correction, ...]:
    spans = value.get(key)
    if not isinstance(spans, list) or len(spans) > MAX_SPANS:
        raise CorrectionError(f"{key} must be a list of at most {MAX_SPANS} spans")
    found = tuple(_correction(span) for span in spans)
    if any(before.end > after.start for before, after in pairwise(found)):
        raise CorrectionError(f"{key} must be in the order of time and not overlap")
    return found


def _correction(value: object) -> Correction:
    fields = FieldReader(value)
    start, end = fields.amount("start"), fields.amount("end")
    if end - start < SHORTEST_S or end > _LATEST_S:
        raise CorrectionError(f"the times {start:g} and {end:g} do not make a stretch of time")
    label = " ".join(fields.string("label").split())
    if len(label) > MAX_LABEL:
        raise CorrectionError(f"a label has at most {MAX_LABEL} characters, not {len(label)}")
    return Correction(start, end, label)


def _check_inside(edit: Edit) -> None:
    if edit.end - edit.start < SHORTEST_S or edit.end > _LATEST_S:
        raise CorrectionError(f"{edit.start:g} to {edit.end:g} s is no stretch of time")
    if any(one.start < edit.start or one.end > edit.end for one in edit.spans):
        raise CorrectionError(f"spans must lie between {edit.start:g} and {edit.end:g} s")
