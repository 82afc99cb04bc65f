# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the tests of TensorRT: a driver that is compiled, and a machine with a fake GPU."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import fake_nvidia
from support.driver_stub import build_driver
from support.fake_gpu import FakeGpu

_CHECKOUT = Path(__file__).resolve().parents[3]


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


def everybody_may_write_above(folder: Path) -> bool:
    return any(above.stat().st_mode & stat.S_IWOTH for above in (folder, *folder.parents))


@pytest.fixture
def private_folder() -> Iterator[Path]:
    """Return a folder that is not below a shared one, as pytest's own are."""
    own = [path for path in (Path.home(), _CHECKOUT) if os.access(path, os.W_OK)]
    places = [path for path in own if not everybody_may_write_above(path.resolve())]
    if not places:
        pytest.skip("neither the home folder nor the checkout is out of reach of other users")
    folder = Path(tempfile.mkdtemp(prefix=".vljepa-test-", dir=places[0]))
    yield folder
    shutil.rmtree(folder)
