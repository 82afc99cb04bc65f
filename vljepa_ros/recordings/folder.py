# SPDX-License-Identifier: Apache-2.0
"""Images from a folder of image files.

If the names of all files are times, these are the stamps. Otherwise the files come in the order of
the numbers in their names, at the rate that the user gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vljepa_ros.recordings.file_times import times_of_names
from vljepa_ros.recordings.image_files import ENDINGS, is_image_file, read_image_file
from vljepa_ros.recordings.pixels import pixel_frame
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame
from vljepa_ros.recordings.time_line import placed
from vljepa_ros.stream.images import ImageError

_TRIED_FILES = 100  # until one of them is an image


class FolderSource(Source):
    """A folder of images; a file that cannot be read is left out and counted."""

    def __init__(self, folder: Path, rate_hz: float) -> None:
        """List the folder and decode its first image.

        Args:
            folder: its files count, not those of folders in it.
            rate_hz: the rate of the images if their names are no times.

        Raises:
            SourceError: the folder holds no image that can be read.
        """
        super().__init__(f"folder {folder}")
        paths = [path for path in folder.iterdir() if is_image_file(path)]
        if not paths:
            endings = " ".join(sorted(ENDINGS))
            raise SourceError(f"{folder} holds no image files ({endings}) and no bag")
        self._files, note = _in_order(paths, rate_hz)
        self.notes.append(note)
        fault = _fault([path for _, path in self._files[:_TRIED_FILES]])
        if fault:
            raise SourceError(
                f"none of the {len(paths)} image files in {folder} can be read: {fault}"
            )

    def stamps_ns(self) -> list[int]:
        """Return the stamps of all image files; none is read."""
        return placed([stamp_ns for stamp_ns, _ in self._files])

    def _images(self) -> Iterator[SourceFrame]:
        """Yield all images that can be read."""
        for stamp_ns, path in self._files:
            try:
                image = read_image_file(path)
            except (ImageError, OSError):
                self.problems["image file cannot be read"] += 1
            else:
                yield pixel_frame(image, "rgb8", stamp_ns)


def _in_order(paths: list[Path], rate_hz: float) -> tuple[list[tuple[int, Path]], str]:
    """Return (stamp in ns, path) of all image files, by time, and how their times were found."""
    if (times := times_of_names([path.stem for path in paths])) is not None:
        note, stamps_ns = times
        return sorted(zip(stamps_ns, paths, strict=True)), note
    paths = sorted(paths, key=lambda path: (_numbers(path.stem), path.name))
    files = [(round(index * 1e9 / rate_hz), path) for index, path in enumerate(paths)]
    return files, f"the file names are no times: {len(paths)} images are played at {rate_hz:g} Hz"


def _numbers(name: str) -> list[int]:
    """Return the numbers in `name`, so that image 10 comes after image 9."""
    return [int(digits) for digits in re.findall(r"\d+", name)]


def _fault(paths: list[Path]) -> str:
    """Return why none of the files can be read, or "" if one can."""
    fault = ""
    for path in paths:
        try:
            read_image_file(path)
        except (ImageError, OSError) as error:
            fault = fault or f"{path.name}: {error}"
        else:
            return ""
    return fault
