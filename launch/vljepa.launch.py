# SPDX-License-Identifier: Apache-2.0
"""Start embedder and describer on a camera topic, and on request what shows them.

    ros2 launch vljepa_ros vljepa.launch.py image_topic:=/camera/image_raw rviz:=true
    ros2 launch vljepa_ros vljepa.launch.py cameras:=front,wrist image_topics:=/a/image,/b/rgb
    ros2 launch vljepa_ros vljepa.launch.py web:=true
    ros2 launch vljepa_ros vljepa.launch.py build_only:=true

The last builds the TensorRT engines of the embedder's bundle and ends: no node is started.

The parameters come from `params_file`, and an argument counts only if it is given. Sections of the
file are read as ROS reads them (`/robot1/embedder`, `/**`, `/*/embedder`), and a name without a
slash in front, such as `embedder`, also in the namespace of the launch. What each node gets is
written to the folder of the launch's logs, so that a node that respawns finds it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.logging import get_logger, launch_config
from launch_ros.actions import Node

from vljepa_ros.nodes.common.fast_dds import profile_variables
from vljepa_ros.nodes.common.params_file import unread_sections, write_params
from vljepa_ros.nodes.launch_plan import Plan, full_namespace, is_true, make_plan, visualizer_of
from vljepa_ros.nodes.start import missing_messages

SHARE = Path(__file__).parent.parent
NODES = ("embedder", "describer", "visualizer", "live_view", "replay")  # that may have a section
_AS_FILE = "empty: as params_file says."

# name: (default, description)
ARGUMENTS = {
    "namespace": ("", "Namespace of all nodes and of their topics."),
    "params_file": (
        str(SHARE / "config" / "vljepa.yaml"),
        "Parameters of the nodes (YAML). An argument that is given counts more.",
    ),
    "use_sim_time": (
        "",
        "Take the time from /clock, as with a simulator or `bag play --clock`: true or false; "
        f"{_AS_FILE}",
    ),
    "autostart": (
        "",
        "Configure and activate the nodes: true, or false to leave it to a lifecycle manager; "
        f"{_AS_FILE}",
    ),
    "log_level": ("info", "Log level of the nodes: debug, info, warn, error or fatal."),
    "use_respawn": ("false", "Start a node again when its process ends."),
    "use_composition": ("true", "Run embedder and describer in one process."),
    "image_topic": (
        "image_raw",
        "Camera topic; with compressed images without its /compressed. With several cameras "
        "{camera} in it stands for their names; image_raw is {camera}/image_raw then.",
    ),
    "image_topics": (
        "",
        "Topics of several cameras, as /a/image,/b/rgb in the order of `cameras`; empty: "
        "image_topic.",
    ),
    "image_transport": ("", f"raw or compressed; {_AS_FILE}"),
    "bundle": ("", f"Folder of the model bundle; {_AS_FILE}"),
    "queries_file": ("", f"YAML file of queries with their phrases; {_AS_FILE}"),
    "decoder": ("", f"What finds the words: phrases or sentences; {_AS_FILE}"),
    "examples_file": ("", f"File of visual examples (.npz) of save_examples; {_AS_FILE}"),
    "cameras": ("", f"Names of several cameras, as left,right; {_AS_FILE}"),
    "enclave": (
        "",
        "Security enclaves of the nodes: /vljepa gives the pipeline /vljepa/pipeline, as in "
        "config/sros2; empty: none.",
    ),
    "build_only": ("false", "Build the TensorRT engines of the bundle, start no node, and end."),
    "web": (
        "false",
        "Also serve the live view, a page in the browser: the log prints its address.",
    ),
    "host": (
        "",
        "Address on which the live view is served; any but this machine's own asks visitors for "
        f"the token that the log prints; {_AS_FILE}",
    ),
    "port": ("", f"Port on which the live view is served; {_AS_FILE}"),
    "web_write": (
        "",
        "Whether whoever sees the live view may add phrases to queries: true or false; "
        f"{_AS_FILE}",
    ),
    "visualizer": ("false", "Also run the visualizer: overlay image and text markers."),
    "rviz": ("false", "Also run rviz2 with the visualizer's picture and markers."),
    "rviz_config": (str(SHARE / "config" / "vljepa.rviz"), "What rviz2 shows."),
    "fixed_frame": ("", "Fixed frame of rviz2, as the images' frame_id; empty: rviz_config's."),
}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; the nodes follow when these are known."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start_nodes)])


def start_nodes(context: LaunchContext) -> list[Any]:
    """Return the processes that the arguments ask for.

    Raises:
        RuntimeError: vljepa_msgs is missing.
        ValueError: An argument or the parameter file cannot be used.
    """
    if cause := missing_messages():
        raise RuntimeError(cause)
    given = {name: context.launch_configurations[name] for name in ARGUMENTS}
    # What a PushRosNamespace around this launch file has set.
    outer = context.launch_configurations.get("ros_namespace", "")
    plan = make_plan(given, full_namespace(outer, given["namespace"]))
    if is_true(given, "build_only"):
        return [_build(plan)]
    _warn_of_unread_sections(plan)
    large_images = profile_variables(SHARE / "config" / "fastdds.xml")
    environment = [SetEnvironmentVariable(name, value) for name, value in large_images.items()]
    return [*environment, *_nodes(plan)]


def _warn_of_unread_sections(plan: Plan) -> None:
    """Name the sections of the parameter file that no node of ours reads."""
    nodes = [f"{plan.namespace}/{node}" for node in NODES]
    unread = unread_sections(plan.sections, [*nodes, *plan.parameters], plan.namespace)
    if unread:
        _warn(f"no node of this launch reads these sections of params_file: {', '.join(unread)}")


def _nodes(plan: Plan) -> list[Node]:
    """Return the processes of the nodes."""
    given, common = plan.given, _common(plan)
    rviz = is_true(given, "rviz")
    if is_true(given, "use_composition"):
        nodes = [Node(executable="pipeline", **_secured("pipeline", common, given))]
    else:
        nodes = [
            Node(executable=name, name=name, **_secured(name, common, given))
            for name in ("embedder", "describer")
        ]
    if rviz or is_true(given, "visualizer"):
        nodes += [_visualizer(plan, common, camera) for camera in plan.cameras or [""]]
    if is_true(given, "web"):
        secured = _secured("live_view", common, given)
        nodes.append(Node(executable="live_view", name="live_view", **secured))
    if rviz and not _is_installed("rviz2"):
        _warn("rviz2 is not installed, so that everything but rviz2 is started")
        rviz = False
    return [*nodes, _rviz(plan)] if rviz else nodes


def _common(plan: Plan) -> dict[str, Any]:
    """Return what all our nodes are started with."""
    return {
        "package": "vljepa_ros",
        "namespace": plan.given["namespace"],
        "parameters": write_params(plan.parameters, Path(launch_config.log_dir)),
        "remappings": _of_images(plan.topics),
        "arguments": ["--ros-args", "--log-level", plan.given["log_level"]],
        "respawn": is_true(plan.given, "use_respawn"),
        "respawn_delay": 2.0,
        "output": "screen",
        "emulate_tty": True,
    }


def _secured(name: str, common: dict[str, Any], given: dict[str, str]) -> dict[str, Any]:
    """Return ``common`` with the enclave of a node, if there are enclaves."""
    if not given["enclave"]:
        return common
    enclave = f"{given['enclave'].rstrip('/')}/{name}"
    return {**common, "arguments": [*common["arguments"], "--enclave", enclave]}


def _build(plan: Plan) -> Node:
    """Return the process that builds the engines which the embedder would look for."""
    embedder = plan.parameters[f"{plan.namespace}/embedder"]
    several = ["--cameras", str(len(plan.cameras))] if plan.cameras else []
    bundle = ["--bundle", embedder["bundle"]] if embedder.get("bundle") else []
    library = embedder.get("backend", "auto")
    backend = ["--backend", library] if library.startswith("tensorrt") else []
    untrusted = ["--allow-untrusted"] if embedder.get("allow_untrusted_engines") else []
    return Node(
        package="vljepa_ros",
        executable="build_engine",
        arguments=[*bundle, *backend, *several, *untrusted],
        output="screen",
        emulate_tty=True,
    )


def _of_images(topics: dict[str, str]) -> list[tuple[str, str]]:
    """Return the remappings of topics of images, compressed or not."""
    return [
        (f"{name}{kind}", f"{topic}{kind}")
        for name, topic in topics.items()
        for kind in ("", "/compressed")
    ]


def _visualizer(plan: Plan, common: dict[str, Any], camera: str) -> Node:
    """Return what shows a camera; an empty name stands for the only one."""
    seen = f"{camera}/image_raw"
    of_camera = [
        *_of_images({"image_raw": plan.topics.get(seen, seen)}),
        ("describer/state", f"describer/{camera}/state"),
        ("describer/states", f"describer/{camera}/states"),
        ("embedder/embedding", f"embedder/{camera}/embedding"),
    ]
    remappings = [*common["remappings"], *(of_camera if camera else [])]
    name = visualizer_of(camera)
    started = {**_secured(name, common, plan.given), "remappings": remappings}
    return Node(executable="visualizer", name=name, **started)


def _rviz(plan: Plan) -> Node:
    """Return rviz with the picture of the first camera."""
    shown = visualizer_of(plan.cameras[0] if plan.cameras else "")
    config = Path(plan.given["rviz_config"]).expanduser()
    frame = ["-f", plan.given["fixed_frame"]] if plan.given["fixed_frame"] else []
    sim_time = plan.parameters[f"{plan.namespace}/{shown}"].get("use_sim_time", False)
    clock = ["--ros-args", "-p", "use_sim_time:=true"] if sim_time else []
    return Node(
        package="rviz2",
        executable="rviz2",
        namespace=plan.given["namespace"],
        arguments=["-d", str(config), *frame, *clock],
        remappings=[
            (f"/visualizer/{topic}", f"{plan.namespace}/{shown}/{topic}")
            for topic in ("overlay", "markers")
        ],
        output="screen",
    )


def _is_installed(package: str) -> bool:
    """Return whether launch would find the executable of a package, named like it."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return any(Path(prefix, "lib", package, package).is_file() for prefix in prefixes if prefix)


def _warn(text: str) -> None:
    get_logger("vljepa_ros").warning(text)
