# SPDX-License-Identifier: Apache-2.0
"""TensorRT-RTX as a backend: engines of another machine, kernels compiled at the first start."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import fake_nvidia
from support.colour_bundle import build_colour_bundle
from support.engines import engines_in
from support.fake_gpu import FakeGpu
from vljepa_ros.commands.build_engine import main
from vljepa_ros.runtime.backend import TENSORRT_RTX
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.choose import choose_backend
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.tensorrt.driver import gpu_of_capability
from vljepa_ros.runtime.tensorrt.engines import ensure_engines
from vljepa_ros.runtime.tensorrt.library import LIBRARIES
from vljepa_ros.runtime.tensorrt.plan_store import KERNELS, PlanStore
from vljepa_ros.runtime.tensorrt.tensorrt_errors import UntrustedPlan, UnusablePlan

RTX = LIBRARIES[TENSORRT_RTX]
NEWEST = "1.7.1.116"


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, colour_bundle: Path, tmp_path: Path) -> Path:
    """Engines for the GPU of the driver stub, 8.7, built on a machine without a driver."""
    fake_nvidia.install(monkeypatch, None, version=NEWEST)
    store = PlanStore(tmp_path / "engines", allow_untrusted=True)
    bundle, gpu = Bundle.load(colour_bundle), gpu_of_capability("8.7")
    ensure_engines(bundle, store, gpu, library=RTX, allow_build=True)
    return store.root


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, folder: Path, driver: Path) -> FakeGpu:
    """The machine that the engines were carried to."""
    return fake_nvidia.install(monkeypatch, driver, version=NEWEST)


def start(bundle: Path, folder: Path) -> None:
    VLJepa.load(bundle, backend=TENSORRT_RTX, engines=engines_in(folder)).close()


def test_engines_that_were_built_without_a_gpu_are_found_on_one(
    gpu: FakeGpu, colour_bundle: Path, folder: Path
) -> None:
    chosen = choose_backend("auto", Bundle.load(colour_bundle), 1, engines_in(folder))
    assert chosen.backend.name == TENSORRT_RTX
    assert chosen.reason == "auto chose tensorrt_rtx: there are engines for Orin"
    chosen.backend.close()
    assert gpu.leaks() == {}


def test_engines_for_another_compute_capability_are_not_taken(
    gpu: FakeGpu, colour_bundle: Path, folder: Path
) -> None:
    store = PlanStore(folder, allow_untrusted=True)
    bundle, other = Bundle.load(colour_bundle), gpu_of_capability("8.9")
    with pytest.raises(UnusablePlan, match="compute_capability 8.7 instead of 8.9"):
        ensure_engines(bundle, store, other, library=RTX)


def test_what_the_first_start_compiles_the_second_finds(
    gpu: FakeGpu, colour_bundle: Path, folder: Path
) -> None:
    for _ in range(3):
        start(colour_bundle, folder)
        assert gpu.entered["compileKernels"] == 3, "one for each graph, at the first start"
    assert len([*folder.glob(f"*/{KERNELS}")]) == 3


def test_kernels_that_are_damaged_are_compiled_anew(
    gpu: FakeGpu, colour_bundle: Path, folder: Path
) -> None:
    start(colour_bundle, folder)
    for file in folder.glob(f"*/{KERNELS}"):
        file.write_bytes(b"damaged")
    start(colour_bundle, folder)
    assert gpu.entered["compileKernels"] == 6
    start(colour_bundle, folder)
    assert gpu.entered["compileKernels"] == 6


def test_kernels_that_others_could_have_written_are_refused(
    monkeypatch: pytest.MonkeyPatch, driver: Path, colour_bundle: Path, private_folder: Path
) -> None:
    fake_nvidia.install(monkeypatch, driver, version=NEWEST)
    store = PlanStore(private_folder)
    plans = ensure_engines(
        Bundle.load(colour_bundle), store, gpu_of_capability("8.7"), library=RTX, allow_build=True
    )
    store.save_kernels(plans["predictor"], b"kernels")
    assert plans["predictor"].kernels() == b"kernels"
    (file,) = private_folder.glob(f"*/{KERNELS}")
    file.chmod(0o666)
    with pytest.raises(UntrustedPlan, match=KERNELS):
        plans["predictor"].kernels()


def test_an_engine_that_is_built_again_leaves_its_kernels_behind(
    gpu: FakeGpu, colour_bundle: Path, folder: Path
) -> None:
    start(colour_bundle, folder)
    store = PlanStore(folder, allow_untrusted=True)
    bundle, here = Bundle.load(colour_bundle), gpu_of_capability("8.7")
    plan = ensure_engines(bundle, store, here, library=RTX)["predictor"]
    assert plan.kernels()
    assert store.save(plan.manifest, plan.read()).kernels() == b""


def build(bundle: Path, folder: Path, *more: str) -> int:
    where = ["--bundle", str(bundle), "--engines", str(folder), "--allow-untrusted"]
    return main([*where, *more])


def test_the_command_builds_for_gpus_that_are_not_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_nvidia.install(monkeypatch, None, version=NEWEST)
    bundle = build_colour_bundle(tmp_path / "bundle")
    assert build(bundle, tmp_path / "engines", "--compute-capability", "8.9") == 0
    assert "not compared to ONNX Runtime" in capsys.readouterr().out
    assert build(bundle, tmp_path / "engines", "--compute-capability", "7.0") == 1
    assert "builds nothing for compute capability 7.0" in capsys.readouterr().err


def test_engines_of_tensorrt_are_built_on_their_gpu_alone(
    monkeypatch: pytest.MonkeyPatch,
    colour_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_nvidia.install(monkeypatch, None)
    asked = ("--backend", "tensorrt", "--compute-capability", "8.9")
    assert build(colour_bundle, tmp_path, *asked) == 1
    assert "only on the GPU that runs them" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        build(colour_bundle, tmp_path, "--compute-capability", "RTX 4090")
    assert "must be a number such as 8.9" in capsys.readouterr().err


def test_with_a_gpu_the_command_takes_the_library_that_is_installed(
    gpu: FakeGpu, colour_bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(colour_bundle, folder) == 0
    assert "cosine 1.0" in capsys.readouterr().out, "compared: this machine has the GPU"
    assert gpu.leaks() == {}
