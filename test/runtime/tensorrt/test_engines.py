# SPDX-License-Identifier: Apache-2.0
"""A bundle's engines are found, or built once, whoever asks and whatever happens meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from support import fake_nvidia, fake_tensorrt
from support.colour_bundle import build_bare_bundle, build_colour_bundle, seal
from support.fake_gpu import FakeGpu
from support.plan_processes import (
    DEADLINE_S,
    PROCESSES,
    build_engines,
    build_on_a_full_disk,
    exit_status,
    start,
)
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.tensorrt.driver import probe_gpu
from vljepa_ros.runtime.tensorrt.engines import BuildNews, Progress, ensure_engines
from vljepa_ros.runtime.tensorrt.plan_store import PlanStore, VerifiedPlan
from vljepa_ros.runtime.tensorrt.tensorrt_errors import MissingPackage, UntrustedPlan, UnusablePlan

GRAPHS = ["frame_encoder", "x_encoder", "predictor"]


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Return a function that counts the builds in all processes so far."""
    log = tmp_path / "builds"
    log.touch()
    monkeypatch.setenv(fake_tensorrt.BUILD_LOG, str(log))
    return lambda: len(log.read_text().splitlines())


def ensure(
    bundle: Path,
    root: Path,
    *,
    allow_build: bool = True,
    progress: Progress = lambda news: None,
) -> dict[str, VerifiedPlan]:
    store = PlanStore(root, allow_untrusted=True)
    return ensure_engines(
        Bundle.load(bundle), store, probe_gpu(), allow_build=allow_build, progress=progress
    )


def test_engines_are_built_once_and_found_from_then_on(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path, builds: Callable[[], int]
) -> None:
    made = ensure(colour_bundle, tmp_path / "engines")
    assert [*made] == GRAPHS
    found = ensure(colour_bundle, tmp_path / "engines", allow_build=False)
    assert [plan.manifest for plan in found.values()] == [p.manifest for p in made.values()]
    assert [plan.read() for plan in found.values()] == [p.read() for p in made.values()]
    assert builds() == 3


def test_only_graphs_that_the_bundle_has(gpu: FakeGpu, tmp_path: Path) -> None:
    bundle = build_bare_bundle(tmp_path / "bare")
    assert [*ensure(bundle, tmp_path / "engines")] == ["x_encoder", "predictor"]


def test_nothing_is_built_unasked(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path, builds: Callable[[], int]
) -> None:
    with pytest.raises(UnusablePlan, match="no engine of frame_encoder"):
        ensure(colour_bundle, tmp_path / "engines", allow_build=False)
    assert builds() == 0
    assert not (tmp_path / "engines").exists()


def test_a_damaged_engine_is_built_again_where_that_is_allowed(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path, builds: Callable[[], int]
) -> None:
    plan = ensure(colour_bundle, tmp_path / "engines")["x_encoder"]
    assert plan.path is not None
    plan.path.write_bytes(b"")
    told: list[BuildNews] = []
    again = ensure(colour_bundle, tmp_path / "engines", progress=told.append)["x_encoder"]
    assert again.read() == ensure(colour_bundle, tmp_path / "other")["x_encoder"].read()
    assert {news.graph for news in told} == {"x_encoder"}
    assert "0 bytes, but the manifest says" in told[0].text


def test_another_release_of_tensorrt_gets_engines_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
    driver: Path,
    colour_bundle: Path,
    tmp_path: Path,
    builds: Callable[[], int],
) -> None:
    fake_nvidia.install(monkeypatch, driver, version="10.3.0")
    ensure(colour_bundle, tmp_path / "engines")
    fake_nvidia.install(monkeypatch, driver, version="11.4.0.106")
    with pytest.raises(UnusablePlan, match="tensorrt 10.3.0 instead of 11.4.0.106"):
        ensure(colour_bundle, tmp_path / "engines", allow_build=False)
    ensure(colour_bundle, tmp_path / "engines")
    assert builds() == 6


def test_a_changed_graph_is_built_again_and_the_others_are_not(
    gpu: FakeGpu, tmp_path: Path, builds: Callable[[], int]
) -> None:
    bundle = build_colour_bundle(tmp_path / "bundle")
    ensure(bundle, tmp_path / "engines")
    model = onnx.load(bundle / "predictor.onnx")
    model.doc_string = "changed"
    onnx.save(model, bundle / "predictor.onnx")
    seal(bundle)
    with pytest.raises(UnusablePlan, match="onnx_sha256 .* instead of"):
        ensure(bundle, tmp_path / "engines", allow_build=False)
    ensure(bundle, tmp_path / "engines")
    assert builds() == 4


def test_an_engine_that_others_could_have_written_is_not_built_over(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path, builds: Callable[[], int]
) -> None:
    ensure(colour_bundle, tmp_path / "engines")
    tmp_path.chmod(0o777)
    store = PlanStore(tmp_path / "engines")
    with pytest.raises(UntrustedPlan):
        ensure_engines(Bundle.load(colour_bundle), store, probe_gpu(), allow_build=True)
    empty = PlanStore(tmp_path / "new")
    with pytest.raises(UntrustedPlan):
        ensure_engines(Bundle.load(colour_bundle), empty, probe_gpu(), allow_build=True)
    assert builds() == 3


def test_later_builds_use_the_measurements_of_earlier_ones(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path
) -> None:
    ensure(colour_bundle, tmp_path / "engines")
    (cache,) = (tmp_path / "engines").glob("timing-*.cache")
    assert cache.read_bytes().endswith(b"...")


def test_without_tensorrt_the_package_is_named(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_nvidia.remove(monkeypatch, "tensorrt")
    with pytest.raises(MissingPackage, match="package tensorrt .*docs/jetson.md"):
        ensure(colour_bundle, tmp_path / "engines")


def test_two_processes_build_one_engine(
    colour_bundle: Path, driver: Path, tmp_path: Path, builds: Callable[[], int]
) -> None:
    """The second comes when the first is in the middle of its first build, and waits for it."""
    building, waiting, go_on = (PROCESSES.Event() for _ in range(3))
    arguments = colour_bundle, tmp_path / "engines", driver
    environment = os.environ[fake_tensorrt.BUILD_LOG]
    first = start(build_engines, *arguments, building, go_on, environment)
    assert building.wait(DEADLINE_S)
    second = start(build_engines, *arguments, waiting, go_on, environment)
    assert waiting.wait(DEADLINE_S)
    go_on.set()
    for process in (first, second):
        process.join(DEADLINE_S)
    assert (first.exitcode, second.exitcode) == (0, 0)
    assert builds() == 3


def test_a_builder_that_is_killed_leaves_the_work_to_the_next(
    gpu: FakeGpu, colour_bundle: Path, driver: Path, tmp_path: Path, builds: Callable[[], int]
) -> None:
    building, go_on = PROCESSES.Event(), PROCESSES.Event()
    arguments = colour_bundle, tmp_path / "engines", driver
    environment = os.environ[fake_tensorrt.BUILD_LOG]
    process = start(build_engines, *arguments, building, go_on, environment)
    assert building.wait(DEADLINE_S)
    told: list[str] = []

    def kill_who_builds(news: BuildNews) -> None:
        told.append(news.text)
        if "another process" in news.text:
            process.kill()

    assert [*ensure(colour_bundle, tmp_path / "engines", progress=kill_who_builds)] == GRAPHS
    assert any("another process" in text for text in told)
    assert builds() == 3


def test_a_full_disk_leaves_the_engines_in_memory_with_a_warning(
    colour_bundle: Path, driver: Path, tmp_path: Path
) -> None:
    assert exit_status(build_on_a_full_disk, colour_bundle, tmp_path / "engines", driver) == 0
    left = [path.name for path in (tmp_path / "engines").iterdir()]
    assert [name for name in left if not name.endswith((".lock", ".cache"))] == []


def unwritable(tmp_path: Path) -> Path:
    """Return where no folder can be made, whoever asks: root may write where others must not."""
    (tmp_path / "file").touch()
    return tmp_path / "file" / "engines"


def test_a_store_that_cannot_be_written_leaves_the_engines_in_memory(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path
) -> None:
    told: list[BuildNews] = []
    plans = ensure(colour_bundle, unwritable(tmp_path), progress=told.append)
    assert all(plan.path is None for plan in plans.values())
    expected = ensure(colour_bundle, tmp_path / "engines")
    assert {g: p.read() for g, p in plans.items()} == {g: p.read() for g, p in expected.items()}
    warnings = [news for news in told if news.warning]
    assert [news.graph for news in warnings] == GRAPHS
    assert all("built again at the next start" in news.text for news in warnings)


def test_nothing_is_stored_without_its_lock(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path
) -> None:
    """Two writers at once would mix their engines."""
    made = ensure(colour_bundle, tmp_path / "engines")
    locks = tmp_path / "locks"
    for plan in made.values():
        (locks / f"{plan.manifest.identity.key}.lock").mkdir(parents=True)
    plans = ensure(colour_bundle, locks)
    assert [plan.path for plan in plans.values()] == [None] * 3
    assert list(locks.glob("*/model.plan")) == []


def test_finding_engines_writes_nothing(gpu: FakeGpu, colour_bundle: Path, tmp_path: Path) -> None:
    root = tmp_path / "engines"
    ensure(colour_bundle, root)
    for lock in root.glob("*.lock"):
        lock.unlink()
    before = [(path, path.stat().st_mtime_ns) for path in sorted((root, *root.rglob("*")))]
    ensure(colour_bundle, root)
    assert [(p, p.stat().st_mtime_ns) for p in sorted((root, *root.rglob("*")))] == before


def test_what_a_watcher_raises_comes_out_and_nothing_is_kept(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path
) -> None:
    def interrupt(news: BuildNews) -> None:
        if news.fraction:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure(colour_bundle, tmp_path / "engines", progress=interrupt)
    assert [path.suffix for path in (tmp_path / "engines").iterdir()] == [".lock"]
    assert [*ensure(colour_bundle, tmp_path / "engines")] == GRAPHS
