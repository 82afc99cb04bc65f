# SPDX-License-Identifier: Apache-2.0
"""The rooms of vljepa_ros import only what lies before them on the road of a frame.

This is what lets the stream and the model be used and tested without ROS, and the nodes run
without torch. It is checked twice: on the source, which also sees imports inside functions, and in
a fresh interpreter, which also sees what the libraries we use bring along.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "vljepa_ros"

ROS = {
    "ament_index_python",
    "builtin_interfaces",
    "cv_bridge",
    "diagnostic_msgs",
    "geometry_msgs",
    "launch",
    "launch_ros",
    "lifecycle_msgs",
    "rcl_interfaces",
    "rclpy",
    "sensor_msgs",
    "std_msgs",
    "visualization_msgs",
    "vljepa_msgs",
}
TORCH = {"torch"}
DOWNLOADS = {"huggingface_hub"}

# Room: the other rooms that it may import, and the libraries that it may not.
RULES: dict[str, tuple[set[str], set[str]]] = {
    "stream": (set(), ROS | TORCH),
    "views": ({"stream"}, ROS | TORCH),
    "web": (set(), ROS | TORCH),
    "recordings": ({"stream"}, ROS | TORCH),
    "runtime": ({"stream"}, (ROS - {"ament_index_python"}) | TORCH),
    "model": ({"stream", "runtime"}, ROS),
    "training": ({"stream", "runtime", "model", "recordings"}, ROS),
    "teaching": (
        {"stream", "runtime", "model", "recordings", "training", "evaluation"},
        ROS,
    ),
    "recipes": (
        {"stream", "runtime", "model", "recordings", "training", "evaluation"},
        ROS,
    ),
    "live": ({"stream", "views", "web"}, ROS | TORCH),
    "hub": ({"runtime", "model"}, ROS | TORCH),
    "nodes": ({"stream", "runtime", "recordings", "views", "web", "live"}, TORCH | DOWNLOADS),
    "client": (set(), TORCH | {"cv2", "numpy", "onnxruntime"}),
    "demo": ({"stream", "runtime", "recordings", "views", "nodes"}, TORCH | DOWNLOADS),
    "evaluation": ({"stream", "runtime", "recordings", "index"}, ROS | TORCH),
    "index": ({"stream", "runtime", "recordings"}, ROS | TORCH),
    "review": ({"stream", "runtime", "recordings", "views", "index", "web"}, ROS | TORCH),
    "commands": (
        {
            *("stream", "runtime", "recordings", "model", "training", "evaluation", "index"),
            *("review", "teaching", "hub"),
        },
        ROS,
    ),
}
IMPORTED_BY_ALL = ("fields", "files", "shipped")
WITHOUT_TORCH_OR_ROS = (
    "stream",
    "runtime",
    "views",
    "recordings",
    "evaluation",
    "index",
    "review",
    "web",
    "live",
    "hub",
)

# Imports the modules named on the command line and prints which forbidden packages anyone asked
# for, found or not: an import that is tried and forgiven would still count where it is installed.
PROBE = """
import importlib, json, sys

asked = set()

class Recorder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("rclpy", "torch"):
            asked.add(name)

sys.meta_path.insert(0, Recorder())
for module in sys.argv[1:]:
    importlib.import_module(module)
print(json.dumps(sorted(asked)))
"""


def rooms() -> list[str]:
    return sorted(path.name for path in PACKAGE.iterdir() if any(path.glob("*.py")))


def imports_of(path: Path) -> Iterator[str]:
    """Yield the absolute names that a file imports anywhere in it."""
    package = [*path.relative_to(ROOT).with_suffix("").parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = package[: len(package) - node.level] if node.level else []
            base = ".".join([*origin, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def room_imports(room: str) -> Iterator[tuple[Path, str]]:
    for path in sorted((PACKAGE / room).rglob("*.py")):
        yield from ((path, name) for name in imports_of(path))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("module", IMPORTED_BY_ALL)
def test_what_every_room_may_import_needs_the_standard_library_only(module: str) -> None:
    needed = {name.partition(".")[0] for name in imports_of(PACKAGE / f"{module}.py")}
    assert needed <= sys.stdlib_module_names


def test_every_room_has_a_rule() -> None:
    assert set(rooms()) <= set(RULES), "a new room: say in RULES what it may import"


@pytest.mark.parametrize("room", rooms())
def test_a_room_imports_only_rooms_before_it(room: str) -> None:
    allowed = RULES[room][0] | {room}
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, name in room_imports(room)
        if name.startswith("vljepa_ros.")
        and name.split(".")[1] in RULES
        and name.split(".")[1] not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("room", rooms())
def test_a_room_imports_no_forbidden_library(room: str) -> None:
    forbidden = RULES[room][1]
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, name in room_imports(room)
        if name.partition(".")[0] in forbidden
    ]
    assert wrong == []


@pytest.mark.parametrize("room", [room for room in rooms() if room in WITHOUT_TORCH_OR_ROS])
def test_importing_a_room_asks_for_neither_ros_nor_torch(room: str) -> None:
    modules = [module_name(path) for path in sorted((PACKAGE / room).rglob("*.py"))]
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *modules], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_the_probe_sees_a_forgiven_import() -> None:
    forgiven = "try:\n    import torch\nexcept ImportError:\n    pass\n"
    code = PROBE.replace("for module in", forgiven + "for module in")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "torch" in json.loads(done.stdout)
