# SPDX-License-Identifier: Apache-2.0
"""Labels from subtitles: SubRip (``.srt``) and WebVTT (``.vtt``), from any subtitle editor.

``pick_01.srt`` is about the recording ``pick_01``, and ``pick_01.held.srt`` answers the query
``held``. In WebVTT the voice of a cue, ``<v held>``, names its query too, as the review page
writes it. Only cues are read: identifiers, settings, styles and notes are left alone, and other
tags are removed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
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

_TIMES = re.compile(r"\s*(\S+)\s+-->\s+(\S+)(\s.*)?$")
_VOICE = re.compile(r"<v(?:\.\S+)?\s+([^>]+)>")
_TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")


def read_subtitles(file: Path, recordings: RecordingsFolder) -> Iterator[LabelRow | LabelFault]:
    """Yield the labels of a file of subtitles, and what is wrong with its other cues.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        path, query = _recording(file, recordings)
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except RowError as error:
        yield LabelFault(Place(file), str(error))
        return
    except UnicodeDecodeError as error:
        yield LabelFault(Place(file), f"is no text in UTF-8 ({error.reason})")
        return
    cues = list(_cues(lines))
    if not cues:
        yield LabelFault(Place(file), "it holds no cue: '00:01.000 --> 00:02.500' is expected")
    for number, times, text in cues:
        place = Place(file, number)
        try:
            start, end = seconds(times[1], "the start"), seconds(times[2], "the end")
            voice = _VOICE.search(text)
            said = label_text(html.unescape(_TAG.sub("", text)))
            asked = html.unescape(voice[1]).strip() if voice else query
            yield LabelRow(Footage(path), asked, start, end, said, place)
        except RowError as error:
            yield LabelFault(place, str(error))


def _recording(file: Path, recordings: RecordingsFolder) -> tuple[Path, str]:
    """Return the recording and the query that the name of a file says."""
    try:
        return recordings.find(file.stem), ""
    except RowError:
        if not (suffix := Path(file.stem).suffix):
            raise
        return recordings.find(Path(file.stem).stem), suffix[1:]


def _cues(lines: list[str]) -> Iterator[tuple[int, re.Match[str], str]]:
    """Yield the line, the times and the text of each cue; a blank line ends it."""
    for index, line in enumerate(lines):
        if times := _TIMES.match(line):
            text = []
            for said in lines[index + 1 :]:
                if not said.strip() or _TIMES.match(said):
                    break
                text.append(said)
            yield index + 1, times, " ".join(text)
