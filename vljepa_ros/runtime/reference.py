# SPDX-License-Identifier: Apache-2.0
"""What a bundle must compute: a clip of real frames and its embeddings in float32.

That graphs run says nothing: a model with mixed-up weights answers as readily as a sound one.
Engines are built on the robot, by another program, for another GPU and perhaps with half the bits.
That they agree with what ONNX Runtime made of the same clip at the export does say something.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.stored_arrays import parse_npz

_Floats = NDArray[np.float32]
_UNIT = 1e-3  # by how much the length of a stored embedding may differ from 1


@dataclass(frozen=True)
class Limit:
    """The least cosine of an embedding with its reference, and the cosines that are a tie."""

    cosine: float
    tie: float


LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        "fp32": Limit(cosine=0.999, tie=0.003),
        "fp16": Limit(cosine=0.99, tie=0.01),
        "int8": Limit(cosine=0.98, tie=0.1),  # a trunk of convolutions takes most of it
        "fp8": Limit(cosine=0.98, tie=0.03),
    }
)
"""By precision of the graphs."""

SAME_TEXT = 1e-3
"""Largest distance of a phrase's embedding from its row in the bank, both of unit length."""


class DisagreementError(ValueError):
    """Embeddings differ from the reference; the message says how much and what is allowed."""


@dataclass(frozen=True)
class Reference:
    """A clip uint8 (T, H, W, 3) and its embeddings (Q, D) for the bundle's queries, in order."""

    clip: NDArray[np.uint8]
    embeddings: _Floats

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> Reference:
        """Read the reference of a bundle.

        Raises:
            BundleError: the file does not verify, or holds something else.
        """
        clip, embeddings = _shapes(bundle)
        most = math.prod(clip) + np.dtype(np.float32).itemsize * math.prod(embeddings)
        try:
            arrays = parse_npz(bundle.read(bundle.reference), ("clip", "embeddings"), most)
            reference = cls(arrays["clip"], arrays["embeddings"])
            reference._check(bundle)
        except ValueError as error:
            file, cause = bundle.root / bundle.reference, f"is no reference ({error})"
            raise BundleError(file, cause, "export the bundle again") from error
        return reference

    def save(self, file: Path) -> None:
        """Write both arrays, compressed without loss."""
        np.savez_compressed(file, clip=self.clip, embeddings=self.embeddings)

    def check(self, found: _Floats, bank: _Floats, precision: str) -> float:
        """Compare embeddings (Q, D) of the clip with the reference; return the least cosine.

        Args:
            found: unit vectors.
            bank: embeddings of phrases (N, D), which must come out in the same order.
            precision: what the embeddings were computed with, a key of :data:`LIMITS`.

        Raises:
            DisagreementError: a cosine is too small, the phrases have another order, or nothing is
                known about the precision.
        """
        if precision not in LIMITS:
            known = ", ".join(LIMITS)
            raise DisagreementError(f"precision {precision!r} has no limit; {known} have one")
        limit = LIMITS[precision]
        cosine = float(np.min(np.sum(self.embeddings * found, axis=1)))  # NaN if one is none
        if not cosine >= limit.cosine:
            raise DisagreementError(
                f"cosine {cosine:.4f} with the reference, "
                f"in {precision} {limit.cosine} is the least"
            )
        for row, (true, other) in enumerate(zip(self.embeddings, found, strict=True)):
            if not same_order(bank @ true, bank @ other, limit.tie):
                raise DisagreementError(
                    f"query {row} orders the phrases differently than the reference, "
                    f"by cosines more than {limit.tie} apart"
                )
        return cosine

    def _check(self, bundle: Bundle) -> None:
        clip, embeddings = _shapes(bundle)
        _check_array("clip", self.clip, np.uint8, clip)
        _check_array("embeddings", self.embeddings, np.float32, embeddings)
        lengths = np.linalg.norm(self.embeddings, axis=1)
        if not (np.abs(lengths - 1) < _UNIT).all():  # also if one is not a number
            raise ValueError(f"embeddings of length {lengths.tolist()}, not 1")


def _shapes(bundle: Bundle) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of a bundle's clip and of its embeddings."""
    frame = bundle.frame
    clip = (bundle.clip.frames, frame.height, frame.width, 3)
    return clip, (len(bundle.queries), bundle.dimension)


def same_order(true: _Floats, found: _Floats, tie: float) -> bool:
    """Whether two lists of cosines (n) have the same order, ties aside."""
    ordered = found[np.argsort(true)]
    return bool((np.maximum.accumulate(ordered) - ordered <= tie).all())


def _check_array(
    name: str, array: NDArray[np.generic], dtype: type[np.generic], shape: tuple[int, ...]
) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(
            f"{name} are {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}"
        )
