# SPDX-License-Identifier: Apache-2.0
"""The TensorRT backend: the same answers as ONNX Runtime, and what happens when the GPU fails."""

from __future__ import annotations

import gc
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from support import fake_gpu, fake_nvidia
from support.colour_bundle import (
    QUERIES,
    SIZE,
    build_bare_bundle,
    seal,
)
from support.engines import build_engines, engines_in
from support.fake_gpu import FakeGpu
from vljepa_ros.runtime.backend import (
    Backend,
    BackendError,
    DeviceLostError,
    OutOfMemoryError,
)
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.onnx_backend import OnnxBackend
from vljepa_ros.runtime.reference import Reference
from vljepa_ros.runtime.tensorrt.driver import probe_gpu
from vljepa_ros.runtime.tensorrt.plan_key import ENGINE_GRAPHS, identify
from vljepa_ros.runtime.tensorrt.plan_store import PlanStore
from vljepa_ros.runtime.tensorrt.tensorrt_backend import TensorRTBackend
from vljepa_ros.runtime.tensorrt.tensorrt_errors import MissingPackage, TensorRTError, UnusablePlan

TEXTS = list(QUERIES.values())


@pytest.fixture(scope="module")
def bare_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_bare_bundle(tmp_path_factory.mktemp("bundles") / "bare", table=True)


@pytest.fixture(params=["colour_bundle", "bare_bundle", "streaming_bundle"])
def root(request: pytest.FixtureRequest) -> Path:
    """The folder of a bundle with a trunk and free queries, with neither, and with a memory."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def folder(gpu: FakeGpu, tmp_path: Path) -> Path:
    return tmp_path / "engines"


@pytest.fixture
def backend(gpu: FakeGpu, colour_bundle: Path, folder: Path) -> Iterator[TensorRTBackend]:
    bundle = Bundle.load(colour_bundle)
    build_engines(bundle, folder)
    it = TensorRTBackend(bundle, engines_in(folder))
    yield it
    it.close()


def frames(count: int) -> list[NDArray[np.uint8]]:
    shape = (count, SIZE, SIZE, 3)
    return [*np.random.default_rng(count).integers(0, 256, shape, dtype=np.uint8)]


def embed(backend: Backend) -> NDArray[np.float32]:
    random = np.random.default_rng(1)
    tokens = random.random((3, 8, 12), dtype=np.float32)
    clip = backend.encode_frames(np.stack(frames(4)))
    return backend.embed(clip[np.newaxis], tokens, random.random((3, 8)) < 0.8).embeddings


@pytest.mark.parametrize("cuda_graphs", [False, True])
@pytest.mark.parametrize("version", ["10.3.0", "11.4.0.106", "1.4.0.76", "1.7.1.116"])
def test_a_model_answers_as_on_onnx_runtime(
    monkeypatch: pytest.MonkeyPatch,
    driver: Path,
    root: Path,
    tmp_path: Path,
    version: str,
    cuda_graphs: bool,
) -> None:
    gpu = fake_nvidia.install(monkeypatch, driver, version=version)
    options = engines_in(tmp_path, allow_build=True, cuda_graphs=cuda_graphs)
    backend = "tensorrt_rtx" if fake_nvidia.is_rtx(version) else "tensorrt"
    model = VLJepa.load(root, backend=backend, engines=options)
    expected = VLJepa.load(root)
    texts = [*TEXTS, "bright colour", *TEXTS]
    for clip in (frames(4), frames(5)[1:]):
        found = model.embed([model.encode_frame(frame) for frame in clip], texts)
        true = expected.embed([expected.encode_frame(frame) for frame in clip], texts)
        np.testing.assert_array_equal(found, true)
    assert (model.backend.name, model.backend.precision) == (backend, "fp32")
    model.close()
    assert gpu.leaks() == {}


def test_more_queries_than_an_engine_takes_are_asked_in_turns(
    backend: TensorRTBackend, colour_bundle: Path
) -> None:
    random = np.random.default_rng(1)
    tokens, mask = random.random((150, 8, 12), dtype=np.float32), random.random((150, 8)) < 0.8
    clip = random.random((1, 4, 3, 1, 1), dtype=np.float32)
    expected = OnnxBackend(Bundle.load(colour_bundle)).embed(clip, tokens, mask)
    found = backend.embed(clip, tokens, mask)
    np.testing.assert_allclose(found.embeddings, expected.embeddings, atol=1e-6)


@pytest.mark.parametrize("cuda_graphs", [False, True])
@pytest.mark.parametrize("cameras", [1, 2, 3])
def test_clips_of_any_number_are_embedded_as_one_by_one(
    gpu: FakeGpu, root: Path, folder: Path, cameras: int, cuda_graphs: bool
) -> None:
    """Fewer than a run takes, as many, more, and more than two runs take."""
    options = engines_in(folder, allow_build=True, cameras=cameras, cuda_graphs=cuda_graphs)
    model = VLJepa.load(root, backend="tensorrt", engines=options)
    expected = VLJepa.load(root)
    for count in (1, 2, 3, 7, 2):
        images = frames(4 * count)
        features = model.encode_frames(images)
        clips = [features[first : first + 4] for first in range(0, len(images), 4)]
        found = model.embed_clips(clips, TEXTS)
        true = [
            expected.embed(expected.encode_frames(images[i : i + 4]), TEXTS)
            for i in range(0, len(images), 4)
        ]
        np.testing.assert_allclose(found, true, atol=1e-6)
    model.close()


def test_clips_of_several_cameras_share_a_run(
    gpu: FakeGpu, colour_bundle: Path, folder: Path
) -> None:
    options = engines_in(folder, allow_build=True, cameras=3)
    backend = TensorRTBackend(Bundle.load(colour_bundle), options)
    runs = []
    for count in (1, 3, 4):
        clips = np.stack([backend.encode_frames(np.stack(frames(4)))] * count)
        before = gpu.entered["enqueueV3"]
        backend.embed(clips, np.ones((2, 8, 12), np.float32), np.ones((2, 8), bool))
        runs.append(gpu.entered["enqueueV3"] - before)
    assert runs == [2, 2, 4], "an X-Encoder and a Predictor for each three clips"
    backend.close()


def test_engines_for_another_number_of_cameras_are_not_used(
    gpu: FakeGpu, colour_bundle: Path, folder: Path
) -> None:
    bundle = Bundle.load(colour_bundle)
    build_engines(bundle, folder)
    with pytest.raises(
        UnusablePlan, match="nearest one is for clips 1 instead of 2; .*build_engine --cameras 2"
    ):
        TensorRTBackend(bundle, engines_in(folder, cameras=2))


def test_every_call_to_the_gpu_is_on_one_thread(backend: TensorRTBackend, gpu: FakeGpu) -> None:
    gpu.threads.clear()
    with ThreadPoolExecutor(4) as pool:
        results = [*pool.map(lambda _: embed(backend), range(8))]
    assert all(np.array_equal(result, results[0]) for result in results)
    assert len(gpu.threads) == 1
    assert threading.get_ident() not in gpu.threads


def test_visual_tokens_never_leave_the_gpu(backend: TensorRTBackend, gpu: FakeGpu) -> None:
    embed(backend)
    # The frame and its features, the clip, the queries' tokens and mask, the embeddings.
    assert gpu.leaks()["pinned buffers"] == 6
    assert set(gpu.waits) == {"blocking"}


def test_a_closed_backend_refuses_and_has_given_all_back(
    backend: TensorRTBackend, gpu: FakeGpu
) -> None:
    embed(backend)
    backend.close()
    assert gpu.leaks() == {}
    with pytest.raises(BackendError, match="tensorrt is closed"):
        embed(backend)


def test_an_error_that_is_kept_keeps_nothing_of_the_gpu(
    backend: TensorRTBackend, gpu: FakeGpu
) -> None:
    gpu.fail("cuMemcpyHtoDAsync", fake_gpu.INVALID_VALUE)
    with pytest.raises(BackendError, match="copying to the GPU failed") as kept:
        embed(backend)
    backend.close()
    assert gpu.leaks() == {}
    assert kept.value.__traceback__ is not None


def test_a_forgotten_backend_gives_all_back(
    gpu: FakeGpu, colour_bundle: Path, folder: Path
) -> None:
    bundle = Bundle.load(colour_bundle)
    build_engines(bundle, folder)
    embed(TensorRTBackend(bundle, engines_in(folder)))
    gc.collect()
    assert gpu.leaks() == {}


@pytest.mark.parametrize("routine", ["enqueueV3", "kernel", "cuMemcpyHtoDAsync"])
def test_memory_that_runs_out_once_costs_one_repetition(
    backend: TensorRTBackend, gpu: FakeGpu, routine: str
) -> None:
    expected = embed(backend)
    gpu.fail(routine, fake_gpu.OUT_OF_MEMORY)
    np.testing.assert_array_equal(embed(backend), expected)


def test_memory_that_stays_away_is_an_error_until_it_is_back(
    backend: TensorRTBackend, gpu: FakeGpu
) -> None:
    expected = embed(backend)
    gpu.fail("enqueueV3", fake_gpu.OUT_OF_MEMORY)
    with (
        gpu.occupied_by_others(free=0),
        pytest.raises(OutOfMemoryError, match="MB of its memory are free"),
    ):
        gpu.fail("createExecutionContext", fake_gpu.OUT_OF_MEMORY)
        embed(backend)
    np.testing.assert_array_equal(embed(backend), expected)


def test_a_lost_device_stays_lost(
    monkeypatch: pytest.MonkeyPatch, driver: Path, colour_bundle: Path, tmp_path: Path
) -> None:
    gpu = fake_nvidia.install(monkeypatch, driver)
    bundle = Bundle.load(colour_bundle)
    backend = TensorRTBackend(bundle, engines_in(tmp_path, allow_build=True))
    gpu.fail("kernel", fake_gpu.ILLEGAL_ADDRESS)
    for _ in range(2):
        with pytest.raises(DeviceLostError, match="illegal memory access"):
            embed(backend)
    backend.close()


@pytest.mark.parametrize("package", ["tensorrt", "pycuda"])
def test_a_missing_package_is_named_and_nothing_is_kept(
    gpu: FakeGpu,
    monkeypatch: pytest.MonkeyPatch,
    colour_bundle: Path,
    folder: Path,
    package: str,
) -> None:
    fake_nvidia.remove(monkeypatch, package)
    with pytest.raises(MissingPackage, match=f"package {package} .*docs/jetson.md"):
        TensorRTBackend(Bundle.load(colour_bundle), engines_in(folder, allow_build=True))
    assert gpu.leaks() == {}


def test_too_little_memory_while_loading_says_what_is_needed_and_keeps_nothing(
    gpu: FakeGpu, colour_bundle: Path, folder: Path
) -> None:
    bundle = Bundle.load(colour_bundle)
    build_engines(bundle, folder)
    gpu.fail("deserializeCudaEngine", fake_gpu.OUT_OF_MEMORY)
    with pytest.raises(OutOfMemoryError, match=r"needs \d+ MB.*are free"):
        TensorRTBackend(bundle, engines_in(folder))
    assert gpu.leaks() == {}


def test_too_little_memory_for_all_engines_gives_back_those_that_fit(
    gpu: FakeGpu, colour_bundle: Path, folder: Path
) -> None:
    bundle = Bundle.load(colour_bundle)
    first = build_engines(bundle, folder)["frame_encoder"].manifest.plan_bytes
    with (
        gpu.occupied_by_others(free=first),
        pytest.raises(OutOfMemoryError, match="loading x_encoder"),
    ):
        TensorRTBackend(bundle, engines_in(folder))
    assert gpu.leaks() == {}


def test_too_little_memory_for_the_first_run_fails_loading_and_keeps_nothing(
    gpu: FakeGpu, colour_bundle: Path, folder: Path
) -> None:
    build_engines(Bundle.load(colour_bundle), folder)
    gpu.fail("createExecutionContext", fake_gpu.OUT_OF_MEMORY, times=2)
    with pytest.raises(OutOfMemoryError, match=r"context of frame_encoder, which needs \d+ MB"):
        VLJepa.load(colour_bundle, backend="tensorrt", engines=engines_in(folder))
    assert gpu.leaks() == {}


def test_without_leave_to_build_a_missing_engine_is_an_error(
    gpu: FakeGpu, colour_bundle: Path, folder: Path
) -> None:
    with pytest.raises(UnusablePlan, match="no engine of frame_encoder.*build_engine"):
        TensorRTBackend(Bundle.load(colour_bundle), engines_in(folder))
    assert gpu.leaks() == {}


def test_engines_that_disagree_with_the_reference_are_not_used(
    gpu: FakeGpu, colour_bundle: Path, folder: Path, tmp_path: Path
) -> None:
    root = tmp_path / "other"
    shutil.copytree(colour_bundle, root)
    reference = Reference.from_bundle(Bundle.load(root))
    Reference(reference.clip, reference.embeddings[::-1].copy()).save(root / "reference.npz")
    seal(root)
    options = engines_in(folder, allow_build=True)
    with pytest.raises(TensorRTError, match="do not compute what it must .cosine .*build_engine"):
        VLJepa.load(root, backend="tensorrt", engines=options)
    assert gpu.leaks() == {}
    assert parities(Bundle.load(root), folder) == {None}


def test_how_near_the_engines_come_is_noted_beside_them(
    gpu: FakeGpu, colour_bundle: Path, folder: Path
) -> None:
    options = engines_in(folder, allow_build=True)
    VLJepa.load(colour_bundle, backend="tensorrt", engines=options).close()
    (parity,) = parities(Bundle.load(colour_bundle), folder)
    assert parity == pytest.approx(1.0, abs=1e-6)


def parities(bundle: Bundle, folder: Path) -> set[float | None]:
    store = PlanStore(folder, allow_untrusted=True)
    identities = [identify(bundle, graph, probe_gpu(), "10.3.0") for graph in ENGINE_GRAPHS]
    return {store.find(identity).manifest.parity for identity in identities}
