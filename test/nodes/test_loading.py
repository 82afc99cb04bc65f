# SPDX-License-Identifier: Apache-2.0
"""While a model loads or its engines are built, the node answers and tells how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from lifecycle_msgs.srv import GetState

from support import fake_nvidia
from support.driver_stub import build_driver
from support.engines import build_engines
from support.fake_gpu import FakeGpu
from support.film import Film
from support.gated_backend import Gate
from support.ros import Bench
from vljepa_msgs.msg import Embedding, ModelInfo
from vljepa_ros.nodes.common.diagnostics import Level
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.common.qos import latched
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.tensorrt.driver import probe_gpu
from vljepa_ros.runtime.tensorrt.plan_key import ENGINE_GRAPHS, identify
from vljepa_ros.runtime.tensorrt.plan_store import PlanStore


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_driver(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def gpu(
    monkeypatch: pytest.MonkeyPatch, driver: Path, ros: Bench, tmp_path: Path
) -> Iterator[FakeGpu]:
    """A machine with a fake GPU and an empty store; what nodes took of it must come back."""
    monkeypatch.setenv("VLJEPA_ENGINES", str(tmp_path))
    yield fake_nvidia.install(monkeypatch, driver)


def state(ros: Bench) -> str:
    return str(ros.call(GetState, "embedder/get_state").current_state.label)


def test_a_node_that_loads_answers_and_reports(ros: Bench, bundle: str, gate: Gate) -> None:
    reports = ros.diagnostics("embedder")
    gate.close()
    node = ros.add(Embedder, bundle=bundle)
    ros.wait(gate.reached.is_set, "the model is loading")
    reports.clear()
    report = reports.wait_for(lambda r: r.values["state"] == "configuring", "that it loads")
    assert (report.level, report.message) == (Level.WARN.value, "configuring")
    assert state(ros) == "unconfigured"
    assert not ros.transition("embedder", "configure")
    refused = ros.set_parameters("embedder", bundle="elsewhere")
    assert not refused.successful
    assert "the node is configuring" in refused.reason
    gate.open()
    ros.wait(lambda: node.phase is Phase.ACTIVE, "it is active")


def test_a_manager_that_configures_gets_its_answer_when_it_is_loaded(
    ros: Bench, bundle: str, gate: Gate
) -> None:
    node = ros.add(Embedder, bundle=bundle, autostart=False)
    gate.close()
    answers: list[bool] = []
    manager = Thread(target=lambda: answers.append(ros.transition("embedder", "configure")))
    manager.start()
    ros.wait(gate.reached.is_set, "the model is loading")
    assert (state(ros), answers) == ("unconfigured", [])
    gate.open()
    manager.join()
    assert (state(ros), answers) == ("inactive", [True])
    assert node.phase is Phase.INACTIVE


def test_a_node_that_is_shut_down_while_it_loads_lets_the_model_go(
    ros: Bench, bundle: str, gate: Gate
) -> None:
    gate.close()
    node = ros.add(Embedder, bundle=bundle)
    ros.wait(gate.reached.is_set, "the model is loading")
    assert ros.transition("embedder", "shutdown")
    gate.open()
    ros.wait(lambda: gate.model_closed, "the model is closed")
    assert (state(ros), node.phase) == ("finalized", Phase.FINALIZED)


def test_engines_are_built_while_the_node_reports_and_then_run(
    ros: Bench, bundle: str, gpu: FakeGpu, tmp_path: Path
) -> None:
    infos = ros.inbox(ModelInfo, "embedder/model_info", latched(1))
    embeddings = ros.inbox(Embedding, "embedder/embedding")
    reports = ros.diagnostics("embedder")
    store = PlanStore(tmp_path, allow_untrusted=True)
    store.prepare()
    identity = identify(Bundle.load(bundle), "x_encoder", probe_gpu(), "10.3.0")
    with store.locked(identity, waiting=lambda: None):  # as if another node built it
        node = ros.add(
            Embedder,
            bundle=bundle,
            queries=["colour"],
            allow_build=True,
            allow_untrusted_engines=True,
        )
        waiting = "x_encoder: waiting for another process that builds it"
        report = reports.wait_for(lambda r: r.message == waiting, "what the build is at")
        assert report.values["state"] == "configuring"
        assert state(ros) == "unconfigured"
    Film(ros.camera().wait_matched(), embeddings).roll("red")
    (info,) = infos.wait(1)
    assert (info.backend, info.precision) == ("tensorrt", "fp32")
    assert info.backend_reason == "auto chose tensorrt: there are engines for Orin"
    assert len(gpu.threads) == 1
    assert ros.transition("embedder", "shutdown")
    assert gpu.leaks() == {}
    assert node.tally["model failures"] == 0


def test_engines_take_a_clip_of_each_camera(
    ros: Bench, bundle: str, gpu: FakeGpu, tmp_path: Path
) -> None:
    ros.add(
        Embedder,
        bundle=bundle,
        queries=["colour"],
        cameras=["left", "right"],
        backend="tensorrt",
        allow_build=True,
        allow_untrusted_engines=True,
    )
    for name in ("left", "right"):
        embeddings = ros.inbox(Embedding, f"embedder/{name}/embedding")
        Film(ros.camera(f"{name}/image_raw").wait_matched(), embeddings).roll("red")
    store, known = PlanStore(tmp_path, allow_untrusted=True), Bundle.load(bundle)
    for graph in ENGINE_GRAPHS:
        plan = store.find(identify(known, graph, probe_gpu(), "10.3.0", clips=2))
        assert {tensor.shape[0] for tensor in plan.manifest.outputs.values()} == {2}
    assert ros.transition("embedder", "shutdown")
    assert gpu.leaks() == {}


def test_a_build_ends_when_the_node_is_shut_down(
    ros: Bench, bundle: str, gpu: FakeGpu, tmp_path: Path
) -> None:
    store = PlanStore(tmp_path, allow_untrusted=True)
    store.prepare()
    identity = identify(Bundle.load(bundle), "x_encoder", probe_gpu(), "10.3.0")
    with store.locked(identity, waiting=lambda: None):
        node = ros.add(
            Embedder,
            bundle=bundle,
            backend="tensorrt",
            allow_build=True,
            allow_untrusted_engines=True,
        )
        ros.wait(lambda: "waiting" in node.progress, "it waits for the other")
        assert ros.transition("embedder", "shutdown")
    ros.wait(lambda: gpu.leaks() == {}, "the GPU is given back")
    assert not [path.name for path in tmp_path.glob("x_encoder-*") if path.is_dir()]


def test_without_leave_to_build_the_reason_is_reported(
    ros: Bench, bundle: str, gpu: FakeGpu
) -> None:
    reports = ros.diagnostics("embedder")
    ros.add(Embedder, bundle=bundle, backend="tensorrt")
    report = reports.wait_for(lambda r: r.level == Level.ERROR.value, "the error")
    assert "there is no engine of frame_encoder" in report.message
    assert "ros2 run vljepa_ros build_engine" in report.message


def test_engines_that_are_there_are_run(
    ros: Bench, bundle: str, gpu: FakeGpu, tmp_path: Path
) -> None:
    build_engines(Bundle.load(bundle), tmp_path)
    reports = ros.diagnostics("embedder")
    ros.add(Embedder, bundle=bundle, backend="tensorrt", allow_untrusted_engines=True)
    report = reports.wait_for(lambda r: r.values["state"] == "active", "an active node")
    assert report.values["backend"] == "tensorrt fp32"
    assert report.values["backend reason"] == "tensorrt was asked for"
