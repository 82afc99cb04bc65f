# SPDX-License-Identifier: Apache-2.0
"""Images from a folder of image files.

Data sets name files by time: whole nanoseconds (EuRoC: 1403636579763555584.png) or seconds with a
fraction (TUM: 1305031102.175304.png). Where all names are such times they are the stamps, else
the files come in the order of the numbers in their names, at the rate that the user gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import cv2

from vljepa_ros.recordings.pixels import pixel_frame
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame

_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".webp"}
_NANOSECONDS = re.compile(r"\d{16,19}")
_SECONDS = re.compile(r"\d{1,10}\.\d{1,9}")


class FolderSource(Source):
    """A folder of images; a file that cannot be read is left out and counted."""

    def __init__(self, folder: Path, rate_hz: float) -> None:
        """List the folder and decode its first image; `rate_hz` serves names that are no times.

        Raises:
            SourceError: the folder holds no image that can be read.
        """
        super().__init__(f"folder {folder}")
        self._files = _in_order(folder, rate_hz)
        if not self._files:
            endings = " ".join(sorted(_ENDINGS))
            raise SourceError(f"{folder} holds no image files ({endings}) and no metadata.yaml")
        if next(self.frames(), None) is None:
            raise SourceError(
                f"none of the {len(self._files)} image files in {folder} can be read"
            )
        self.problems.clear()

    def _images(self) -> Iterator[SourceFrame]:
        """Yield all images that can be read."""
        for stamp_ns, path in self._files:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                self.problems["image file cannot be read"] += 1
            else:
                yield pixel_frame(image, "bgr8", stamp_ns)


def _in_order(folder: Path, rate_hz: float) -> list[tuple[int, Path]]:
    """Return (stamp in ns, path) of all image files, by time."""
    paths = [path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS]
    timed = [(stamp, path) for path in paths if (stamp := _stamp_ns(path.stem)) is not None]
    if len(timed) == len(paths):
        return sorted(timed)
    paths.sort(key=lambda path: (_numbers(path.stem), path.name))
    return [(round(index * 1e9 / rate_hz), path) for index, path in enumerate(paths)]


def _stamp_ns(name: str) -> int | None:
    if _NANOSECONDS.fullmatch(name):
        return int(name)
    return int(Decimal(name) * 1_000_000_000) if _SECONDS.fullmatch(name) else None


def _numbers(name: str) -> list[int]:
    """Return the numbers in `name`, so that image 10 comes after image 9."""
    return [int(digits) for digits in re.findall(r"\d+", name)]
