# SPDX-License-Identifier: Apache-2.0
"""The storage files of one bag, told apart by how they begin.

`metadata.yaml` is asked only for the names of the files. All else that it says is in the files as
well, and it may be missing (the recorder was killed), newer than this program, or wrong.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

import yaml

from vljepa_ros.recordings import bag_mcap, bag_ros1, bag_sqlite
from vljepa_ros.recordings.bag_file import BagFile, BagTopic, StoredMessage, in_time_order, merged
from vljepa_ros.recordings.source import SourceError

METADATA = "metadata.yaml"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_ENDINGS = {".zstd", ".zst"}
BAG_ENDINGS = {".mcap", ".db3", ".bag"}
_READERS: dict[bytes, type[BagFile]] = {
    bag_mcap.MAGIC: bag_mcap.McapFile,
    bag_sqlite.MAGIC: bag_sqlite.SqliteFile,
    bag_ros1.MAGIC: bag_ros1.Ros1File,
}


class BagFiles:
    """A bag: one file, or a folder of files that follow each other.

    Attributes:
        notes: what a user should know of the files before they are played.
    """

    def __init__(self, path: Path, problems: Counter[str]) -> None:
        """Find the files, and unpack those that need it into a temporary folder.

        Raises:
            SourceError: there is none, or one is no bag file.
        """
        self.notes: list[str] = []
        self._problems = problems
        self._scratch: Path | None = None
        self._close: Callable[[], object] = lambda: None
        paths = self._listed(path) if path.is_dir() else [path]
        self._files = [self._opened(one) for one in paths]
        if path.is_dir() and len(paths) > 1 and not (path / METADATA).exists():
            self.notes.append(f"the {len(paths)} bag files of {path} are played one by one")

    def topics(self) -> list[BagTopic]:
        """Return all topics, and note which files are not whole."""
        topics: list[BagTopic] = []
        for file in self._files:
            found, missing = file.topics()
            topics += found
            if missing:
                self.notes.append(f"{file.path.name} is unfinished: {missing}")
        return merged(topics)

    def messages(self, topic: BagTopic) -> Iterator[StoredMessage]:
        """Yield the topic's messages, file by file, each in the order of time."""
        for file in self._files:
            yield from (_unpacked(one) for one in in_time_order(file.messages(topic)))

    def first_messages(self, topic: BagTopic) -> Iterator[StoredMessage]:
        """Yield the topic's messages as they lie in the files: the first comes soonest so."""
        for file in self._files:
            yield from map(_unpacked, file.messages(topic))

    def close(self) -> None:
        """Remove the temporary folder."""
        self._close()

    def _listed(self, folder: Path) -> list[Path]:
        present = bag_files_in(folder)
        names = _names_in_metadata(folder / METADATA)
        listed = [folder / name for name in names if (folder / name).is_file()]
        if missing := [name for name in names if not (folder / name).is_file()]:
            self.notes.append(f"of the bag's {len(names)} files, {', '.join(missing)} is missing")
        if not (listed or present):
            raise SourceError(f"{folder} holds a {METADATA}, but none of its bag's files")
        return listed or present

    def _opened(self, path: Path) -> BagFile:
        if _begins(path, _ZSTD_MAGIC):
            path = self._decompressed(path)
        reader = next((kind for magic, kind in _READERS.items() if _begins(path, magic)), None)
        if reader is None:
            what = (
                "is empty" if not path.stat().st_size else "is no MCAP, SQLite or ROS 1 bag file"
            )
            raise SourceError(f"{path} {what}: was it copied or downloaded completely?")
        if reader is bag_sqlite.SqliteFile and (fault := bag_sqlite.what_is_unfinished(path)):
            self.notes.append(f"{path.name} is unfinished: {fault}")
            path = self._recovered(path)
        return reader(path, self._problems)

    def _decompressed(self, path: Path) -> Path:
        import zstandard

        unpacked = self._scratch_folder() / path.stem
        try:
            with path.open("rb") as packed, unpacked.open("wb") as out:
                zstandard.ZstdDecompressor().copy_stream(packed, out)
        except (OSError, zstandard.ZstdError) as error:
            raise SourceError(f"{path} cannot be unpacked: {error}") from error
        return unpacked

    def _recovered(self, path: Path) -> Path:
        try:
            return bag_sqlite.recovered(path, self._scratch_folder())
        except OSError as error:
            raise SourceError(f"{path} cannot be copied to be recovered: {error}") from error

    def _scratch_folder(self) -> Path:
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="vljepa_bag_"))
            self._close = weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        return self._scratch


def is_bag_file(path: Path) -> bool:
    """Return whether the beginning or the name of a file is that of a bag's."""
    magics = (*_READERS, _ZSTD_MAGIC)
    return _bare_name(path).suffix in BAG_ENDINGS or any(_begins(path, one) for one in magics)


def bag_files_in(folder: Path) -> list[Path]:
    """Return the bag files of a folder in the order of the numbers in their names."""
    found = {path for path in folder.iterdir() if _bare_name(path).suffix in BAG_ENDINGS}
    # `ros2 bag play` leaves the unpacked file beside the packed one.
    whole = [path for path in found if _bare_name(path) == path or _bare_name(path) not in found]
    return sorted(whole, key=_numbers_and_name)


def _bare_name(path: Path) -> Path:
    """Return the path without the ending that compression adds."""
    return path.with_suffix("") if path.suffix in _ZSTD_ENDINGS else path


def _numbers_and_name(path: Path) -> tuple[list[int], str]:
    return [int(digits) for digits in re.findall(r"\d+", path.stem)], path.name


def _begins(path: Path, magic: bytes) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(magic)) == magic


def _names_in_metadata(path: Path) -> list[str]:
    """Return the names of the files that make up the bag; none if the file does not tell."""
    try:
        content = yaml.safe_load(path.read_bytes())["rosbag2_bagfile_information"]
        return [PurePath(name).name for name in content["relative_file_paths"]]
    except (OSError, LookupError, TypeError, ValueError, RecursionError, yaml.YAMLError):
        return []


def _unpacked(message: StoredMessage) -> StoredMessage:
    """Return a message that was compressed by itself as it was; no other begins like one."""
    recorded_ns, data = message
    if data[:4] != _ZSTD_MAGIC:
        return message
    import zstandard

    return recorded_ns, zstandard.ZstdDecompressor().decompressobj().decompress(data)
