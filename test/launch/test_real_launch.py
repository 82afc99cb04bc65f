# SPDX-License-Identifier: Apache-2.0
"""ROS's own launch, if it is installed, understands the files as our recorder of it does."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.launch_api import described

pytest.importorskip("launch_ros", reason="ROS's launch is not on PyPI")

from launch import LaunchContext, LaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.logging import launch_config
from launch_ros.actions import Node

LAUNCH = Path(__file__).resolve().parent.parent.parent / "launch"


@pytest.fixture(autouse=True)
def _restored_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what a description sets in the environment of this process."""
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        monkeypatch.setenv(name, "/before.xml")


@pytest.fixture(autouse=True)
def _own_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch leaves a parameter file beside its logs, for nodes that respawn."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(launch_config, "_log_dir", str(tmp_path))


def nodes(entity: Any, context: LaunchContext) -> Iterator[Node]:
    """Visit an entity as the launch service would, but start nothing."""
    if isinstance(entity, Node):
        yield entity
        return
    for child in entity.visit(context) or []:
        yield from nodes(child, context)


@pytest.mark.parametrize("name", ["vljepa.launch.py", "demo.launch.py"])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"visualizer": "true", "namespace": "robot1"},
        {"use_composition": "false"},
        {"cameras": "front,wrist", "image_topics": "/a/image,/b/rgb", "visualizer": "true"},
        {"rviz": "true", "fixed_frame": "camera"},
    ],
    ids=["defaults", "namespace", "processes", "cameras", "rviz"],
)
def test_the_same_processes_are_described(name: str, given: dict[str, str]) -> None:
    context = LaunchContext()
    context.launch_configurations.update(given)
    source = PythonLaunchDescriptionSource(str(LAUNCH / name))
    description: LaunchDescription = source.get_launch_description(context)
    found = [(one.node_package, one.node_executable) for one in nodes(description, context)]
    expected = [(one.package, one.executable) for one in described(LAUNCH / name, **given).nodes]
    assert found == expected
