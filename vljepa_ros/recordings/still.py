# SPDX-License-Identifier: Apache-2.0
"""A single image file as a recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vljepa_ros.recordings.image_files import decode_image_file, read_image_file
from vljepa_ros.recordings.pixels import pixel_frame
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame
from vljepa_ros.stream.images import ImageError


class StillSource(Source):
    """One picture, which is shown at all times."""

    still = True

    def __init__(self, media: Path | bytes, name: str) -> None:
        """Decode the picture.

        Args:
            media: an image file, or its content.
            name: what messages call it.

        Raises:
            SourceError: it cannot be read or decoded.
        """
        super().__init__(f"image {name}")
        try:
            image = (
                decode_image_file(media) if isinstance(media, bytes) else read_image_file(media)
            )
        except OSError as error:
            raise SourceError(f"{name} cannot be read: {error.strerror or error}") from error
        except ImageError as error:
            raise SourceError(f"{name} cannot be decoded: {error}") from error
        self._frame = pixel_frame(image, "rgb8", 0)

    def _images(self) -> Iterator[SourceFrame]:
        yield self._frame
