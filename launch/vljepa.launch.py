# SPDX-License-Identifier: Apache-2.0
"""Start embedder and describer on a camera topic, and on request the visualizer and rviz.

    ros2 launch vljepa_ros vljepa.launch.py image_topic:=/camera/image_raw rviz:=true
    ros2 launch vljepa_ros vljepa.launch.py build_only:=true

The second builds the TensorRT engines of the embedder's bundle and ends: no node is started.

The parameters come from `params_file`, whose sections are named after the nodes without their
namespace. rclpy finds only sections under a node's full name, so this writes a copy with the
namespace put in front and with the launch arguments worked in, and gives every node that copy.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

SHARE = Path(__file__).parent.parent
NODES = ("embedder", "describer", "visualizer")
_PLACE = "{camera}"  # in image_topic

# name: (default, description)
ARGUMENTS = {
    "namespace": ("", "Namespace of all nodes and of their topics."),
    "params_file": (str(SHARE / "config" / "vljepa.yaml"), "Parameters of the nodes (YAML)."),
    "use_sim_time": (
        "false",
        "Take the time from /clock, as with a simulator or `bag play --clock`.",
    ),
    "autostart": (
        "true",
        "Configure and activate the nodes; false leaves it to a lifecycle manager.",
    ),
    "log_level": ("info", "Log level of the nodes: debug, info, warn, error or fatal."),
    "use_respawn": ("false", "Start a node again when its process ends."),
    "use_composition": ("true", "Run embedder and describer in one process."),
    "image_topic": (
        "image_raw",
        "Camera topic; with compressed images without its /compressed. With several cameras "
        "{camera} in it stands for their names; image_raw is {camera}/image_raw then.",
    ),
    "image_transport": ("", "raw or compressed; empty: as params_file says."),
    "bundle": ("", "Folder of the model bundle; empty: as params_file says."),
    "decoder": ("", "What finds the words: phrases or sentences; empty: as params_file says."),
    "cameras": ("", "Names of several cameras, as left,right; empty: as params_file says."),
    "build_only": ("false", "Build the TensorRT engines of the bundle, start no node, and end."),
    "visualizer": ("false", "Also run the visualizer: overlay image and text markers."),
    "rviz": ("false", "Also run rviz2 with the visualizer's picture and markers."),
    "rviz_config": (str(SHARE / "config" / "vljepa.rviz"), "What rviz2 shows."),
}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; the nodes follow when these are known."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start_nodes)])


def start_nodes(context: LaunchContext) -> list[Node]:
    """Return the processes that the arguments ask for."""
    given = {name: context.launch_configurations[name] for name in ARGUMENTS}
    if _flag(given, "build_only"):
        return [_build(given)]
    parameters = _parameters(given)
    cameras = _cameras(_embedder(given, parameters))
    topics = _image_topics(given, cameras)
    common = _common(given, parameters, topics)
    rviz = _flag(given, "rviz")
    if _flag(given, "use_composition"):
        nodes = [Node(executable="pipeline", **common)]
    else:
        nodes = [Node(executable=name, name=name, **common) for name in ("embedder", "describer")]
    if rviz or _flag(given, "visualizer"):
        nodes += [_visualizer(common, topics, camera) for camera in cameras or [""]]
    return [*nodes, _rviz(given, cameras)] if rviz else nodes


def _common(
    given: dict[str, str], parameters: dict[str, Any], topics: dict[str, str]
) -> dict[str, Any]:
    """Return what all our nodes are started with."""
    return {
        "package": "vljepa_ros",
        "namespace": given["namespace"],
        "parameters": [_written(parameters)],
        "remappings": _of_images(topics),
        "arguments": ["--ros-args", "--log-level", given["log_level"]],
        "respawn": _flag(given, "use_respawn"),
        "respawn_delay": 2.0,
        "output": "screen",
        "emulate_tty": True,
    }


def _build(given: dict[str, str]) -> Node:
    """Return the process that builds the engines which the embedder would look for."""
    section = _embedder(given, _parameters(given))
    cameras = _cameras(section)
    several = ["--cameras", str(len(cameras))] if cameras else []
    bundle = ["--bundle", section["bundle"]] if section.get("bundle") else []
    untrusted = ["--allow-untrusted"] if section.get("allow_untrusted_engines") else []
    return Node(
        package="vljepa_ros",
        executable="build_engine",
        arguments=[*bundle, *several, *untrusted],
        output="screen",
        emulate_tty=True,
    )


def _embedder(given: dict[str, str], parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the embedder's parameters."""
    return _values(parameters, f"{_prefix(given['namespace'])}/embedder")


def _cameras(section: dict[str, Any]) -> list[str]:
    """Return the names of the cameras; none where there is one without a name."""
    return [name for name in section.get("cameras") or [] if name]


def _image_topics(given: dict[str, str], cameras: list[str]) -> dict[str, str]:
    """Return the topic of each topic of images that the nodes have.

    Raises:
        ValueError: one topic is given for several cameras.
    """
    topic = given["image_topic"]
    if not cameras:
        return {"image_raw": topic}
    if topic == ARGUMENTS["image_topic"][0]:
        return {}
    if _PLACE not in topic:
        raise ValueError(f"image_topic:={topic} is for several cameras and needs a {_PLACE}")
    return {f"{name}/image_raw": topic.replace(_PLACE, name) for name in cameras}


def _of_images(topics: dict[str, str]) -> list[tuple[str, str]]:
    """Return the remappings of topics of images, compressed or not."""
    return [
        (f"{name}{kind}", f"{topic}{kind}")
        for name, topic in topics.items()
        for kind in ("", "/compressed")
    ]


def _visualizer(common: dict[str, Any], topics: dict[str, str], camera: str) -> Node:
    """Return what shows a camera; an empty name stands for the only one."""
    seen = f"{camera}/image_raw"
    of_camera = [
        *_of_images({"image_raw": topics.get(seen, seen)}),
        ("describer/state", f"describer/{camera}/state"),
        ("embedder/embedding", f"embedder/{camera}/embedding"),
    ]
    remappings = [*common["remappings"], *(of_camera if camera else [])]
    started = {**common, "remappings": remappings}
    return Node(executable="visualizer", name=_visualizer_of(camera), **started)


def _visualizer_of(camera: str) -> str:
    return f"{camera}_visualizer" if camera else "visualizer"


def _rviz(given: dict[str, str], cameras: list[str]) -> Node:
    """Return rviz with the picture of the first camera."""
    prefix = _prefix(given["namespace"])
    shown = _visualizer_of(cameras[0] if cameras else "")
    return Node(
        package="rviz2",
        executable="rviz2",
        namespace=given["namespace"],
        arguments=["-d", given["rviz_config"]],
        parameters=[{"use_sim_time": _flag(given, "use_sim_time")}],
        remappings=[
            (f"/visualizer/{topic}", f"{prefix}/{shown}/{topic}")
            for topic in ("overlay", "markers")
        ],
        output="screen",
    )


def _parameters(given: dict[str, str]) -> dict[str, Any]:
    """Return params_file's sections under the nodes' full names, the arguments worked in."""
    path = Path(given["params_file"])
    read = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    prefix = _prefix(given["namespace"])
    sections = {
        name if name.startswith("/") else f"{prefix}/{name}": section
        for name, section in read.items()
    }
    for name in NODES:
        own = _values(sections, f"{prefix}/{name}")
        sections[f"{prefix}/{name}"] = {"ros__parameters": {**own, **_overrides(given, name)}}
    shared = _values(sections, f"{prefix}/visualizer")
    for camera in _cameras(_embedder(given, sections)):
        full_name = f"{prefix}/{_visualizer_of(camera)}"
        own = _values(sections, full_name)
        sections[full_name] = {"ros__parameters": {**shared, **own}}
    return sections


def _values(sections: dict[str, Any], node: str) -> dict[str, Any]:
    """Return the parameters of a node, none where it has no section."""
    return (sections.get(node) or {}).get("ros__parameters") or {}


def _overrides(given: dict[str, str], node: str) -> dict[str, Any]:
    """Return the parameters of `node` that arguments set."""
    values: dict[str, Any] = {name: _flag(given, name) for name in ("use_sim_time", "autostart")}
    accepted = {
        "embedder": ("bundle", "image_transport", "cameras"),
        "describer": ("bundle", "decoder", "cameras"),
        "visualizer": ("image_transport",),
    }
    values.update({name: given[name] for name in accepted.get(node, ()) if given[name]})
    if "cameras" in values:
        values["cameras"] = [name.strip() for name in values["cameras"].split(",")]
    return values


def _written(parameters: dict[str, Any]) -> str:
    """Write the parameters to a file that outlives this process, for respawned nodes."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="vljepa_", suffix=".yaml", delete=False, encoding="utf-8"
    ) as file:
        yaml.safe_dump(parameters, file)
    return file.name


def _prefix(namespace: str) -> str:
    """Return the namespace with a slash in front and none behind; empty for the root."""
    inner = namespace.strip("/")
    return f"/{inner}" if inner else ""


def _flag(given: dict[str, str], name: str) -> bool:
    """Return a yes-or-no argument.

    Raises:
        ValueError: it is neither.
    """
    value = given[name].lower()
    if value not in ("true", "false"):
        raise ValueError(f"{name}:={given[name]} is neither true nor false")
    return value == "true"
