# SPDX-License-Identifier: Apache-2.0
"""Is everything installed that the nodes import, and which versions?"""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Iterator
from importlib import metadata

from vljepa_ros.nodes.doctor.ailments import MISSING_PACKAGES, NO_ROS
from vljepa_ros.nodes.doctor.finding import Finding, fault, fine

# Module, and the name that pip knows it by.
_PACKAGES = {
    "numpy": "numpy",
    "cv2": "opencv-python-headless",
    "onnxruntime": "onnxruntime",
    "tokenizers": "tokenizers",
    "av": "av",
    "PIL": "pillow",
    "yaml": "PyYAML",
    "mcap": "mcap",
    "rosbags": "rosbags",
    "zstandard": "zstandard",
}


def check_packages() -> Iterator[Finding]:
    """Import ROS and each package that the nodes need."""
    if cause := _refusal("rclpy"):
        yield fault("ROS 2", NO_ROS.told(cause))
    else:
        yield fine("ROS 2", _ros_version())
    refused = {name: cause for name in _PACKAGES if (cause := _refusal(name))}
    if refused:
        causes = "; ".join(f"{name} ({cause})" for name, cause in refused.items())
        yield fault("packages", MISSING_PACKAGES.told(causes))
    else:
        versions = ", ".join(_version(*one) for one in _PACKAGES.items())
        yield fine("packages", f"{versions}; {_version('vljepa_ros', 'vljepa_ros')}")


def _refusal(module: str) -> str:
    """Return why a module cannot be imported; empty if it can."""
    try:
        importlib.import_module(module)
    except Exception as error:  # what a library raises that does not fit its neighbours
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return ""


def _ros_version() -> str:
    from rclpy.utilities import get_rmw_implementation_identifier

    distro = os.environ.get("ROS_DISTRO", "from wheels")
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    return (
        f"{distro}, {_version('rclpy', 'rclpy')}, {get_rmw_implementation_identifier()}, "
        f"domain {domain}, Python {platform.python_version()}"
    )


def _version(module: str, distribution: str) -> str:
    """Return a module with its version, which not every way to install it tells."""
    loaded = importlib.import_module(module)
    version = getattr(loaded, "__version__", "")
    if not version:
        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            version = "of unknown version"
    return f"{module} {version}"
