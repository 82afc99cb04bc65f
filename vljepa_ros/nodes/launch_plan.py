# SPDX-License-Identifier: Apache-2.0
"""Works out what the launch file starts, from its arguments and the parameter file.

It imports neither launch nor rclpy, so that it can be tested without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vljepa_ros.nodes.common.params_file import (
    Sections,
    Values,
    is_for,
    read_params_file,
    values_of,
)

_IMAGE_TOPIC = "image_raw"  # the default
_PLACE = "{camera}"  # in image_topic
_MAX_PORT = 65535

# What an argument of the same name is for.
_PARAMETERS_OF = {
    "embedder": ("bundle", "queries_file", "image_transport", "cameras"),
    "describer": ("bundle", "decoder", "examples_file", "cameras"),
    "visualizer": ("image_transport",),
    "live_view": ("cameras", "image_transport", "host", "port", "web_write"),
}


@dataclass(frozen=True)
class Plan:
    """What is started, worked out before anything is.

    Attributes:
        given: Value of each argument of the launch file.
        namespace: With a slash in front and none behind; empty for the root.
        sections: Those of the parameter file.
        cameras: Names of the cameras; empty for one without a name.
        topics: Topic of each topic of images that the nodes have.
        parameters: Parameters of each node, by its full name.
    """

    given: dict[str, str]
    namespace: str
    sections: Sections
    cameras: list[str]
    topics: dict[str, str]
    parameters: dict[str, Values]


def make_plan(given: dict[str, str], namespace: str) -> Plan:
    """Work out what the arguments and the parameter file ask for.

    Args:
        given: Value of each argument of the launch file.
        namespace: With a slash in front and none behind; empty for the root.

    Raises:
        ValueError: An argument or the parameter file cannot be used.
    """
    sections = read_params_file(Path(given["params_file"]).expanduser())
    parameters = {
        f"{namespace}/{node}": {
            **values_of(sections, f"{namespace}/{node}", namespace),
            **_arguments_for(node, given),
        }
        for node in _PARAMETERS_OF
    }
    cameras = _names_in(parameters[f"{namespace}/embedder"].get("cameras"))
    if cameras:  # the live view shows those that the embedder looks at
        parameters[f"{namespace}/live_view"]["cameras"] = cameras
    shared = parameters[f"{namespace}/visualizer"]
    for camera in cameras:
        node = f"{namespace}/{visualizer_of(camera)}"
        own = _only_for(node, f"{namespace}/visualizer", sections, namespace)
        parameters[node] = {**shared, **own, **_arguments_for("visualizer", given)}
    return Plan(given, namespace, sections, cameras, _image_topics(given, cameras), parameters)


def _names_in(cameras: Any) -> list[str]:
    """Return the names of the cameras; none if there is one without a name."""
    return [str(name) for name in cameras if name] if isinstance(cameras, list) else []


def _only_for(node: str, other: str, sections: Sections, namespace: str) -> Values:
    """Return what the file says for a node and not for the other."""
    own = {name: values for name, values in sections.items() if not is_for(name, other, namespace)}
    return values_of(own, node, namespace)


def _arguments_for(node: str, given: dict[str, str]) -> Values:
    """Return the parameters of a node that are given as arguments."""
    flags = ("use_sim_time", "autostart")
    values: Values = {name: is_true(given, name) for name in flags if given[name]}
    values.update({name: given[name] for name in _PARAMETERS_OF[node] if given[name]})
    if "cameras" in values:
        values["cameras"] = _split(given["cameras"])
    if "port" in values:
        values["port"] = _port(given["port"])
    if "web_write" in values:
        values["web_write"] = is_true(given, "web_write")
    return values


def _image_topics(given: dict[str, str], cameras: list[str]) -> dict[str, str]:
    """Return the topic of each topic of images that the nodes have.

    Raises:
        ValueError: The topics do not fit the cameras.
    """
    topic, topics = given["image_topic"], _split(given["image_topics"])
    is_default = topic == _IMAGE_TOPIC
    if topics:
        if not is_default:
            raise ValueError("image_topic and image_topics are given; leave one of them out")
        if len(topics) != len(cameras):
            raise ValueError(
                f"image_topics:={given['image_topics']} has {len(topics)} topics for "
                f"{len(cameras)} names in cameras; give each camera a name and a topic"
            )
        return {f"{name}/image_raw": one for name, one in zip(cameras, topics, strict=True)}
    if not cameras:
        return {"image_raw": topic}
    if is_default:
        return {}
    if _PLACE not in topic:
        raise ValueError(
            f"image_topic:={topic} is for several cameras and needs a {_PLACE}; or give "
            "image_topics, one for each camera"
        )
    return {f"{name}/image_raw": topic.replace(_PLACE, name) for name in cameras}


def visualizer_of(camera: str) -> str:
    """Return the name of the node that shows a camera; an empty name is the only camera."""
    return f"{camera}_visualizer" if camera else "visualizer"


def full_namespace(outer: str, inner: str) -> str:
    """Return the namespace with a slash in front and none behind; empty for the root."""
    names = inner if inner.startswith("/") else f"{outer}/{inner}"
    return "".join(f"/{name}" for name in names.split("/") if name)


def is_true(given: dict[str, str], name: str) -> bool:
    """Return a yes-or-no argument.

    Raises:
        ValueError: It is neither.
    """
    value = given[name].lower()
    if value not in ("true", "false"):
        raise ValueError(f"{name}:={given[name]} is neither true nor false")
    return value == "true"


def _port(text: str) -> int:
    """Return the number of a port.

    Raises:
        ValueError: It is none.
    """
    if not text.isdecimal() or int(text) > _MAX_PORT:
        raise ValueError(f"port:={text} is no number from 0 to {_MAX_PORT}")
    return int(text)


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",")] if names else []
