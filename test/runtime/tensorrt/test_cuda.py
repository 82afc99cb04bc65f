# SPDX-License-Identifier: Apache-2.0
"""The calls of CUDA: what they copy, how they wait, and what their failures mean."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support import fake_gpu, fake_nvidia
from support.fake_gpu import FakeGpu
from vljepa_ros.runtime.backend import BackendError, DeviceLostError, OutOfMemoryError
from vljepa_ros.runtime.tensorrt.cuda import Cuda
from vljepa_ros.runtime.tensorrt.tensorrt_errors import MissingPackage


@pytest.fixture
def cuda(gpu: FakeGpu) -> Iterator[Cuda]:
    it = Cuda()
    yield it
    it.close()


def test_what_goes_up_comes_down_and_nothing_spins(gpu: FakeGpu, cuda: Cuda) -> None:
    memory = cuda.allocate(12)
    up, down = cuda.pinned((3,), np.float32), cuda.pinned((3,), np.float32)
    up[:] = 1.5, -2.0, 3.0
    down[:] = 0.0
    cuda.upload(memory, up)
    cuda.download(down, memory)
    assert down.tolist() == [1.5, -2.0, 3.0]
    assert gpu.waits == {"blocking": 1}
    memory.free()
    cuda.unpin(up)
    cuda.unpin(down)


def test_free_memory_is_counted(gpu: FakeGpu, cuda: Cuda) -> None:
    with gpu.occupied_by_others(free=3_000_000):
        assert cuda.free_mb() == pytest.approx(3.0)


def test_too_little_memory_is_told_with_what_is_free(gpu: FakeGpu, cuda: Cuda) -> None:
    with (
        gpu.occupied_by_others(free=2_000_000),
        pytest.raises(OutOfMemoryError, match=r"buffer of 5.0 MB failed: .* 2 MB .* are free"),
    ):
        cuda.allocate(5_000_000)
    gpu.fail("cuMemHostAlloc", fake_gpu.OUT_OF_MEMORY)
    with pytest.raises(OutOfMemoryError, match=r"pinned memory for \(3,\) float32"):
        cuda.pinned((3,), np.float32)


def test_a_call_that_fails_once_loses_nothing(gpu: FakeGpu, cuda: Cuda) -> None:
    memory, array = cuda.allocate(4), cuda.pinned((1,), np.float32)
    gpu.fail("cuMemcpyHtoDAsync", fake_gpu.INVALID_VALUE)
    with pytest.raises(BackendError, match="invalid argument") as caught:
        cuda.upload(memory, array)
    assert type(caught.value) is BackendError
    cuda.upload(memory, array)
    cuda.download(array, memory)
    memory.free()
    cuda.unpin(array)


def test_an_error_that_stays_is_a_lost_device(
    monkeypatch: pytest.MonkeyPatch, driver: Path
) -> None:
    gpu = fake_nvidia.install(monkeypatch, driver)
    cuda = Cuda()
    memory, array = cuda.allocate(4), cuda.pinned((1,), np.float32)
    cuda.upload(memory, array)
    gpu.fail("kernel", fake_gpu.ILLEGAL_ADDRESS)
    with pytest.raises(DeviceLostError, match="illegal memory access.* does not answer"):
        cuda.download(array, memory)
    with pytest.raises(DeviceLostError):
        cuda.allocate(4)
    assert cuda.free_mb() == 0.0


def test_without_pycuda_the_error_names_it(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nvidia.remove(monkeypatch, "pycuda")
    with pytest.raises(MissingPackage, match="package pycuda .*docs/jetson.md") as caught:
        Cuda()
    assert caught.value.package == "pycuda"


@pytest.mark.parametrize(
    "routine",
    ["cuInit", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent", "cuStreamCreate", "cuEventCreate"],
)
def test_what_fails_at_the_start_is_undone(gpu: FakeGpu, routine: str) -> None:
    gpu.fail(routine, fake_gpu.OUT_OF_MEMORY)
    with pytest.raises(BackendError, match=f"{routine} failed: out of memory"):
        Cuda()
    assert gpu.leaks() == {}
