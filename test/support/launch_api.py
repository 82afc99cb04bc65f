# SPDX-License-Identifier: Apache-2.0
"""The part of launch and launch_ros that our launch files use, for machines without ROS's launch.

It records instead of starting anything, and refuses every argument that the real classes (Humble
to Kilted) do not take, so that a misspelt one fails here too. `described()` runs a launch file the
way `ros2 launch FILE name:=value` would.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any


class LaunchContext:
    """The values of the launch arguments while a description is run."""

    def __init__(self) -> None:
        self.launch_configurations: dict[str, str] = {}


@dataclass
class LaunchDescription:
    entities: Sequence[Any]


@dataclass
class DeclareLaunchArgument:
    name: str
    default_value: str | None = None
    description: str = ""
    choices: Sequence[str] | None = None

    def __init__(
        self,
        name: str,
        *,
        default_value: str | None = None,
        description: str = "",
        choices: Sequence[str] | None = None,
    ) -> None:
        self.name, self.default_value = name, default_value
        self.description, self.choices = description, choices


class OpaqueFunction:
    def __init__(self, *, function: Callable[[LaunchContext], Sequence[Any] | None]) -> None:
        self.function = function


class LaunchConfiguration:
    def __init__(self, variable_name: str) -> None:
        self.variable_name = variable_name

    def perform(self, context: LaunchContext) -> str:
        return context.launch_configurations[self.variable_name]


class SetEnvironmentVariable:
    def __init__(self, name: str, value: str) -> None:
        self.name, self.value = name, value


class PythonLaunchDescriptionSource:
    def __init__(self, location: str) -> None:
        self.location = location


class IncludeLaunchDescription:
    def __init__(
        self,
        source: PythonLaunchDescriptionSource,
        *,
        launch_arguments: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self.source, self.launch_arguments = source, launch_arguments


class Logger:
    def __init__(self, warnings: list[str]) -> None:
        self._warnings = warnings

    def warning(self, text: str) -> None:
        self._warnings.append(text)


class LaunchConfig:
    @property
    def log_dir(self) -> str:
        folder = Path(tempfile.gettempdir(), "ros_log")
        folder.mkdir(exist_ok=True)
        return str(folder)


class Node:
    """A process that would be started; the arguments are those of launch_ros.actions.Node."""

    def __init__(
        self,
        *,
        executable: str,
        package: str | None = None,
        name: str | None = None,
        namespace: str | None = None,
        parameters: Sequence[str | Mapping[str, Any]] = (),
        remappings: Sequence[tuple[str, str]] = (),
        arguments: Sequence[str] = (),
        respawn: bool = False,
        respawn_delay: float | None = None,
        output: str = "log",
        emulate_tty: bool = False,
    ) -> None:
        self.executable, self.package = executable, package
        self.name, self.namespace = name, namespace
        self.parameters, self.remappings = parameters, dict(remappings)
        self.arguments = arguments
        self.respawn, self.respawn_delay = respawn, respawn_delay
        self.output, self.emulate_tty = output, emulate_tty


@dataclass
class Described:
    """What running a launch file came to; the warnings are those that it logged."""

    arguments: dict[str, DeclareLaunchArgument] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def node(self, executable: str) -> Node:
        """Return the one node of this executable."""
        (found,) = (node for node in self.nodes if node.executable == executable)
        return found


def described(path: Path, outer: Mapping[str, str] | None = None, **given: str) -> Described:
    """Run a launch file with these arguments, in what an outer launch file has set."""
    context, result = LaunchContext(), Described()
    with _installed(result.warnings):
        context.launch_configurations.update({**(outer or {}), **given})
        _run(_load(path), context, result)
    unknown = set(given) - set(result.arguments)
    assert not unknown, f"{path.name} has no argument {unknown}"
    return result


def _run(description: LaunchDescription, context: LaunchContext, result: Described) -> None:
    for entity in description.entities:
        if isinstance(entity, DeclareLaunchArgument):
            result.arguments.setdefault(entity.name, entity)
            assert entity.default_value is not None
            context.launch_configurations.setdefault(entity.name, entity.default_value)
        elif isinstance(entity, SetEnvironmentVariable):
            result.environment[entity.name] = entity.value
        elif isinstance(entity, IncludeLaunchDescription):
            values = {name: value.perform(context) for name, value in entity.launch_arguments}
            context.launch_configurations.update(values)
            _run(_load(Path(entity.source.location)), context, result)
        elif isinstance(entity, OpaqueFunction):
            _run(LaunchDescription(entity.function(context) or []), context, result)
        else:
            assert isinstance(entity, Node), f"unknown entity {entity!r}"
            result.nodes.append(entity)


def _load(path: Path) -> LaunchDescription:
    spec = importlib.util.spec_from_file_location(path.name.replace(".", "_"), path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    description = module.generate_launch_description()
    assert isinstance(description, LaunchDescription)
    return description


_MODULES: dict[str, tuple[type, ...]] = {
    "launch": (LaunchContext, LaunchDescription),
    "launch.actions": (
        DeclareLaunchArgument,
        IncludeLaunchDescription,
        OpaqueFunction,
        SetEnvironmentVariable,
    ),
    "launch.logging": (),
    "launch.substitutions": (LaunchConfiguration,),
    "launch.launch_description_sources": (PythonLaunchDescriptionSource,),
    "launch_ros": (),
    "launch_ros.actions": (Node,),
}


@contextmanager
def _installed(warnings: list[str]) -> Iterator[None]:
    """Let imports of launch and launch_ros find this module's classes."""
    before = {name: sys.modules.get(name) for name in _MODULES}
    for name, classes in _MODULES.items():
        module = ModuleType(name)
        module.__dict__.update({one.__name__: one for one in classes})
        sys.modules[name] = module
    sys.modules["launch.logging"].__dict__.update(
        get_logger=lambda name: Logger(warnings), launch_config=LaunchConfig()
    )
    try:
        yield
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module
