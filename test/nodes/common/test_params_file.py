# SPDX-License-Identifier: Apache-2.0
"""Parameter files mean to the launch file what they mean to ROS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from rclpy.context import Context
from rclpy.node import Node

from vljepa_ros.nodes.common.params_file import (
    ParamsFileError,
    read_params_file,
    unread_sections,
    values_of,
    write_params,
)

ROBOT1 = ("embedder", "/robot1")
FILES = {
    "a name": ("embedder: {ros__parameters: {a: 1}}", ("embedder", "/")),
    "a full name": ("/robot1/embedder: {ros__parameters: {a: 1}}", ROBOT1),
    "another full name": ("/robot2/embedder: {ros__parameters: {a: 1}}", ROBOT1),
    "nested": ("robot1: {embedder: {ros__parameters: {a: 1}}}", ROBOT1),
    "nested with a slash": ("/robot1: {embedder: {ros__parameters: {a: 1}}}", ROBOT1),
    "all": ("/**: {ros__parameters: {a: 1}}", ROBOT1),
    "all below": ("/robot1/**: {ros__parameters: {a: 1}}", ROBOT1),
    "any namespace": ("/*/embedder: {ros__parameters: {a: 1}}", ROBOT1),
    "any namespace, but there is none": (
        "/*/embedder: {ros__parameters: {a: 1}}",
        ("embedder", "/"),
    ),
    "any namespaces": ("/**/embedder: {ros__parameters: {a: 1}}", ("embedder", "/a/b")),
    "any node": ("/robot1/*: {ros__parameters: {a: 1}}", ROBOT1),
    "nested in all": ("/**: {embedder: {ros__parameters: {a: 1}}}", ROBOT1),
    "part of a name": ("embed: {ros__parameters: {a: 1}}", ("embedder", "/")),
    "the later one wins": (
        "/**: {ros__parameters: {a: 1, b: 1}}\nembedder: {ros__parameters: {a: 2}}",
        ("embedder", "/"),
    ),
    "also if it is the wider one": (
        "embedder: {ros__parameters: {a: 2, b: 1}}\n/**: {ros__parameters: {a: 1}}",
        ("embedder", "/"),
    ),
    "nested parameters": (
        "embedder: {ros__parameters: {a: {b: 1, c: {d: x}}, e.f: 2}}",
        ("embedder", "/"),
    ),
    "types": (
        "embedder: {ros__parameters: {a: 1.5, b: -3, c: true, d: 'on', e: [x, z], f: [1, 2]}}",
        ("embedder", "/"),
    ),
}


def text_file(folder: Path, text: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(text)
    return path


def read_by_ros(context: Context, path: Path, name: str, namespace: str) -> dict[str, Any]:
    """Return the values that a real node gets from a file."""
    node = Node(
        name,
        namespace=namespace,
        context=context,
        cli_args=["--ros-args", "--params-file", str(path)],
        start_parameter_services=False,
    )
    try:
        return {name: one.value for name, one in node._parameter_overrides.items()}
    finally:
        node.destroy_node()


@pytest.mark.parametrize("case", FILES)
def test_it_is_read_as_ros_reads_it(context: Context, tmp_path: Path, case: str) -> None:
    text, (name, namespace) = FILES[case]
    path = text_file(tmp_path, text)
    full_name = f"{namespace.rstrip('/')}/{name}"
    expected = read_by_ros(context, path, name, namespace)
    assert values_of(read_params_file(path), full_name) == expected
    assert bool(expected) == (case not in NOT_FOR_THE_NODE)


NOT_FOR_THE_NODE = {
    "another full name",
    "any namespace, but there is none",
    "part of a name",
}


def test_ros_reads_what_is_written(context: Context, tmp_path: Path) -> None:
    shared = ["front", "wrist"]
    embedder = {"cameras": shared, "rate_hz": 5, "bundle": "", "q": ["*", "a: b"], "x.y": 1e-5}
    (path,) = write_params({"/r/embedder": embedder, "/r/describer": {"c": shared}}, tmp_path)
    assert read_by_ros(context, Path(path), "embedder", "/r") == embedder
    assert read_by_ros(context, Path(path), "describer", "/r") == {"c": shared}


def test_without_values_there_is_no_file(tmp_path: Path) -> None:
    assert write_params({"/embedder": {}}, tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_relative_names_are_also_read_in_the_namespace(tmp_path: Path) -> None:
    sections = read_params_file(
        text_file(
            tmp_path,
            "embedder: {ros__parameters: {a: 1}}\n/embedder: {ros__parameters: {b: 1}}\n",
        )
    )
    assert values_of(sections, "/robot1/embedder", "/robot1") == {"a": 1}
    assert values_of(sections, "/embedder") == {"a": 1, "b": 1}


@pytest.mark.parametrize("text", ["", "embedder:", "embedder: {ros__parameters: }", "# nothing"])
def test_an_empty_section_or_file_is_no_error(tmp_path: Path, text: str) -> None:
    assert values_of(read_params_file(text_file(tmp_path, text)), "/embedder") == {}


def test_a_parameter_without_a_value_keeps_its_default(tmp_path: Path) -> None:
    path = text_file(tmp_path, "embedder:\n  ros__parameters:\n    a:\n    b: 1\n")
    assert values_of(read_params_file(path), "/embedder") == {"b": 1}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("embedder:\n  rate_hz: 5.0\n", "write it below 'embedder: ros__parameters:'"),
        ("rate_hz: 5.0\n", "write it below 'NODE: ros__parameters:'"),
        ("[a, b]\n", "not a list"),
        ("hello\n", "not a text"),
        ("embedder: {ros__parameters: [a]}\n", "must hold NAME: VALUE, not a list"),
        ("embedder:\n\tros__parameters:\n", "is no YAML: line 2: "),
        ("a: [\n", "is no YAML: line "),
        ("a: !!python/object:os.system x\n", "is no YAML: line "),
    ],
)
def test_a_file_of_another_form_is_refused_in_one_line(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = text_file(tmp_path, text)
    with pytest.raises(ParamsFileError) as refused:
        read_params_file(path)
    assert complaint in str(refused.value) and str(path) in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsFileError, match="none.yaml: No such file or directory"):
        read_params_file(tmp_path / "none.yaml")
    with pytest.raises(ParamsFileError, match="Is a directory"):
        read_params_file(tmp_path)
    (tmp_path / "picture").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ParamsFileError, match="it is not a text"):
        read_params_file(tmp_path / "picture")


def test_sections_for_no_node_are_found_with_the_name_that_is_close() -> None:
    names = ["embeder", "/r/embedder", "/**", "/x/describer", "controller_server", "describer"]
    unread = unread_sections({name: {} for name in names}, ["/r/embedder", "/r/describer"], "/r")
    assert unread == [
        "embeder (did you mean embedder?)",
        "/x/describer (did you mean describer?)",
        "controller_server",
    ]


def test_the_shipped_file_is_read() -> None:
    path = Path(__file__).resolve().parents[3] / "config" / "vljepa.yaml"
    content = yaml.safe_load(path.read_text())
    for name, section in content.items():
        values = values_of(read_params_file(path), f"/robot1/{name}", "/robot1")
        assert values == section["ros__parameters"]
