# SPDX-License-Identifier: Apache-2.0
"""Faults 20 to 27 as a robot meets them: the whole model is loaded, and says what is wrong.

None may end the process, leave something on the GPU, or be overlooked; each names cause and
remedy, and ONNX Runtime runs all the same. The parts that find them are tested one by one in the
other files here, and so are two builders at once, kills and full disks.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from support import fake_gpu, fake_nvidia, fake_tensorrt
from support.colour_bundle import SIZE, build_colour_bundle, seal
from support.engines import build_engines, engines_in
from support.fake_gpu import FakeGpu
from vljepa_ros.runtime.backend import BackendError, DeviceLostError, OutOfMemoryError
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.tensorrt.plan_store import MANIFEST, PLAN
from vljepa_ros.runtime.tensorrt.tensorrt_backend import EngineOptions, TensorRTBackend
from vljepa_ros.runtime.tensorrt.tensorrt_errors import (
    MissingPackage,
    NoDriver,
    TensorRTError,
    UntrustedPlan,
    UnusablePlan,
)

BLACK = np.zeros((SIZE, SIZE, 3), np.uint8)
GRAPHS = ("frame_encoder", "x_encoder", "predictor")
BUILD = "ros2 run vljepa_ros build_engine"


@dataclass(frozen=True)
class Robot:
    """A machine whose bundle and engines were in order before something happened to them."""

    root: Path
    engines: Path
    driver: Path
    patch: pytest.MonkeyPatch
    gpu: FakeGpu

    def folder(self, graph: str) -> Path:
        """Return the folder of a graph's engine."""
        (folder,) = filter(Path.is_dir, self.engines.glob(f"{graph}-*"))
        return folder

    def load(self, backend: str = "tensorrt", **options: object) -> VLJepa:
        return VLJepa.load(self.root, backend=backend, engines=engines_in(self.engines, **options))

    def reinstall(self, *, driver: bool = True, **options: object) -> None:
        """Become a machine with another GPU or TensorRT, or without a driver."""
        library = self.driver if driver else None
        fake_nvidia.install(self.patch, library, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def in_order(driver: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a bundle and engines that load."""
    folder = tmp_path_factory.mktemp("robot")
    with pytest.MonkeyPatch.context() as patch:
        gpu = fake_nvidia.install(patch, driver)
        robot = Robot(
            build_colour_bundle(folder / "colour"), folder / "engines", driver, patch, gpu
        )
        build_engines(Bundle.load(robot.root), robot.engines)
        robot.load().close()
    return folder


@pytest.fixture
def robot(
    in_order: Path, gpu: FakeGpu, driver: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Robot:
    shutil.copytree(in_order, tmp_path, dirs_exist_ok=True)
    return Robot(tmp_path / "colour", tmp_path / "engines", driver, monkeypatch, gpu)


def put(robot: Robot, graph: str, content: bytes) -> None:
    (robot.folder(graph) / PLAN).write_bytes(content)


def put_and_seal(robot: Robot, graph: str, content: bytes) -> None:
    """Exchange an engine together with its checksum, so that only TensorRT can find it out."""
    put(robot, graph, content)
    file = robot.folder(graph) / MANIFEST
    manifest = json.loads(file.read_text())
    manifest["plan_sha256"] = hashlib.sha256(content).hexdigest()
    manifest["plan_bytes"] = len(content)
    file.write_text(json.dumps(manifest))


def plan(robot: Robot, graph: str) -> bytes:
    return (robot.folder(graph) / PLAN).read_bytes()


def change_bundle(robot: Robot) -> None:
    """Give the X-Encoder other weights, as a new release of the model has."""
    model = onnx.load(str(robot.root / "x_encoder.onnx"))
    model.producer_version = "another export"
    onnx.save(model, str(robot.root / "x_encoder.onnx"))
    seal(robot.root)


def declare_precision(robot: Robot, precision: str) -> None:
    file = robot.root / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["precision"] = precision
    file.write_text(json.dumps(manifest))


BAD_PLANS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda good: b"",
    "one byte": lambda good: good[:1],
    "truncated": lambda good: good[: len(good) // 2],
    "last byte missing": lambda good: good[:-1],
    "one bit flipped": lambda good: good[:-9] + bytes([good[-9] ^ 1]) + good[-8:],
    "random": lambda good: np.random.default_rng(0).bytes(len(good)),
    "wrong magic": lambda good: b"ftrt" + good[4:],
}


@pytest.mark.parametrize(
    ("bad", "graph"),
    [*((bad, "x_encoder") for bad in BAD_PLANS), *(("truncated", graph) for graph in GRAPHS)],
)
def test_20_a_bad_engine_is_refused_with_cause_and_remedy(
    robot: Robot, bad: str, graph: str
) -> None:
    put(robot, graph, BAD_PLANS[bad](plan(robot, graph)))
    with pytest.raises(UnusablePlan, match=f"manifest.*{BUILD}") as caught:
        robot.load()  # TensorRT never sees it
    assert caught.value.file == robot.folder(graph) / PLAN
    assert str(caught.value.file) in str(caught.value)


@pytest.mark.parametrize("bad", [name for name in BAD_PLANS if name != "empty"])
def test_20_what_tensorrt_itself_refuses_is_told_in_its_words(robot: Robot, bad: str) -> None:
    put_and_seal(robot, "predictor", BAD_PLANS[bad](plan(robot, "predictor")))
    with pytest.raises(UnusablePlan, match=r"TensorRT 10\.3\.0 cannot load it.*deserialize"):
        robot.load()


def test_20_a_missing_engine_is_an_error_with_the_command_that_builds_it(robot: Robot) -> None:
    folder = robot.folder("x_encoder")
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(UnusablePlan, match=f"no engine of x_encoder.*{BUILD}"):
        robot.load()


def test_20_an_engine_in_the_place_of_another_is_refused(robot: Robot) -> None:
    put_and_seal(robot, "predictor", plan(robot, "x_encoder"))
    with pytest.raises(UnusablePlan, match="unlike its manifest"):
        robot.load()


CHANGES: dict[str, tuple[Callable[[Robot], None], str]] = {
    "TensorRT": (lambda it: it.reinstall(version="11.4.0.106"), "tensorrt 10.3.0 instead of 11.4"),
    "bundle": (change_bundle, "onnx_sha256 .* instead of"),
    "precision": (lambda it: declare_precision(it, "fp16"), "precision fp32 instead of fp16"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_21_a_stale_engine_is_never_used(robot: Robot, change: str) -> None:
    happen, difference = CHANGES[change]
    happen(robot)
    with pytest.raises(UnusablePlan, match=f"the nearest one is for .*{difference}.*{BUILD}"):
        robot.load()
    assert robot.load("auto").backend.name == "onnxruntime"


@pytest.mark.parametrize("change", CHANGES)
def test_21_a_stale_engine_is_built_anew_where_that_is_allowed(
    robot: Robot, change: str, tmp_path: Path
) -> None:
    CHANGES[change][0](robot)
    builds = tmp_path / "builds"
    robot.patch.setenv(fake_tensorrt.BUILD_LOG, str(builds))
    robot.load(allow_build=True).close()
    expected = 1 if change == "bundle" else len(GRAPHS)
    assert len(builds.read_text().splitlines()) == expected
    robot.load().close()


def test_21_an_engine_of_another_gpu_is_refused_by_tensorrt_as_well(robot: Robot) -> None:
    """What the driver says and what TensorRT says come from different places."""
    robot.reinstall(gpu=FakeGpu(capability=(11, 0)))
    with pytest.raises(UnusablePlan, match="another compute capability"):
        robot.load()


def world_writable(robot: Robot) -> None:
    (robot.folder("predictor") / PLAN).chmod(0o666)


def group_writable_folder(robot: Robot) -> None:
    robot.folder("x_encoder").chmod(0o775)


def linked_elsewhere(robot: Robot) -> None:
    file = robot.folder("predictor") / PLAN
    file.rename(robot.engines.parent / "elsewhere.plan")
    file.symlink_to(robot.engines.parent / "elsewhere.plan")


@pytest.mark.parametrize("happen", [world_writable, group_writable_folder, linked_elsewhere])
def test_22_what_others_could_have_written_is_refused_even_where_building_is_allowed(
    robot: Robot, private_folder: Path, happen: Callable[[Robot], None]
) -> None:
    own = Robot(robot.root, private_folder / "engines", robot.driver, robot.patch, robot.gpu)
    build_engines(Bundle.load(own.root), own.engines)
    trusting = EngineOptions(folder=own.engines)
    VLJepa.load(own.root, backend="tensorrt", engines=trusting).close()
    happen(own)
    for options in (trusting, EngineOptions(folder=own.engines, allow_build=True)):
        for backend in ("tensorrt", "auto"):
            with pytest.raises(UntrustedPlan):
                VLJepa.load(own.root, backend=backend, engines=options)
    own.load().close()  # explicitly allowed


def test_22_a_shared_temporary_folder_is_refused(robot: Robot, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    robot.engines.rename(tmp_path / "moved")
    shared.mkdir()
    shared.chmod(0o1777)
    (tmp_path / "moved").rename(shared / "engines")
    with pytest.raises(UntrustedPlan, match="everybody may write"):
        options = EngineOptions(folder=shared / "engines")
        VLJepa.load(robot.root, backend="tensorrt", engines=options)


def test_25_too_little_memory_to_load_says_what_is_needed_and_free(robot: Robot) -> None:
    with robot.gpu.occupied_by_others(free=500), pytest.raises(OutOfMemoryError) as caught:
        robot.load()
    assert "needs" in str(caught.value)
    assert "MB of its memory are free" in str(caught.value)
    robot.load().close()


def test_25_too_little_memory_at_a_run_is_tried_once_more_and_then_told(robot: Robot) -> None:
    model = robot.load()
    release(model)
    robot.gpu.fail("cuMemAlloc", fake_gpu.OUT_OF_MEMORY)
    model.encode_frame(BLACK)
    release(model)
    with robot.gpu.occupied_by_others(free=0), pytest.raises(OutOfMemoryError, match="MB"):
        model.encode_frame(BLACK)
    model.encode_frame(BLACK)
    model.close()


def release(model: VLJepa) -> None:
    """Let the backend take its memory anew at the next run, as after it ran out of it."""
    assert isinstance(model.backend, TensorRTBackend)
    model.backend._thread.call(lambda device: device.chain.release())


@pytest.mark.parametrize("code", sorted(fake_gpu.STICKY))
def test_26_after_a_sticky_error_every_call_says_that_the_device_is_lost(
    robot: Robot, code: int
) -> None:
    model = robot.load()
    robot.gpu.fail("kernel", code)
    for _ in range(3):
        with pytest.raises(DeviceLostError, match=fake_gpu.TEXTS[code]):
            model.encode_frame(BLACK)
    model.close()
    with pytest.raises(BackendError, match="closed"):
        model.encode_frame(BLACK)


@pytest.mark.parametrize("package", ["tensorrt", "pycuda"])
def test_27_a_missing_package_is_named_with_where_to_look(robot: Robot, package: str) -> None:
    fake_nvidia.remove(robot.patch, package)
    with pytest.raises(MissingPackage, match=rf"{package}.*docs/jetson\.md") as caught:
        robot.load()
    assert caught.value.package == package
    model = robot.load("auto")
    assert package in model.backend_reason
    assert model.backend.name == "onnxruntime"


def test_27_without_a_driver_tensorrt_is_not_even_imported(robot: Robot) -> None:
    """A plan that is read without a driver would end the process."""
    robot.reinstall(driver=False)
    for name in fake_nvidia.MODULES:
        robot.patch.delitem(sys.modules, name)
    robot.patch.setattr(sys, "path", [])
    with pytest.raises(NoDriver, match=r"libcuda\.so\.1.*onnxruntime"):
        robot.load()
    assert "tensorrt" not in sys.modules
    assert "driver" in robot.load("auto").backend_reason


def test_wrong_engines_are_found_by_the_clip_of_the_bundle(robot: Robot) -> None:
    """An engine that computes something else, with papers that are all in order."""
    good = plan(robot, "predictor")
    head = 44 + int.from_bytes(good[40:44], "big")
    model = onnx.load_from_string(good[head:])
    for weights in model.graph.initializer:
        values = onnx.numpy_helper.to_array(weights)
        if values.dtype == np.float32 and values.ndim == 2:
            weights.CopyFrom(onnx.numpy_helper.from_array(values[::-1].copy(), weights.name))
    body = good[40:head] + model.SerializeToString()
    put_and_seal(robot, "predictor", good[:8] + hashlib.sha256(body).digest() + body)
    with pytest.raises(TensorRTError, match="do not compute what it must"):
        robot.load()


def test_onnx_runtime_needs_none_of_it(robot: Robot) -> None:
    robot.reinstall(driver=False)
    fake_nvidia.remove(robot.patch, "tensorrt")
    assert robot.load("onnxruntime").backend.name == "onnxruntime"
    assert os.listdir(robot.engines)
