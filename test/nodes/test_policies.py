# SPDX-License-Identifier: Apache-2.0
"""The SROS 2 policies allow what the running nodes do, and nothing else."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rclpy.node import Node

from support.policies import FOLDER, Profile, read_policy
from support.ros import DEADLINE_S, Bench
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.nodes.live_view import LiveView
from vljepa_ros.nodes.replay import Replay
from vljepa_ros.nodes.state_printer import StatePrinter
from vljepa_ros.nodes.visualizer import Visualizer

ROOT = Path(__file__).resolve().parents[2]
RECORDING = str(ROOT / "demo" / "recording.mp4")
POLICIES = sorted(FOLDER.glob("*.policy.xml"))
NODES: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "embedder": (Embedder, {}),
    "describer": (Describer, {}),
    "visualizer": (Visualizer, {}),
    "live_view": (LiveView, {"port": 0, "web_write": True}),
    "replay": (Replay, {"source": RECORDING}),
    "state_printer": (StatePrinter, {}),
}
# Allowed, and used only sometimes: with a parameter, or by releases of ROS 2 that offer it.
SOMETIMES = {
    "/clock",
    "/*/image_raw",
    "/describer/candidates/*",  # a topic for each query
    "/image_raw/compressed",
    "/*/image_raw/compressed",
    "/embedder/get_type_description",
    "/describer/get_type_description",
    "/visualizer/get_type_description",
    "/live_view/get_type_description",
    "/replay/get_type_description",
    "/state_printer/get_type_description",
}


def of_cameras(name: str) -> bool:
    """Whether a name is for several cameras, each in the place of the star."""
    return "/*/" in name


def graph(ros: Bench, name: str) -> dict[str, set[str]]:
    """What a node really publishes, subscribes to, offers and calls."""
    node = ros.node
    found = {
        "publish": node.get_publisher_names_and_types_by_node(name, "/"),
        "subscribe": node.get_subscriber_names_and_types_by_node(name, "/"),
        "reply": node.get_service_names_and_types_by_node(name, "/"),
        "request": node.get_client_names_and_types_by_node(name, "/"),
    }
    return {rule: {entry for entry, _ in entries} for rule, entries in found.items()}


def settled_graph(ros: Bench, node: Any) -> dict[str, set[str]]:
    """The graph of an active node, once two looks agree: discovery tells one entity at a time."""
    ros.wait(lambda: node.phase is Phase.ACTIVE, f"{node.get_name()} is active")
    own = {entry for entry, _ in node.get_publisher_names_and_types_by_node(node.get_name(), "/")}
    name, before = node.get_name(), dict[str, set[str]]()

    def settled() -> bool:
        nonlocal before
        now = graph(ros, name)
        same, before = now == before, now
        return same and own <= now["publish"] and len(now["reply"]) == len(node_services(node))

    ros.wait(settled, f"the graph knows all of {name}")
    return before


def node_services(node: Node) -> set[str]:
    return {service.srv_name for service in node.services}


def profile_of(name: str) -> Profile:
    return read_policy(FOLDER / f"{name}.policy.xml")[1][0]


def run(ros: Bench, name: str, bundle: str, **parameters: Any) -> dict[str, set[str]]:
    make, own = NODES[name]
    given = {**own, **({"bundle": bundle} if name in ("embedder", "describer") else {})}
    node = ros.add(make, **given, **parameters)
    if name == "visualizer":  # it looks at images only while somebody looks at it
        from sensor_msgs.msg import Image

        ros.inbox(Image, "visualizer/overlay")
        ros.wait(lambda: node.phase is Phase.ACTIVE, "an active visualizer")
        ros.wait(lambda: ros.node.count_subscribers("/image_raw") > 0, "it looks at images")
    if name == "live_view":  # as above
        ros.wait(lambda: node.phase is Phase.ACTIVE, "an active live view")
        node.picture("", 0)
        ros.wait(lambda: ros.node.count_subscribers("/image_raw") > 0, "it looks at images")
    return settled_graph(ros, node)


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.name)
def test_a_policy_is_formed_as_sros2_wants_it(file: Path) -> None:
    path, profiles = read_policy(file)
    assert path == f"/vljepa/{file.name.removesuffix('.policy.xml')}"
    assert profiles


def test_there_is_a_policy_for_each_node_and_the_pipeline_has_those_of_both() -> None:
    assert {read_policy(file)[0] for file in POLICIES} == {
        f"/vljepa/{name}" for name in (*NODES, "pipeline")
    }
    _, both = read_policy(FOLDER / "pipeline.policy.xml")
    assert both == [profile_of("embedder"), profile_of("describer")]


@pytest.mark.parametrize("name", NODES)
def test_a_policy_allows_all_that_its_node_does(ros: Bench, bundle: str, name: str) -> None:
    profile, real = profile_of(name), run(ros, name, bundle)
    refused = [
        f"{rule} {entry}"
        for rule, entries in real.items()
        for entry in sorted(entries)
        if not profile.covers(rule, entry)
    ]
    assert refused == []


@pytest.mark.parametrize("name", NODES)
def test_a_policy_allows_nothing_that_its_node_does_not(
    ros: Bench, bundle: str, name: str
) -> None:
    profile, real = profile_of(name), run(ros, name, bundle)
    unused = [
        f"{rule} {entry}"
        for rule, allowed in profile.allowed.items()
        for entry in allowed
        if entry not in real[rule] | SOMETIMES and not of_cameras(entry)
    ]
    assert unused == []


@pytest.mark.parametrize("name", ["embedder", "describer"])
def test_several_cameras_and_simulated_time_are_allowed(
    ros: Bench, bundle: str, name: str
) -> None:
    own = {"image_transport": "compressed"} if name == "embedder" else {}
    real = run(ros, name, bundle, cameras=["front", "wrist"], use_sim_time=True, **own)
    profile = profile_of(name)
    assert any("/wrist/" in entry for entry in real["publish"])
    assert "/clock" in real["subscribe"]
    for rule, entries in real.items():
        assert [entry for entry in entries if not profile.covers(rule, entry)] == [], rule


def test_the_policies_are_enforced(tmp_path: Path) -> None:
    """A node with its keys starts; it is refused what its policy does not name."""
    if importlib.util.find_spec("sros2") is None:
        pytest.skip("sros2 is not installed: no keystore can be made, nothing is enforced")
    secured = {
        **os.environ,
        "ROS_SECURITY_KEYSTORE": str(tmp_path),
        "ROS_SECURITY_ENABLE": "true",
        "ROS_SECURITY_STRATEGY": "Enforce",
    }
    _make_keystore(tmp_path, FOLDER / "replay.policy.xml")
    done = _start(secured, "image_raw")
    if "ok" not in done.stdout:
        pytest.skip(f"the middleware has no security libraries: {done.stderr.strip()[-300:]}")
    assert "ok" not in _start(secured, "describer/state").stdout


def _make_keystore(folder: Path, policy: Path) -> None:
    from sros2.keystore import create_enclave, create_keystore, create_permission

    create_keystore(folder)
    create_enclave(folder, "/vljepa/replay")
    create_permission(folder, "/vljepa/replay", policy)


def _start(secured: dict[str, str], topic: str) -> subprocess.CompletedProcess[str]:
    """Start a node in the replay's enclave that publishes on one topic."""
    program = (
        "import rclpy, std_msgs.msg as m\n"
        "rclpy.init(args=['--ros-args', '--enclave', '/vljepa/replay'])\n"
        "node = rclpy.create_node('replay', start_parameter_services=False)\n"
        f"node.create_publisher(m.Empty, {topic!r}, 1)\n"
        "print('ok')\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        env=secured,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
