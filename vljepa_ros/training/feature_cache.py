# SPDX-License-Identifier: Apache-2.0
"""Visual tokens of a frozen X-Encoder, computed once and kept as float16 files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from vljepa_ros.model.normalise import normalised
from vljepa_ros.recordings.sample import ClipDataset, Sample, SampleError, decode


class FeatureCache:
    """A folder of visual tokens (N, width) per clip, for one X-Encoder and number of frames.

    A file is named after what it is computed from; a damaged or missing one is no entry.
    """

    def __init__(self, folder: Path, x_encoder: nn.Module, frames: int, pixels: int) -> None:
        self._folder = folder / f"{_fingerprint(x_encoder)}-{frames}x{pixels}"
        self.frames, self.pixels = frames, pixels

    def get(self, sample: Sample) -> NDArray[np.float16] | None:
        """Return a clip's visual tokens, or None where they are not there."""
        try:
            return np.load(self._path(sample), allow_pickle=False)
        except (FileNotFoundError, EOFError, ValueError):
            return None

    @torch.no_grad()
    def fill(
        self, x_encoder: nn.Module, sources: Iterable[ClipDataset], part: int, parts: int
    ) -> None:
        """Encode part ``part`` of ``parts`` of the clips that are missing and can be decoded."""
        device = next(x_encoder.parameters()).device
        for source in sources:
            for number in tqdm(range(part, len(source), parts), "features", disable=part > 0):
                try:
                    sample = source[number]
                    if self.get(sample) is None:
                        clip = decode(sample, self.frames, self.pixels)
                        frames = normalised(torch.from_numpy(clip).to(device))
                        self._put(sample, x_encoder(frames[None])[0])
                except SampleError:
                    continue

    def _put(self, sample: Sample, tokens: Tensor) -> None:
        path = self._path(sample)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.save(file, tokens.half().cpu().numpy())
        part.replace(path)

    def _path(self, sample: Sample) -> Path:
        name = hashlib.sha256(sample.key.encode()).hexdigest()
        return self._folder / name[:2] / f"{name}.npy"


def _fingerprint(x_encoder: nn.Module) -> str:
    found = hashlib.sha256()
    for name, value in sorted(x_encoder.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
