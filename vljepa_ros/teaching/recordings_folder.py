# SPDX-License-Identifier: Apache-2.0
"""Finds the recordings that labels name: below one folder, by path or by name without ending."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from vljepa_ros.recordings.bag_files import BAG_ENDINGS, METADATA
from vljepa_ros.recordings.open_clip import VIDEO_ENDINGS
from vljepa_ros.teaching.label_row import RowError


class RecordingsFolder:
    """The folder that holds the recordings."""

    def __init__(self, root: Path) -> None:
        """Take the folder.

        Raises:
            NotADirectoryError: it is none.
        """
        if not root.is_dir():
            raise NotADirectoryError(f"{root} is not a folder of recordings")
        self.root = root

    def find(self, name: str) -> Path:
        """Return the recording of a name: a path below the folder, or any other path.

        Raises:
            RowError: there is none, or more than one.
        """
        if not name.strip():
            raise RowError("no recording is named")
        path = self.root / name.strip()
        if path.exists():
            return path
        found = self._by_stem.get(Path(name.strip()).name, [])
        if len(found) == 1:
            return found[0]
        if found:
            raise RowError(f"{name!r} may be {', '.join(map(str, found))}: write the ending")
        raise RowError(f"the recording {name!r} is not in {self.root}")

    def all(self) -> list[Path]:
        """Return all videos and bags below the folder."""
        return sorted({path for paths in self._by_stem.values() for path in paths})

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        stems: dict[str, list[Path]] = {}
        for path in sorted(self.root.rglob("*")):
            if is_recording(path):
                stems.setdefault(path.stem, []).append(path)
                if path.suffix:
                    stems.setdefault(path.name, []).append(path)
        return stems


def is_recording(path: Path) -> bool:
    """Whether a path looks like a video or a bag; a folder of images looks like any other."""
    if path.is_dir():
        return (path / METADATA).is_file()
    inside_bag = (path.parent / METADATA).is_file()
    return path.suffix.lower() in VIDEO_ENDINGS | set(BAG_ENDINGS) and not inside_bag
