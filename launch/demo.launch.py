# SPDX-License-Identifier: Apache-2.0
"""Replay a recording as a camera topic with everything running on it.

    ros2 launch vljepa_ros demo.launch.py
    ros2 topic echo /describer/state

All other arguments are those of vljepa.launch.py.
"""

from __future__ import annotations

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from vljepa_ros.demo.fast_dds import profile_variables

SHARE = Path(__file__).parent.parent

# name: (default, description)
ARGUMENTS = {
    "source": (
        str(SHARE / "demo" / "recording.mp4"),
        "What to replay: a video, a folder of images, a bag or a camera (/dev/video0).",
    ),
    "topic": ("", "Image topic in the bag; empty: its first."),
    "rate": ("1.0", "Speed; 2.0 is twice as fast, 0.0 as fast as the images are read."),
    "loop": ("true", "Begin again at the end."),
    "namespace": ("", "Namespace of all nodes and of their topics."),
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
            for name in ("namespace", "image_topic", "log_level", "visualizer")
        ],
    )
    whole_images = [
        SetEnvironmentVariable(name, value) for name, value in profile_variables().items()
    ]
    return LaunchDescription(
        [*declared, *whole_images, nodes, OpaqueFunction(function=start_replay)]
    )


def start_replay(context: LaunchContext) -> list[Node]:
    """Return the replay's process."""
    given = {name: context.launch_configurations[name] for name in ARGUMENTS}
    replay = Node(
        package="vljepa_ros",
        executable="replay",
        name="replay",
        namespace=given["namespace"],
        parameters=[
            {
                "source": given["source"],
                "topic": given["topic"],
                "rate": float(given["rate"]),
                "loop": given["loop"].lower() == "true",
            }
        ],
        remappings=[("image_raw", given["image_topic"])],
        arguments=["--ros-args", "--log-level", given["log_level"]],
        output="screen",
        emulate_tty=True,
    )
    return [replay]
