# SPDX-License-Identifier: Apache-2.0
"""Labels from folders: one for each class, with the recordings of that class in it.

``pours_water/`` is the text "pours water". A folder of images is a recording like a video.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from vljepa_ros.recordings.image_files import is_image_file
from vljepa_ros.teaching.label_row import (
    Footage,
    LabelFault,
    LabelRow,
    Place,
    RowError,
    label_text,
)
from vljepa_ros.teaching.recordings_folder import is_recording


def read_folders(folder: Path) -> Iterator[LabelRow | LabelFault]:
    """Yield a label for each recording, and what is wrong with other folders.

    Raises:
        OSError: a folder cannot be read.
    """
    classes = [each for each in sorted(folder.iterdir()) if each.is_dir()]
    if not classes:
        yield LabelFault(Place(folder), "it holds no folder: one for each class is expected")
    for one in classes:
        found = [each for each in sorted(one.iterdir()) if _is_clip(each)]
        if not found:
            yield LabelFault(Place(one), "it holds no video, bag or folder of images")
        for path in found:
            try:
                text = label_text(one.name.replace("_", " "))
            except RowError as error:
                yield LabelFault(Place(one), str(error))
                break
            yield LabelRow(Footage(path), "", 0.0, math.inf, text, Place(path))


def _is_clip(path: Path) -> bool:
    return is_recording(path) or (path.is_dir() and any(map(is_image_file, path.iterdir())))
