# SPDX-License-Identifier: Apache-2.0
"""Arrays of ``.npy`` and ``.npz`` files, read at no greater cost than the files' own size.

A header may claim any shape, and a compressed member may unfold to a thousand times its size.
numpy believes both, takes the memory first, and fails with errors of a dozen types. So the claims
are compared with the bytes that are there, and all that is wrong is a ValueError.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

_HEADER_BYTES = 1 << 16  # more than any header of numeric arrays has


class _Header(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    bytes: int  # of the header itself

    def order(self) -> Any:
        return "F" if self.fortran else "C"


def parse_npy(content: bytes) -> NDArray[Any]:
    """Return the array of a ``.npy`` file; it is read-only and shares the memory of ``content``.

    Raises:
        ValueError: it is none, or holds objects, or not as many bytes as its header says.
    """
    header = _read_header(io.BytesIO(content), len(content))
    flat = np.frombuffer(content, header.dtype, offset=header.bytes)
    return flat.reshape(header.shape, order=header.order())


def map_npy(file: Path) -> NDArray[Any]:
    """Map the array of a ``.npy`` file, so that only the rows that are used take memory.

    Raises:
        ValueError: as :func:`parse_npy`.
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        header = _read_header(stream, file.stat().st_size)
    if 0 in header.shape:
        return np.empty(header.shape, header.dtype)  # nothing cannot be mapped
    return np.memmap(file, header.dtype, "r", header.bytes, header.shape, header.order())


def parse_npz(
    content: bytes, names: Sequence[str], most_bytes: int, optional: Sequence[str] = ()
) -> dict[str, NDArray[Any]]:
    """Return some arrays of a ``.npz`` file.

    Args:
        content: of the file.
        names: of the arrays.
        most_bytes: that all of these may unfold to.
        optional: names of arrays that may be missing.

    Raises:
        ValueError: it is no such file, one of the arrays is missing, or they are larger.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            there = archive.namelist()
            names = [*names, *(name for name in optional if f"{name}.npy" in there)]
            members = [archive.getinfo(f"{name}.npy") for name in names]
            size = sum(member.file_size for member in members)
            if size > most_bytes + len(names) * _HEADER_BYTES:
                raise ValueError(f"unfolds to {size} bytes, expected at most {most_bytes}")
            unfolded = [archive.read(member) for member in members]
    except ValueError:
        raise
    except Exception as error:  # zlib.error, NotImplementedError, EOFError and many more
        raise ValueError(f"no usable archive of arrays ({_told(error)})") from error
    return {name: parse_npy(each) for name, each in zip(names, unfolded, strict=True)}


def _read_header(stream: BinaryIO, size: int) -> _Header:
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        else:
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    except Exception as error:  # TokenError, OverflowError, IndexError and many more
        raise ValueError(f"no usable array ({_told(error)})") from error
    if dtype.hasobject or dtype.itemsize == 0 or dtype.subdtype is not None:
        raise ValueError(f"an array of {dtype}, not of numbers")
    start = stream.tell()
    whole = all(type(length) is int and length >= 0 for length in shape)  # True is no length
    if not whole or math.prod(shape) * dtype.itemsize != size - start:
        raise ValueError(f"{size - start} bytes cannot be an array {dtype} {shape}")
    return _Header(shape, dtype, fortran, start)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
