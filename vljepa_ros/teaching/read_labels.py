# SPDX-License-Identifier: Apache-2.0
"""Labels from whatever files people have; the ending of a file says what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from vljepa_ros.teaching.label_csv import read_csv
from vljepa_ros.teaching.label_folders import read_folders
from vljepa_ros.teaching.label_json_lines import read_json_lines
from vljepa_ros.teaching.label_lerobot import is_lerobot, read_lerobot
from vljepa_ros.teaching.label_row import LabelFault, LabelRow, Place
from vljepa_ros.teaching.label_subtitles import read_subtitles
from vljepa_ros.teaching.recordings_folder import RecordingsFolder

_Reader = Callable[[Path, RecordingsFolder], Iterator[LabelRow | LabelFault]]
_READERS: dict[str, _Reader] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".jsonl": read_json_lines,
    ".srt": read_subtitles,
    ".vtt": read_subtitles,
}
KINDS = (
    f"{', '.join(_READERS)}, a folder of these, a LeRobot dataset, or a folder with a folder for "
    "each class"
)


def label_rows(
    places: Sequence[Path], recordings: RecordingsFolder, camera: str = ""
) -> tuple[list[LabelRow], list[LabelFault]]:
    """Read all labels, and list the rows that cannot be used.

    Args:
        places: files and folders of labels.
        recordings: what the labels are about.
        camera: key of the video of a LeRobot dataset; "" is its first.
    """
    rows: list[LabelRow] = []
    faults: list[LabelFault] = []
    for place in places:
        for each in _read(place, recordings, camera):
            if isinstance(each, LabelRow):
                rows.append(each)
            else:
                faults.append(each)
    return rows, faults


def _read(
    place: Path, recordings: RecordingsFolder, camera: str
) -> Iterator[LabelRow | LabelFault]:
    try:
        if not place.exists():
            yield LabelFault(Place(place), "does not exist")
        elif place.is_dir():
            yield from _read_folder(place, recordings, camera)
        elif place.suffix.lower() in _READERS:
            yield from _READERS[place.suffix.lower()](place, recordings)
        else:
            yield LabelFault(Place(place), f"is no file of labels: {KINDS} are")
    except OSError as error:
        yield LabelFault(Place(place), f"cannot be read: {error.strerror or error}")


def _read_folder(
    folder: Path, recordings: RecordingsFolder, camera: str
) -> Iterator[LabelRow | LabelFault]:
    if is_lerobot(folder):
        yield from read_lerobot(folder, camera)
        return
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in _READERS]
    if not files:
        yield from read_folders(folder)
    for file in files:
        yield from _READERS[file.suffix.lower()](file, recordings)
