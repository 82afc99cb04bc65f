# SPDX-License-Identifier: Apache-2.0
"""Cached features replace the frozen network, and no others are taken for them."""

from __future__ import annotations

import logging
import os
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training is tested where torch is installed")
pytest.importorskip("transformers", reason="training needs transformers (make train-venv)")

from support.tiny_training import STAGE, TINY, tiny_model  # noqa: E402
from support.training_clips import (  # noqa: E402
    write_annotations,
    write_image,
)
from vljepa_ros.recordings.annotations import Answered, Span  # noqa: E402
from vljepa_ros.recordings.clip_folder import ClipFolder  # noqa: E402
from vljepa_ros.recordings.sample import Sample, SampleError  # noqa: E402
from vljepa_ros.training.clip_batches import ClipBatches  # noqa: E402
from vljepa_ros.training.clip_features import ClipFeatures  # noqa: E402
from vljepa_ros.training.feature_cache import FeatureCache, content_mark  # noqa: E402
from vljepa_ros.training.x_encoder_tokens import XEncoderTokens  # noqa: E402


def features_of(folder, network, frames=2):
    return ClipFeatures(FeatureCache(folder, network), frames, TINY.frame_pixels)


def mean_red(frames):
    """Stand for a frozen network: the mean of each frame's red, as feature maps (T, 1, 1, 1)."""
    return frames[..., 0].mean((1, 2)).astype(np.float16)[:, None, None, None]


def test_visual_tokens_replace_the_x_encoder(folder, tokenize, tmp_path):
    model, datasets = tiny_model(), {"c": ClipFolder(folder)}
    features = features_of(tmp_path, model.x_encoder)
    for part in range(2):
        features.fill(XEncoderTokens(model.x_encoder), datasets.values(), part, 2)
    plain, cached = (
        ClipBatches(datasets, STAGE, TINY, tokenize, tokenize, features=f).batch(0, 0, 1)
        for f in (None, features)
    )
    with torch.no_grad():
        expected = model(plain.visual, plain.queries, plain.texts)[0]
        found = model(cached.visual, cached.queries, cached.texts)[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-3)


def test_feature_maps_of_a_trunk_keep_their_frames(folder, tokenize, tmp_path):
    datasets = {"c": ClipFolder(folder)}
    features = features_of(tmp_path, torch.nn.Linear(1, 1), frames=4)
    features.fill(mean_red, datasets.values(), 0, 1)
    stage = replace(STAGE, frames=4)
    batch = ClipBatches(datasets, stage, TINY, tokenize, tokenize, features=features).batch(
        0, 0, 1
    )
    assert batch.visual.shape == (8, 4, 1, 1, 1) and batch.visual.dtype == torch.float32


def test_features_of_another_network_or_length_are_not_used(folder, tmp_path):
    model, dataset = tiny_model(), ClipFolder(folder)
    features_of(tmp_path, model.x_encoder).fill(XEncoderTokens(model.x_encoder), [dataset], 0, 1)
    assert features_of(tmp_path, model.x_encoder).get(dataset[0]).shape == (4, 24)
    with pytest.raises(SampleError, match="no cached features"):
        features_of(tmp_path, model.x_encoder, frames=4).get(dataset[0])
    with torch.no_grad():
        model.x_encoder.norm.bias += 1
    with pytest.raises(SampleError, match="no cached features"):
        features_of(tmp_path, model.x_encoder).get(dataset[0])


def test_a_clip_that_was_replaced_is_encoded_again(tmp_path):
    write_image(tmp_path / "a.png", "red")
    write_annotations(tmp_path, [{"clip": "a.png", "answer": "red"}])
    features = features_of(tmp_path / "cache", torch.nn.Linear(1, 1))
    features.fill(mean_red, [ClipFolder(tmp_path)], 0, 1)
    first = features.get(ClipFolder(tmp_path)[0])
    before = (tmp_path / "a.png").stat()
    write_image(tmp_path / "a.png", "blue")
    os.utime(tmp_path / "a.png", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(SampleError, match="no cached features"):
        features.get(ClipFolder(tmp_path)[0])
    features.fill(mean_red, [ClipFolder(tmp_path)], 0, 1)
    assert not np.array_equal(features.get(ClipFolder(tmp_path)[0]), first)


def test_bytes_are_told_apart_by_their_content():
    assert content_mark(b"one") == content_mark(b"one") != content_mark(b"two")


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", None])
def test_a_damaged_file_counts_as_missing(tmp_path, damage):
    cache = FeatureCache(tmp_path, torch.nn.Linear(1, 1))
    cache.put("a", np.ones((3, 2), np.float16))
    (file,) = tmp_path.rglob("*.npy")
    file.write_bytes(file.read_bytes()[:-1] if damage is None else damage)
    assert cache.get("a") is None
    cache.put("a", np.ones((3, 2), np.float16))
    np.testing.assert_array_equal(cache.get("a"), np.ones((3, 2)))


def test_a_write_that_fails_leaves_nothing(tmp_path):
    class Full:
        def __array__(self, *_, **__):
            raise OSError("no space left on device")

    cache = FeatureCache(tmp_path, torch.nn.Linear(1, 1))
    with pytest.raises(OSError, match="no space"):
        cache.put("a", Full())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_clip_without_features_is_logged_with_its_cause(tmp_path, caplog):
    write_image(tmp_path / "good.png", "red")
    write_annotations(
        tmp_path, [{"clip": f"{name}.png", "answer": "x"} for name in ("gone", "good")]
    )
    features = features_of(tmp_path / "cache", torch.nn.Linear(1, 1))
    with caplog.at_level(logging.WARNING):
        features.fill(mean_red, [ClipFolder(tmp_path)], 0, 1)
    assert len(caplog.records) == 1 and "gone.png" in caplog.text
    assert features.get(ClipFolder(tmp_path)[1]).shape == (2, 1, 1, 1)
    with pytest.raises(SampleError, match="cannot be read"):
        features.get(
            Sample("gone", tmp_path / "gone.png", ".png", Answered(Span("gone.png"), "x"))
        )
