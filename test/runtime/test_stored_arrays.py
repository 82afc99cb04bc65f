# SPDX-License-Identifier: Apache-2.0
"""Arrays of files cost what the files weigh, whatever their headers claim."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vljepa_ros.runtime.stored_arrays import map_npy, parse_npy, parse_npz

ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
    np.float16(3.5).reshape(()),
]
MOST_BYTES = 1 << 20


def npy(array: NDArray[np.generic]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(content: bytes, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("a.npy", content)
    return stream.getvalue()


def claiming(header: str) -> bytes:
    """Return a file whose header is this text; four numbers follow."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(16)


def shaped(shape: str, descr: str = "<f4") -> bytes:
    return claiming(f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}")


@pytest.mark.parametrize("array", ARRAYS)
def test_what_numpy_wrote_is_read(array: NDArray[np.generic], tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    np.save(file, array)
    found = parse_npz(npz(npy(array)), ["a"], MOST_BYTES)["a"]
    for one in (parse_npy(npy(array)), map_npy(file), found):
        np.testing.assert_array_equal(one, array)
        assert one.dtype == array.dtype


LIARS = [
    b"",
    b"rubbish",
    b"\x93NUMPY",
    shaped("(4, 1000000000)"),
    shaped("(2,)"),
    shaped("(-2, -2)"),
    shaped("(10000000000000000000000, 0)"),
    shaped("(True, 4)"),
    shaped("(4,)", "O"),
    shaped("(4,)", "V0"),
    shaped("(4,)", "no type"),
    claiming("{'descr': '<f4', 'fortran_order': False, 'shape': (4L,"),  # tokenize.TokenError
    claiming("(" * 110),
    claiming("{'descr': [('a', '<f4')]}"),
]


@pytest.mark.parametrize("content", LIARS)
def test_a_header_that_lies_is_refused_before_memory_is_taken(
    content: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "a.npy"
    file.write_bytes(content)
    attempts: list[Callable[[], object]] = [
        lambda: parse_npy(content),
        lambda: map_npy(file),
        lambda: parse_npz(npz(content), ["a"], MOST_BYTES),
    ]
    tracemalloc.start()
    try:
        for attempt in attempts:
            with pytest.raises(ValueError, match="array"):
                attempt()
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_an_archive_that_unfolds_to_more_than_is_expected_is_refused() -> None:
    bomb = npz(npy(np.zeros(30_000_000, np.uint8)))
    assert len(bomb) < 40_000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="unfolds to 30000128 bytes, expected at most"):
            parse_npz(bomb, ["a"], MOST_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_every_damage_of_an_archive_is_one_kind_of_error() -> None:
    whole = npz(npy(ARRAYS[0]))
    seen = set()
    for place in range(len(whole)):
        for value in (0, 1, 99, 255):
            damaged = bytearray(whole)
            damaged[place] = value
            try:
                parse_npz(bytes(damaged), ["a"], MOST_BYTES)
            except ValueError as error:
                seen.add(type(error.__cause__))
    assert {zlib.error, NotImplementedError, zipfile.BadZipFile, KeyError} <= seen
