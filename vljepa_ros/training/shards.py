# SPDX-License-Identifier: Apache-2.0
"""Samples from WebDataset shards: tar files in which a sample is some files with one stem.

``0001.mp4`` (or another video or image) comes with ``0001.json``, an object as in
:mod:`.clips` but without ``clip``, or with ``0001.txt``, which is the answer. The shards are
read at random places, so that a step's batch follows from its number: they should lie on a local
disk.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate
from pathlib import Path

from wids.wids import IndexedTarSamples

from vljepa_ros.recordings.annotations import parse_object
from vljepa_ros.training.decoding import IMAGES, VIDEOS
from vljepa_ros.training.sample import Annotation, Sample, SampleError

_OPEN = 64  # shards that a process keeps open


class TarShards:
    """The samples of all tar files in a folder, in the order of their names."""

    def __init__(self, folder: Path) -> None:
        """Count the samples of each shard.

        Raises:
            SampleError: there is no shard, or one cannot be read.
        """
        self._paths = sorted(folder.glob("*.tar"))
        self._open: OrderedDict[Path, IndexedTarSamples] = OrderedDict()
        self._ends = list(accumulate(len(self._shard(path)) for path in self._paths))
        if not self._ends or not self._ends[-1]:
            raise SampleError(f"{folder} holds no samples in .tar files")

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, number: int) -> Sample:
        place = bisect_right(self._ends, number)
        path = self._paths[place]
        files = self._shard(path)[number - (self._ends[place - 1] if place else 0)]
        name = f"{path.resolve()} {files.pop('__key__')}"
        content = {ending.lower(): file.read() for ending, file in files.items()}
        kinds = [ending for ending in content if ending in IMAGES | VIDEOS]
        if len(kinds) != 1:
            raise SampleError(f"{name}: one video or image is expected, not {sorted(content)}")
        try:
            annotation = _annotation(content)
        except ValueError as error:
            raise SampleError(f"{name}: {error}") from error
        key = f"{name} {annotation.start} {annotation.end}"
        return Sample(key, content[kinds[0]], kinds[0], annotation)

    def _shard(self, path: Path) -> IndexedTarSamples:
        """Open a shard, and close the one that was not used for longest."""
        if path not in self._open:
            try:
                self._open[path] = IndexedTarSamples(path=str(path))
            except (OSError, ValueError, struct.error) as error:
                raise SampleError(f"{path} cannot be read as a tar file: {error}") from error
        self._open.move_to_end(path)
        if len(self._open) > _OPEN:
            self._open.popitem(last=False)[1].close()
        return self._open[path]


def _annotation(content: dict[str, bytes]) -> Annotation:
    if ".json" in content:
        return Annotation.of(parse_object(content[".json"]))
    if ".txt" in content:
        return Annotation.of({"answer": content[".txt"].decode("utf-8")})
    raise SampleError("it has neither .json nor .txt")
