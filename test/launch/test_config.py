# SPDX-License-Identifier: Apache-2.0
"""config/vljepa.yaml says what the nodes do without it; config/vljepa.rviz shows their topics."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("rclpy", reason="the nodes' parameter tables need ROS 2")

from vljepa_ros.nodes import start
from vljepa_ros.nodes.common.lifecycle import AUTOSTART
from vljepa_ros.nodes.common.parameters import ParameterSpec
from vljepa_ros.nodes.parameter_tables import (
    DESCRIBER,
    EMBEDDER,
    LIVE_VIEW,
    REPLAY,
    VISUALIZER,
)

CONFIG = Path(__file__).resolve().parent.parent.parent / "config"
TABLES = {
    "embedder": EMBEDDER,
    "describer": DESCRIBER,
    "replay": REPLAY,
    "visualizer": VISUALIZER,
    "live_view": LIVE_VIEW,
}


def written() -> dict[str, Any]:
    content = yaml.safe_load((CONFIG / "vljepa.yaml").read_text(encoding="utf-8"))
    return {name: section["ros__parameters"] for name, section in content.items()}


def test_every_node_has_a_section() -> None:
    assert set(written()) == set(TABLES)


@pytest.mark.parametrize("node", TABLES)
def test_the_file_and_the_node_agree(node: str) -> None:
    table: tuple[ParameterSpec, ...] = (*TABLES[node], AUTOSTART)
    values = written()[node]
    assert values == {spec.name: spec.default for spec in table}
    for spec in table:  # ROS takes 1 for no double and 1.0 for no integer
        assert type(values[spec.name]) is type(spec.default), spec.name


@pytest.mark.parametrize("node", TABLES)
def test_every_default_is_in_its_own_range(node: str) -> None:
    for spec in TABLES[node]:
        assert spec.refusal(spec.default) is None
        if spec.minimum is not None and spec.maximum is not None:
            assert spec.minimum <= spec.default <= spec.maximum


def test_rviz_shows_the_visualizers_topics() -> None:
    content = yaml.safe_load((CONFIG / "vljepa.rviz").read_text(encoding="utf-8"))
    displays = content["Visualization Manager"]["Displays"]
    shown = {
        one["Class"].split("/")[1]: one["Topic"]["Value"] for one in displays if "Topic" in one
    }
    assert shown == {"Image": "/visualizer/overlay", "MarkerArray": "/visualizer/markers"}
    assert all(one["Enabled"] for one in displays)


@pytest.mark.parametrize("node", [*TABLES, "pipeline", "state_printer"])
def test_every_executable_has_a_main(node: str) -> None:
    assert callable(importlib.import_module(f"vljepa_ros.nodes.{node}").main)
    assert callable(getattr(start, node))
