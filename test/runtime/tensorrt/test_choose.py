# SPDX-License-Identifier: Apache-2.0
"""Which backend runs a model on which machine, and what is said about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import fake_nvidia
from support.engines import build_engines, engines_in
from support.fake_gpu import FakeGpu
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.choose import Chosen, choose_backend
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.tensorrt.tensorrt_backend import EngineOptions
from vljepa_ros.runtime.tensorrt.tensorrt_errors import (
    MissingPackage,
    NoDriver,
    UntrustedPlan,
    UnusablePlan,
)


@pytest.fixture
def bundle(colour_bundle: Path) -> Bundle:
    return Bundle.load(colour_bundle)


@pytest.fixture
def folder(gpu: FakeGpu, bundle: Bundle, tmp_path: Path) -> Path:
    """The engines of the bundle, on a machine with all that TensorRT needs."""
    build_engines(bundle, tmp_path / "engines")
    return tmp_path / "engines"


@contextmanager
def chosen(name: str, bundle: Bundle, engines: EngineOptions) -> Iterator[Chosen]:
    it = choose_backend(name, bundle, 1, engines)
    yield it
    it.backend.close()


def test_with_engines_auto_is_tensorrt_and_says_on_what(bundle: Bundle, folder: Path) -> None:
    with chosen("auto", bundle, engines_in(folder)) as it:
        assert it.backend.name == "tensorrt"
        assert it.reason == "auto chose tensorrt: there are engines for Orin"


def test_who_asks_for_a_backend_gets_it(bundle: Bundle, folder: Path) -> None:
    for name in ("tensorrt", "onnxruntime"):
        with chosen(name, bundle, engines_in(folder)) as it:
            assert (it.backend.name, it.reason) == (name, f"{name} was asked for")


@pytest.mark.parametrize("name", ["tensorrt", "pycuda"])
def test_without_a_package_auto_is_onnxruntime_and_says_which(
    bundle: Bundle, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fake_nvidia.remove(monkeypatch, name)
    with chosen("auto", bundle, engines_in(folder)) as it:
        assert it.backend.name == "onnxruntime"
        assert f"TensorRT cannot be used: the Python package {name} " in it.reason
        assert "docs/jetson.md" in it.reason
    with pytest.raises(MissingPackage):
        choose_backend("tensorrt", bundle, 1, engines_in(folder))


def test_without_a_driver_auto_is_onnxruntime(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_nvidia.install(monkeypatch, None)
    with chosen("auto", bundle, engines_in(tmp_path)) as it:
        assert it.backend.name == "onnxruntime"
        assert "TensorRT cannot be used: there is no NVIDIA driver" in it.reason
    with pytest.raises(NoDriver):
        choose_backend("tensorrt", bundle, 1, engines_in(tmp_path))


def test_without_an_engine_auto_is_onnxruntime_and_says_how_to_build_it(
    bundle: Bundle, gpu: FakeGpu, tmp_path: Path
) -> None:
    with chosen("auto", bundle, engines_in(tmp_path)) as it:
        assert it.backend.name == "onnxruntime"
        assert "no engine of frame_encoder" in it.reason
        assert "ros2 run vljepa_ros build_engine" in it.reason
    with pytest.raises(UnusablePlan):
        choose_backend("tensorrt", bundle, 1, engines_in(tmp_path))
    with chosen("auto", bundle, engines_in(tmp_path, allow_build=True)) as it:
        assert it.backend.name == "tensorrt"


def test_an_engine_that_others_could_have_written_is_an_error_also_for_auto(
    bundle: Bundle, folder: Path
) -> None:
    with pytest.raises(UntrustedPlan):
        choose_backend("auto", bundle, 1, EngineOptions(folder=folder))


def test_a_model_tells_the_reason(colour_bundle: Path, folder: Path) -> None:
    model = VLJepa.load(colour_bundle, backend="auto", engines=engines_in(folder))
    assert model.backend_reason == "auto chose tensorrt: there are engines for Orin"
    model.close()
