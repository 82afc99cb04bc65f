# SPDX-License-Identifier: Apache-2.0
"""Replay a recording as a camera topic with everything running on it, and print the states.

    ros2 launch vljepa_ros demo.launch.py
    ros2 launch vljepa_ros demo.launch.py source:=~/bag topic:=/camera/image_raw rviz:=true

All other arguments are those of vljepa.launch.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.logging import launch_config
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from vljepa_ros.nodes.common.params_file import (
    Values,
    read_params_file,
    values_of,
    write_params,
)
from vljepa_ros.nodes.launch_plan import full_namespace, is_true

SHARE = Path(__file__).parent.parent
RECORDING = SHARE / "demo" / "recording.mp4"
SHIPPED_PARAMS = SHARE / "config" / "vljepa.yaml"
_AS_FILE = "empty: as params_file says"

# name: (default, description)
ARGUMENTS = {
    "source": (
        "",
        "What to replay: a video, a folder of images, a bag or a camera (/dev/video0); "
        f"{_AS_FILE}, or else the shipped recording.",
    ),
    "topic": ("", f"Image topic in the bag; {_AS_FILE}, or else its first."),
    "rate": (
        "",
        "Speed; 2.0 is twice as fast, 0.0 as fast as the images are read; "
        f"{_AS_FILE}, or else 1.0.",
    ),
    "loop": ("", f"Begin again at the end: true or false; {_AS_FILE}, or else true."),
    "stamps": (
        "",
        "Stamps of the images: now, or recorded to keep those of the recording; "
        f"{_AS_FILE}, or else now.",
    ),
    "namespace": ("", "Namespace of all nodes and of their topics."),
    "params_file": (
        str(SHIPPED_PARAMS),
        "Parameters of the nodes (YAML). An argument that is given counts more.",
    ),
    "image_topic": ("image_raw", "Topic on which the recording is replayed."),
    "log_level": ("info", "Log level of the nodes: debug, info, warn, error or fatal."),
    "visualizer": ("true", "Also run the visualizer: overlay image and text markers."),
}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments, start the nodes on the replayed topic, then the replay."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    nodes = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / "launch" / "vljepa.launch.py")),
        launch_arguments=[
            (name, LaunchConfiguration(name))
            for name in ("namespace", "params_file", "image_topic", "log_level", "visualizer")
        ],
    )
    return LaunchDescription([*declared, nodes, OpaqueFunction(function=start_replay)])


def start_replay(context: LaunchContext) -> list[Node]:
    """Return the processes that replay the recording and print the states."""
    given = {name: context.launch_configurations[name] for name in ARGUMENTS}
    outer = context.launch_configurations.get("ros_namespace", "")
    common: dict[str, Any] = {
        "package": "vljepa_ros",
        "namespace": given["namespace"],
        "arguments": ["--ros-args", "--log-level", given["log_level"]],
        "output": "screen",
        "emulate_tty": True,
    }
    node = f"{full_namespace(outer, given['namespace'])}/replay"
    parameters = {node: _replay_parameters(given, node)}
    return [
        Node(
            executable="replay",
            name="replay",
            parameters=write_params(parameters, Path(launch_config.log_dir)),
            remappings=[("image_raw", given["image_topic"])],
            **common,
        ),
        Node(executable="state_printer", name="state_printer", **common),
    ]


def _replay_parameters(given: dict[str, str], node: str) -> Values:
    """Return the parameters of the replay; an argument that is given counts most.

    Args:
        given: Value of each argument.
        node: Full name of the replay.
    """
    path = Path(given["params_file"]).expanduser()
    shipped = path == SHIPPED_PARAMS  # it holds the node's own defaults, not those of this demo
    file = {} if shipped else values_of(read_params_file(path), node, node.rpartition("/")[0])
    values: Values = {"loop": True, **file}
    values["source"] = given["source"] or values.get("source") or str(RECORDING)
    values.update({name: given[name] for name in ("topic", "stamps") if given[name]})
    if given["rate"]:
        values["rate"] = float(given["rate"])
    if given["loop"]:
        values["loop"] = is_true(given, "loop")
    return values
