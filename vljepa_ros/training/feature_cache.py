# SPDX-License-Identifier: Apache-2.0
"""Features of a frozen network, computed once and kept as float16 files.

The cache does not know what the features are: visual tokens of a frozen X-Encoder, feature maps of
a frozen image trunk, of a clip or of a whole episode.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from vljepa_ros.training.array_file import write_array

Encode = Callable[[NDArray[np.uint8]], NDArray[np.float16]]
"""RGB frames uint8 (T, H, W, 3) -> features float16 (...)."""


class FeatureCache:
    """A folder of features by key, for one network.

    A file is named after what it is computed from: the network's weights and the key. A file that
    is damaged counts as missing.
    """

    def __init__(self, folder: Path, network: nn.Module) -> None:
        self.folder = folder / _fingerprint(network)

    def get(self, key: str) -> NDArray[np.float16] | None:
        """Return the features of a key, or None if there are none."""
        try:
            # mapped, so that only what is used is read, and in a copy that the file never sees
            return np.load(self._path(key), mmap_mode="c", allow_pickle=False)
        except (FileNotFoundError, EOFError, ValueError):
            return None

    def put(self, key: str, features: NDArray[np.float16]) -> None:
        """Keep the features of a key."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_array(path, features)

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / name[:2] / f"{name}.npy"


def content_mark(media: Path | bytes) -> str:
    """Return a text for a key that changes with the content of a file or of bytes.

    Raises:
        OSError: the file cannot be read.
    """
    if isinstance(media, bytes):
        return hashlib.sha256(media).hexdigest()
    found = media.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def _fingerprint(network: nn.Module) -> str:
    found = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
