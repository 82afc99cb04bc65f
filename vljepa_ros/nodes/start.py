# SPDX-License-Identifier: Apache-2.0
"""The programs of the nodes, as ``ros2 run`` and launch files start them.

`colcon build` in a larger workspace does not look for packages inside of a package, so that
vljepa_msgs may be missing. The nodes import it, and this says so before they do.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys

_NEEDED = "vljepa_msgs"
_BAD_USAGE = 2


def missing_messages() -> str:
    """Return what to do if vljepa_msgs is missing, or an empty text."""
    if importlib.util.find_spec(_NEEDED) is not None:
        return ""
    return (
        f"the package {_NEEDED} is missing: build the workspace with "
        "`colcon build --base-paths src src/vljepa_ros/vljepa_msgs` and source "
        "install/setup.bash again"
    )


def embedder() -> int:
    """Run the embedder."""
    return _run("embedder")


def describer() -> int:
    """Run the describer."""
    return _run("describer")


def pipeline() -> int:
    """Run embedder and describer in one process."""
    return _run("pipeline")


def visualizer() -> int:
    """Run the visualizer."""
    return _run("visualizer")


def replay() -> int:
    """Run the replay."""
    return _run("replay")


def live_view() -> int:
    """Run the live view."""
    return _run("live_view")


def state_printer() -> int:
    """Run the printer of states."""
    return _run("state_printer")


def _run(node: str) -> int:
    if cause := missing_messages():
        print(f"cannot start: {cause}", file=sys.stderr)
        return _BAD_USAGE
    try:
        module = importlib.import_module(f"vljepa_ros.nodes.{node}")
    except KeyboardInterrupt:  # Ctrl-C before there is a node that could answer it
        return 0
    return int(module.main())
