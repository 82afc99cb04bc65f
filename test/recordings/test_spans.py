# SPDX-License-Identifier: Apache-2.0
"""Parts of a recording are read with one decoding, little memory, and honesty about damage."""

from __future__ import annotations

import tracemalloc
from collections.abc import Collection, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from vljepa_ros.recordings.annotations import Span
from vljepa_ros.recordings.pixels import pixel_frame
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame
from vljepa_ros.recordings.spans import SpanError, read_spans
from vljepa_ros.stream.images import ImageError

SIZE = 64
Found = list[tuple[Span, NDArray[np.uint8] | SpanError]]


class Film(Source):
    """Images at 10 Hz whose red is their number; its stamps are known without decoding."""

    def __init__(self, count: int, damaged: Collection[int] = (), encoding: str = "rgb8") -> None:
        super().__init__("a film")
        self._count, self._damaged, self._encoding = count, damaged, encoding
        self.decoded: list[int] = []

    def stamps_ns(self) -> list[int]:
        return [number * 10**8 for number in range(self._count)]

    def _images(self) -> Iterator[SourceFrame]:
        for number in range(self._count):
            self.decoded.append(number)
            if number not in self._damaged:
                image = np.full((SIZE, SIZE, 3), number % 256, np.uint8)
                yield pixel_frame(image, self._encoding, number * 10**8)


def read(source: Source, *spans: Span, frames: int = 4) -> Found:
    return list(read_spans(source, spans, frames=frames, height=8, width=8))


def numbers(images: NDArray[np.uint8] | SpanError) -> list[int]:
    assert not isinstance(images, SpanError), images
    return [int(image[0, 0, 0]) for image in images]


def test_all_spans_are_read_with_one_decoding_and_given_when_they_are_complete() -> None:
    film = Film(100)
    late, whole, early = Span("a", 6.0, 8.0), Span("a"), Span("a", 1.0, 2.0)
    found = read(film, late, whole, early, late)
    assert [span for span, _ in found] == [early, late, whole]
    assert [numbers(images) for _, images in found] == [
        [11, 13, 16, 18],
        [62, 67, 72, 77],
        [12, 37, 62, 87],
    ]
    assert film.decoded == list(range(89))  # once, and no further than needed


def test_a_span_that_cannot_be_used_does_not_keep_others_from_it() -> None:
    good, beyond = Span("a", 0.0, 1.0), Span("a", 5.0, 6.0)
    found = dict(read(Film(20), beyond, good))
    assert numbers(found[good]) == [1, 3, 6, 8]
    assert str(found[beyond]) == "a [5..6 s]: it ends at 2.000 s, before 6 s"


def test_an_image_that_cannot_be_decoded_is_answered_by_its_neighbour() -> None:
    film = Film(20, damaged={3})
    assert numbers(dict(read(film, Span("a", 0.0, 1.0)))[Span("a", 0.0, 1.0)]) == [1, 2, 6, 8]


@pytest.mark.parametrize("damaged", [range(10, 20), range(5)], ids=["end", "begin"])
def test_no_image_stands_for_others_that_are_far_away(damaged: range) -> None:
    found = dict(read(Film(20, damaged), Span("a")))
    assert "cannot be decoded" in str(found[Span("a")])


def test_a_film_of_which_nothing_comes_is_an_error() -> None:
    with pytest.raises(SourceError, match="a film can no longer be read"):
        read(Film(20, range(20)), Span("a"))
    with pytest.raises(SourceError, match="a film can no longer be read"):
        read(Film(0), Span("a"))


def test_images_of_an_unknown_format_are_an_error() -> None:
    with pytest.raises(ImageError, match="strange"):
        read(Film(20, encoding="strange"), Span("a"))


def peak_bytes(source: Source, spans: list[Span]) -> int:
    tracemalloc.start()
    for _ in read_spans(source, spans, frames=8, height=32, width=32):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_a_long_film_and_many_spans_need_no_more_memory_than_short_and_few() -> None:
    short = peak_bytes(Film(100), [Span("a", second, second + 1.0) for second in range(5)])
    long = peak_bytes(Film(1000), [Span("a", second, second + 1.0) for second in range(90)])
    assert long < short + 400_000  # of 90 x 8 images of 3,072 bytes, 2.2 MB
