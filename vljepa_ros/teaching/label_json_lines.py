# SPDX-License-Identifier: Apache-2.0
"""Labels from JSON lines, as the review page writes them.

A line has ``clip``, the path of the recording, and ``label``; and perhaps ``topic``, ``query``,
``start`` and ``end`` in seconds from the first image. ``answer`` may stand for ``label``. An empty
label says that nothing is true there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

from vljepa_ros.fields import FieldError, FieldReader
from vljepa_ros.teaching.label_row import (
    Footage,
    LabelFault,
    LabelRow,
    Place,
    RowError,
    label_text,
)
from vljepa_ros.teaching.recordings_folder import RecordingsFolder

_OURS = {"clip", "label", "answer", "topic", "query", "start", "end"}


def read_json_lines(file: Path, recordings: RecordingsFolder) -> Iterator[LabelRow | LabelFault]:
    """Yield the labels of a file, and what is wrong with its other lines.

    Raises:
        OSError: the file cannot be read.
    """
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        place = Place(file, number)
        try:
            row = _row(FieldReader(json.loads(line)), place, recordings)
        except RecursionError:
            yield LabelFault(place, "it is nested too deeply")
        except (RowError, FieldError, ValueError) as error:
            yield LabelFault(place, str(error))
        else:
            if row is not None:
                yield row


def _row(fields: FieldReader, place: Place, recordings: RecordingsFolder) -> LabelRow | None:
    text = fields.string("label" if fields.gives("label") else "answer")
    if not text.strip():
        return None
    others = {}
    for name in fields.names():
        if name not in _OURS:
            try:
                others[name] = fields.string(name)
            except FieldError:
                continue  # other fields belong to others
    return LabelRow(
        Footage(recordings.find(fields.string("clip")), _optional(fields, "topic")),
        _optional(fields, "query"),
        fields.optional("start", fields.amount, 0.0),
        fields.optional("end", fields.amount, math.inf),
        label_text(text),
        place,
        others,
    )


def _optional(fields: FieldReader, name: str) -> str:
    return fields.optional(name, fields.string, "").strip()
