# SPDX-License-Identifier: Apache-2.0
"""Open a clip of a data set: a file or folder, or the bytes of a file in an archive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from vljepa_ros.recordings.bag import BagSource
from vljepa_ros.recordings.bag_files import BAG_ENDINGS
from vljepa_ros.recordings.image_files import ENDINGS, is_image_file
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.source import Source, SourceError
from vljepa_ros.recordings.still import StillSource
from vljepa_ros.recordings.video import VideoSource

VIDEO_ENDINGS = {".mp4", ".webm", ".mkv", ".avi", ".mov"}


@contextmanager
def opened_clip(path: Path, topic: str = "") -> Iterator[Source]:
    """Open a video, an image file, a folder of images or a bag, for the length of a block.

    Args:
        path: the clip; its name is never taken for a camera or an address.
        topic: image topic of a bag; "" means that the bag's reader chooses.

    Raises:
        SourceError: it cannot be read; the message says why.
    """
    if is_image_file(path) and not path.is_dir():
        source: Source = StillSource(path, str(path))
    else:
        source = open_source(str(path.absolute()), topic)
    with source:
        yield source


@contextmanager
def opened_bytes(content: bytes, ending: str, name: str, topic: str = "") -> Iterator[Source]:
    """Open the content of a video, an image file or a bag's file, for the length of a block.

    Args:
        content: all bytes of the file.
        ending: of its name, in small letters: ``.mp4``.
        name: what messages call it.
        topic: as for :func:`opened_clip`.

    Raises:
        SourceError: it cannot be read; the message says why.
    """
    if ending in BAG_ENDINGS:  # bags are read at random places of a file
        with TemporaryDirectory(prefix="vljepa_") as folder:
            file = Path(folder, f"bag{ending}")
            file.write_bytes(content)
            with BagSource(file, topic) as source:
                source.name = name
                yield source
    elif ending in ENDINGS:
        yield StillSource(content, name)
    elif ending in VIDEO_ENDINGS:
        yield VideoSource(content, name)
    else:
        raise SourceError(f"{name}: files that end with {ending!r} are no clips")
