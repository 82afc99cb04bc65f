# SPDX-License-Identifier: Apache-2.0
"""Files that are whole or not at all, on a disk that may be full."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.files import new_file


@contextmanager
def errors_name(path: Path) -> Iterator[None]:
    """Let an error of writing name what was written; a full disk alone names nothing.

    Raises:
        OSError: as the block does.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.strerror is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_array(file: Path, values: NDArray[Any]) -> None:
    """Write a ``.npy`` file that takes the place of an older one.

    ``numpy.save`` writes past Python, and loses the end of an array on a full disk in silence.

    Raises:
        OSError: it cannot be written; nothing is left behind and an older file stays.
    """
    content = np.ascontiguousarray(values)
    header = np.lib.format.header_data_from_array_1_0(content)
    with errors_name(file), new_file(file) as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        stream.write(content.data)
