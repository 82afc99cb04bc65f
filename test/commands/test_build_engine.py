# SPDX-License-Identifier: Apache-2.0
"""The program that builds engines: what it prints, what it leaves, and how it fails."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import fake_nvidia, fake_tensorrt
from support.colour_bundle import build_colour_bundle
from support.driver_stub import build_driver
from support.fake_gpu import FakeGpu
from support.plan_processes import DEADLINE_S, PROCESSES, run_build_engine, start
from vljepa_ros.commands.build_engine import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _own_ctrl_c() -> Iterator[None]:
    """Give pytest its Ctrl-C back, which the program takes."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    return fake_nvidia.install(monkeypatch, build_driver(tmp_path))


def build(bundle: Path, engines: Path, *more: str) -> int:
    words = ["--bundle", str(bundle), "--engines", str(engines), "--allow-untrusted", *more]
    return main(words)


def test_it_builds_and_checks_and_lists(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(colour_bundle, tmp_path / "engines") == 0
    printed = capsys.readouterr().out.splitlines()
    assert "x_encoder: building engine 50 %" in printed
    for graph, line in zip(["frame_encoder", "x_encoder", "predictor"], printed[-3:], strict=True):
        assert line.startswith(f"{graph}: 0.0 MB, built in 0 s, cosine 1.0")
        assert Path(line.rpartition(", ")[2]).is_file()
    assert gpu.leaks() == {}


def test_the_second_time_it_only_lists(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(colour_bundle, tmp_path / "engines")
    capsys.readouterr()
    assert build(colour_bundle, tmp_path / "engines", "--ros-args", "-r", "__node:=build") == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_engines_for_another_number_of_cameras_are_others(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(colour_bundle, tmp_path / "engines")
    assert build(colour_bundle, tmp_path / "engines", "--cameras", "2") == 0
    plans = {*(tmp_path / "engines").glob("*/model.plan")}
    assert len(plans) == 6
    capsys.readouterr()
    with pytest.raises(SystemExit):
        build(colour_bundle, tmp_path / "engines", "--cameras", "0")
    assert "must be at least 1, not 0" in capsys.readouterr().err


def test_engines_that_compute_something_else_are_an_error(
    gpu: FakeGpu,
    colour_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = fake_tensorrt.IExecutionContext._work

    def wrong(context: fake_tensorrt.IExecutionContext) -> object:
        right = work(context)

        def run() -> None:
            right()
            if "embeddings" in context.engine._outputs:
                shape = tuple(context.get_tensor_shape("embeddings"))
                address = context.get_tensor_address("embeddings")
                values = fake_tensorrt._array(address, shape, fake_tensorrt.float32)
                values[...] = values[:, ::-1].copy()

        return run

    monkeypatch.setattr(fake_tensorrt.IExecutionContext, "_work", wrong)
    assert build(colour_bundle, tmp_path / "engines") == 1
    assert "do not compute what it must" in capsys.readouterr().err
    assert gpu.leaks() == {}


def test_a_store_that_cannot_be_written_is_an_error_before_anything_is_built(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert build(colour_bundle, tmp_path / "file" / "engines") == 1
    printed = capsys.readouterr()
    assert "build_engine: [Errno 20] Not a directory" in printed.err
    assert "building" not in printed.out


def test_engines_that_could_not_be_kept_are_an_error(
    gpu: FakeGpu,
    colour_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    full = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256, before[1]))
    try:
        assert build(colour_bundle, tmp_path / "engines") == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, full)
    printed = capsys.readouterr().err
    assert "the engine cannot be kept in" in printed
    assert "engines that could not be kept: frame_encoder, x_encoder, predictor" in printed


def test_a_shared_folder_needs_permission(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o777)
    assert main(["--bundle", str(colour_bundle), "--engines", str(tmp_path / "engines")]) == 1
    assert "a folder that everybody may write" in capsys.readouterr().err


def test_a_damaged_bundle_is_an_error(
    gpu: FakeGpu, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = build_colour_bundle(tmp_path / "bundle")
    (bundle / "x_encoder.onnx").write_bytes(b"")
    assert build(bundle, tmp_path / "engines") == 1
    assert "x_encoder.onnx: 0 bytes, but the manifest says" in capsys.readouterr().err


def test_ctrl_c_ends_a_build_at_once(colour_bundle: Path, tmp_path: Path) -> None:
    building = PROCESSES.Event()
    words = ["--bundle", str(colour_bundle), "--engines", str(tmp_path / "engines")]
    process = start(
        run_build_engine, [*words, "--allow-untrusted"], build_driver(tmp_path), building
    )
    assert building.wait(DEADLINE_S)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    process.join(DEADLINE_S)
    assert process.exitcode == -signal.SIGINT
    assert [path.suffix for path in (tmp_path / "engines").iterdir()] == [".lock"]


def test_a_machine_without_a_gpu_is_told_so_by_the_program(tmp_path: Path) -> None:
    build_driver(tmp_path, status=100)
    done = subprocess.run(
        [sys.executable, "-m", "vljepa_ros.commands.build_engine"],
        cwd=ROOT,
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("build_engine: the NVIDIA driver refuses cuInit (CUDA_ERROR_NO")
    assert "docs/jetson.md" in done.stderr
