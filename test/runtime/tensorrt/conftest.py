# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the tests of TensorRT: a driver that is compiled, and a machine with a fake GPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import fake_nvidia
from support.driver_stub import build_driver
from support.fake_gpu import FakeGpu


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a library that answers as the driver of an Orin does."""
    return build_driver(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, driver: Path) -> Iterator[FakeGpu]:
    """Return the fake GPU of this machine, which has TensorRT 10.3.0, pycuda and cuda.bindings.

    The test must give back all that it takes: memory, pinned buffers and contexts.
    """
    gpu = fake_nvidia.install(monkeypatch, driver)
    yield gpu
    assert gpu.leaks() == {}
