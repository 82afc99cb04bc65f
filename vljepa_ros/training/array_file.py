# SPDX-License-Identifier: Apache-2.0
"""Arrays in files that are whole or not at all, also on a full disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.files import new_file


def write_array(file: Path, values: NDArray[Any]) -> None:
    """Write a ``.npy`` file that takes the place of an older one.

    ``numpy.save`` writes past Python, and loses the end of an array on a full disk in silence.

    Raises:
        OSError: it cannot be written; nothing is left behind and an older file stays.
    """
    content = np.ascontiguousarray(values)
    header = np.lib.format.header_data_from_array_1_0(content)
    with new_file(file) as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        stream.write(content.data)
