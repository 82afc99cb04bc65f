# SPDX-License-Identifier: Apache-2.0
"""Reads a parameter file as rcl does, for launch files, which must know some of the values.

A section is named after the nodes that it is for: ``embedder``, ``/robot1/embedder``, ``/**`` for
all, ``/*/embedder`` for one in any namespace of one level, or nested as ``robot1: embedder:``.
Sections count in the order in which their names first appear, so that a later one wins.

There are two differences, both for the user's ease: a name without a slash in front is also read
relative to the namespace of the launch, and an empty section is no error.
"""

from __future__ import annotations

import difflib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

_KEY = "ros__parameters"

Values = dict[str, Any]  # of parameters, by name; a nested one is "outer.inner"
Sections = dict[str, Values]  # by name, in the order of the file


class ParamsFileError(ValueError):
    """A parameter file cannot be used; the message names it and says what to change."""


def read_params_file(path: Path) -> Sections:
    """Return the sections of a parameter file.

    Raises:
        ParamsFileError: The file cannot be read, is no YAML, or has values outside of a section.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or "it is not a text"
        raise ParamsFileError(f"cannot read params_file {path}: {cause}") from error
    except yaml.YAMLError as error:
        raise ParamsFileError(f"params_file {path} is no YAML: {_one_line(error)}") from error
    sections: Sections = {}
    try:
        for name, values in _sections(content, ""):
            sections.setdefault(name, {}).update(values)
    except ParamsFileError as error:
        raise ParamsFileError(f"params_file {path}: {error}") from None
    return sections


def values_of(sections: Sections, node: str, namespace: str = "") -> Values:
    """Return the parameters of a node.

    Args:
        sections: What :func:`read_params_file` returned.
        node: Full name of the node, such as "/robot1/embedder".
        namespace: Namespace to which relative names of sections belong, such as "/robot1".
    """
    values: Values = {}
    for section, own in sections.items():
        if is_for(section, node, namespace):
            values.update(own)
    return values


def is_for(section: str, node: str, namespace: str = "") -> bool:
    """Return whether a section holds parameters of a node; the names are as in `values_of`."""
    if section.startswith("/"):
        return _matches(section, node)
    return _matches(f"/{section}", node) or _matches(f"{namespace}/{section}", node)


def unread_sections(sections: Sections, nodes: Iterable[str], namespace: str = "") -> list[str]:
    """Return the sections that are for none of the nodes, each with the name that is close."""
    nodes = list(nodes)
    short = [node.rpartition("/")[2] for node in nodes]
    found = []
    for section in sections:
        if not any(is_for(section, node, namespace) for node in nodes):
            close = difflib.get_close_matches(section.rpartition("/")[2], short, n=1)
            found.append(f"{section} (did you mean {close[0]}?)" if close else section)
    return found


def write_params(parameters: Mapping[str, Values], folder: Path) -> list[str]:
    """Write a new parameter file and return its path, or nothing if there are no values.

    Args:
        parameters: Values by full name of the node.
        folder: One that lasts as long as the nodes do: a node that respawns reads the file again.
    """
    content = {node: {_KEY: values} for node, values in parameters.items() if values}
    if not content:  # rcl refuses a file without sections
        return []
    with tempfile.NamedTemporaryFile(
        "w",
        dir=folder,
        prefix="vljepa_params_",
        suffix=".yaml",
        delete=False,
        encoding="utf-8",
    ) as file:
        yaml.dump(content, file, Dumper=_WithoutAliases, sort_keys=False)
    return [file.name]


class _WithoutAliases(yaml.SafeDumper):
    """Writes a list that two nodes share twice: rcl reads no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return that ``data`` is written again each time."""
        return True


def _sections(content: Any, name: str) -> Iterator[tuple[str, Values]]:
    """Yield the sections below ``name``."""
    if content is None:
        return
    if not isinstance(content, dict):
        raise ParamsFileError(f"it must hold sections NODE: {_KEY}:, not a {_type(content)}")
    for key, inner in content.items():
        if key == _KEY:
            yield name, _flat(inner, name)
        elif inner is None or isinstance(inner, dict):
            yield from _sections(inner, f"{name}/{key}" if name else str(key))
        else:
            section = name or "NODE"
            raise ParamsFileError(
                f"{key!r} is outside of a section; write it below '{section}: {_KEY}:'"
            )


def _flat(content: Any, section: str) -> Values:
    """Return parameters with their full names, without those that have no value."""
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ParamsFileError(
            f"{_KEY} of {section or 'no node'} must hold NAME: VALUE, not a {_type(content)}"
        )
    values: Values = {}
    for name, value in content.items():
        if isinstance(value, dict):
            inner = _flat(value, section)
            values.update({f"{name}.{below}": one for below, one in inner.items()})
        elif value is not None:
            values[str(name)] = value
    return values


def _matches(pattern: str, node: str) -> bool:
    """Return whether rclpy takes a section of this name for a node: it makes the same regex."""
    escaped = re.escape(pattern).replace(r"/\*", r"(/\w+)").replace(r"\*", "*")
    return re.fullmatch(escaped, node, re.ASCII) is not None


def _type(value: Any) -> str:
    return "text" if isinstance(value, str) else type(value).__name__


def _one_line(error: yaml.YAMLError) -> str:
    """Return the line and the cause of a fault in YAML."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())
