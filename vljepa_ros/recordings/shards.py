# SPDX-License-Identifier: Apache-2.0
"""Samples from WebDataset shards: tar files in which a sample is some files with one stem.

``0001.mp4`` (or another video, an image, or a bag's file) comes with ``0001.json`` or
``0001.txt``. The first is an object as in :mod:`vljepa_ros.recordings.annotations` but without
``clip``, the second is the answer. The shards are read at random places, because a step's batch
follows from its number, so they should lie on a local disk.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from vljepa_ros.recordings.annotations import Answered, Span, answer_about
from vljepa_ros.recordings.bag_files import BAG_ENDINGS
from vljepa_ros.recordings.image_files import ENDINGS
from vljepa_ros.recordings.open_clip import VIDEO_ENDINGS
from vljepa_ros.recordings.sample import Sample, SampleError

if TYPE_CHECKING:
    from wids.wids import IndexedTarSamples

_OPEN = 64  # shards that a process keeps open
_CLIPS = VIDEO_ENDINGS | ENDINGS | BAG_ENDINGS


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
        stem = files.pop("__key__")
        name = f"{path.resolve()} {stem}"
        content = {ending.lower(): file.read() for ending, file in files.items()}
        kinds = [ending for ending in content if ending in _CLIPS]
        if len(kinds) != 1:
            raise SampleError(
                f"{name}: one video, image or bag is expected, not {sorted(content)}"
            )
        try:
            annotation = _annotation(f"{path.name} {stem}", content)
        except ValueError as error:
            raise SampleError(f"{name}: {error}") from error
        span = annotation.span
        key = f"{name} {span.topic} {span.start} {span.end}"
        return Sample(key, content[kinds[0]], kinds[0], annotation)

    def _shard(self, path: Path) -> IndexedTarSamples:
        """Open a shard, and close the one that was not used for longest."""
        from wids.wids import IndexedTarSamples  # brings torch, which robots do not have

        if path not in self._open:
            try:
                self._open[path] = IndexedTarSamples(path=str(path))
            except (OSError, ValueError, struct.error) as error:
                raise SampleError(f"{path} cannot be read as a tar file: {error}") from error
        self._open.move_to_end(path)
        if len(self._open) > _OPEN:
            self._open.popitem(last=False)[1].close()
        return self._open[path]


def _annotation(clip: str, content: dict[str, bytes]) -> Answered:
    if ".json" in content:
        return answer_about(clip, content[".json"])
    if ".txt" not in content:
        raise SampleError("it has neither .json nor .txt")
    answer = content[".txt"].decode("utf-8").strip()
    if not answer:
        raise SampleError("its .txt is empty")
    return Answered(Span(clip), answer)
