# SPDX-License-Identifier: Apache-2.0
"""The reference of a bundle is what its graphs compute, and what differs from it is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from support.colour_bundle import (
    QUERIES,
    build_bare_bundle,
    build_colour_bundle,
    colour_frame,
    seal,
)
from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.reference import DisagreementError, Reference, same_order

BANK = np.eye(4, dtype=np.float32)


def vectors(*rows: list[float]) -> np.ndarray:
    array = np.array(rows, dtype=np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


@pytest.fixture
def reference() -> Reference:
    """Return two queries in a space of four phrases."""
    clip = np.zeros((1, 2, 2, 3), np.uint8)
    return Reference(clip, vectors([9, 4, 3, 2], [1, 2, 3, 9]))


@pytest.mark.parametrize("build", [build_colour_bundle, build_bare_bundle])
def test_onnx_runtime_agrees_with_the_reference(build, tmp_path: Path) -> None:
    model = VLJepa.load(build(tmp_path / "bundle"))
    reference = Reference.from_bundle(model.bundle)
    bank = np.load(model.bundle.root / "phrases.npy")
    frames = [model.encode_frame(frame) for frame in reference.clip]
    found = model.embed(frames, list(QUERIES.values()))
    assert reference.check(found, bank, "fp32") == pytest.approx(1, abs=1e-5)
    red = [model.encode_frame(colour_frame("red"))] * len(frames)
    with pytest.raises(DisagreementError):
        reference.check(model.embed(red, list(QUERIES.values())), bank, "fp32")


@pytest.mark.parametrize(
    ("found", "precision", "cause"),
    [
        (vectors([9, 4, 3, 2], [1, 2, 3, 8]), "fp32", None),
        (vectors([9, 4, 3, 3], [1, 2, 3, 9]), "fp16", None),  # a tie, and not another order
        (vectors([9, 4, 3, 3], [1, 2, 3, 9]), "fp32", r"cosine 0\.99\d+ .+ fp32 0\.999 is"),
        (vectors([9, 3, 4, 2], [1, 2, 3, 9]), "fp16", "cosine|query 0 orders"),
        (vectors([9, 4, 3, 2], [1, 2.2, 2, 9]), "fp16", "query 1 orders the phrases differently"),
        (vectors([9, 4, 3, 2], [np.nan] * 4), "fp16", "cosine nan"),
        (vectors([9, 4, 3, 2], [1, 2, 3, 9]), "bf16", "'bf16' has no limit; fp32, fp16"),
    ],
)
def test_a_difference_beyond_the_limit_of_the_precision_is_refused(
    reference: Reference, found: np.ndarray, precision: str, cause: str | None
) -> None:
    if cause is None:
        assert 0.98 < reference.check(found, BANK, precision) <= 1
        return
    with pytest.raises(DisagreementError, match=cause):
        reference.check(found, BANK, precision)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"no archive", "is no reference"),
        ({"clip": np.zeros((4, 32, 32, 3), np.uint8)}, "embeddings"),
        ({"clip": np.zeros((3, 32, 32, 3), np.uint8), "embeddings": np.zeros(1)}, r"\(3, 32"),
        ({"clip": np.zeros((4, 32, 32, 3), np.uint8), "embeddings": np.zeros(1)}, "float64"),
    ],
)
def test_another_file_is_refused_with_the_remedy(
    content, cause: str, colour_bundle: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(colour_bundle, tmp_path / "copy"))
    if isinstance(content, bytes):
        (copy / "reference.npz").write_bytes(content)
    else:
        np.savez(copy / "reference.npz", **content)
    seal(copy)
    with pytest.raises(BundleError, match=rf"reference\.npz: .*{cause}.*; export"):
        Reference.from_bundle(Bundle.load(copy))


def test_an_order_is_the_same_but_for_ties() -> None:
    true = np.array([0.9, 0.1, 0.5, 0.5], np.float32)

    def same(*found: float) -> bool:
        return same_order(true, np.array(found, np.float32), tie=1e-5)

    assert same(0.8, 0.2, 0.4, 0.4)
    assert same(0.9, 0.1, 0.500002, 0.5)
    assert not same(0.9, 0.1, 0.95, 0.5)
    assert not same(0.0, 0.1, 0.5, 0.5)
    assert not same(0.9, np.nan, 0.5, 0.5)
