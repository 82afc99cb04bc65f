# SPDX-License-Identifier: Apache-2.0
"""Real robot video through the shipped model. It does not know such scenes; it must not fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support import bridge
from vljepa_ros.runtime.model import VLJepa


@pytest.mark.skipif(
    not bridge.EPISODES.exists(), reason=f"no real robot footage at {bridge.EPISODES}"
)
def test_real_clips_give_finite_embeddings_and_phrases_of_the_bank(default_bundle: Path) -> None:
    model = VLJepa.load(default_bundle)
    queries, length = model.bundle.queries, model.bundle.clip.frames
    episodes = 0
    for _, frames in bridge.clips():
        features = [model.encode_frame(frame) for frame in frames[-length:]]
        embeddings = model.embed(features, list(queries.values()))
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-5)
        for query, embedding in zip(queries, embeddings, strict=True):
            phrase = model.describe(query, embedding)
            assert phrase.text in model.phrases.texts[query]
            assert 0 < phrase.share <= 1
        episodes += 1
    assert episodes == 25
