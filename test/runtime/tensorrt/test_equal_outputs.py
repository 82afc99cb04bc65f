# SPDX-License-Identifier: Apache-2.0
"""A model of the paper's form does on engines what it does on ONNX Runtime, task by task.

Its weights lie beside the graphs, it sees pixels, and each query is a run of its own. Models with
a trunk and with a free number of queries are in test_backend.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from support import fake_nvidia
from support.engines import engines_in
from support.real_bindings import VERSIONS
from vljepa_ros.runtime import tasks
from vljepa_ros.runtime.clip_embedder import ClipEmbedder, Frame
from vljepa_ros.runtime.model import VLJepa


@pytest.fixture(scope="module", params=[(VERSIONS[0], 1), (VERSIONS[-1], 2)])
def on_engines(
    request: pytest.FixtureRequest,
    driver: Path,
    paper_bundle: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[VLJepa]:
    """Engines of an old release for one camera, and of a new one for two."""
    folder = tmp_path_factory.mktemp("engines")
    version, cameras = request.param
    with pytest.MonkeyPatch.context() as patch:
        gpu = fake_nvidia.install(patch, driver, version=version)
        options = engines_in(folder, allow_build=True, cameras=cameras)
        model = VLJepa.load(paper_bundle, backend="tensorrt", engines=options)
        yield model
        model.close()
        assert gpu.leaks() == {}


@pytest.fixture(scope="module")
def on_cpu(paper_bundle: Path) -> Iterator[VLJepa]:
    model = VLJepa.load(paper_bundle, backend="onnxruntime")
    yield model
    model.close()


def images(model: VLJepa, count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Return images of random pixels, which are larger than the model's frames."""
    side = model.bundle.frame.height + 16
    random = np.random.default_rng(seed)
    return [*random.integers(0, 256, (count, side, side, 3), dtype=np.uint8)]


def test_every_query_of_every_clip_has_the_same_embedding(
    on_engines: VLJepa, on_cpu: VLJepa
) -> None:
    questions = [*on_cpu.bundle.queries.values(), "what is open ?"]
    for seed in range(3):
        clip = images(on_cpu, on_cpu.bundle.clip.frames, seed)
        found, true = (tasks.embed_clip(it, clip, questions) for it in (on_engines, on_cpu))
        np.testing.assert_allclose(found, true, atol=1e-5)
    assert not np.allclose(true[0], true[1], atol=1e-2), (
        "queries must matter, or this says nothing"
    )


def test_several_clips_are_embedded_as_one_by_one(on_engines: VLJepa, on_cpu: VLJepa) -> None:
    questions = [*on_cpu.bundle.queries.values(), "what is open ?"]
    length = on_cpu.bundle.clip.frames
    clips = [[*on_cpu.encode_frames(images(on_cpu, length, seed))] for seed in range(3)]
    true = [on_cpu.embed(clip, questions) for clip in clips]
    for model in (on_engines, on_cpu):
        np.testing.assert_allclose(model.embed_clips(clips, questions), true, atol=1e-5)
    assert not np.allclose(true[0], true[1], atol=1e-2), "clips must matter, or this says nothing"


def test_the_tasks_have_the_same_answers(on_engines: VLJepa, on_cpu: VLJepa) -> None:
    clip = images(on_cpu, 7)
    labels = ["a red door", "a green cup", "open", "closed"]
    for query in on_cpu.bundle.queries:
        found, true = (tasks.describe(it, clip, query) for it in (on_engines, on_cpu))
        assert found.text == true.text
    classified = [tasks.classify(it, clip, labels, "what is it ?") for it in (on_engines, on_cpu)]
    np.testing.assert_array_equal(classified[0].order, classified[1].order)
    np.testing.assert_allclose(classified[0].scores, classified[1].scores, atol=1e-4)


def test_a_stream_has_the_same_embeddings(on_engines: VLJepa, on_cpu: VLJepa) -> None:
    streams = [stream(model) for model in (on_engines, on_cpu)]
    assert len(streams[0]) == len(streams[1]) > 1
    np.testing.assert_allclose(streams[0], streams[1], atol=1e-5)


def stream(model: VLJepa) -> list[NDArray[np.float32]]:
    """Return what a stream of a few clips' length gives, one row per embedding and query."""
    embedder = ClipEmbedder(model, ["*"])
    step_ns = round(1e9 / model.bundle.clip.rate_hz)
    results = [
        embedder.add({"": Frame(number * step_ns, "camera", image, restart=False)})
        for number, image in enumerate(images(model, model.bundle.clip.frames + 3))
    ]
    return [vector for it in results for seen in it.values() for vector in seen.vectors.values()]
