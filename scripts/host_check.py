# SPDX-License-Identifier: Apache-2.0
"""Decide how this machine gets ROS 2, or say in one line why it cannot.

Kept apart from the installing (setup_env.py) so that every refusal can be tested with made-up
facts: the machines that are refused are by nature not those that run the tests. Standard library
only, and parsable by any Python from 3.7, because it runs before anything is installed.
"""

from __future__ import annotations

import glob
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from typing import NamedTuple

WHEEL_PYTHONS = ((3, 10), (3, 11), (3, 12), (3, 13))
WHEEL_DISTROS = ("jazzy", "kilted")
WHEEL_GLIBC = (2, 28)
BUILD_TOOLS = ("cmake", "make", "gcc", "g++")


class Unusable(RuntimeError):
    """Neither wheels nor an installed ROS 2 can work here; the text says what to install."""


class Host(NamedTuple):
    """The facts that the decision rests on."""

    system: str  # "Linux"
    machine: str  # "x86_64"
    python: tuple[int, int]  # (3, 11)
    implementation: str  # "CPython"
    glibc: tuple[int, int]  # (2, 36); (0, 0) if the C library is not glibc
    has_headers: bool  # Python.h is there
    has_venv: bool  # ensurepip is there (Debian splits it off into python3-venv)
    missing_tools: tuple[str, ...]  # of cmake, make, gcc and g++
    ros_distro: str  # of the sourced ROS; "" if none is
    imports_rclpy: bool  # whether the Python under any environment can import its rclpy
    installed_ros: tuple[str, ...]  # setup files that could be sourced


class Choice(NamedTuple):
    """Where ROS 2 comes from."""

    source: str  # "wheels" or "installed"
    distro: str


def read_host() -> Host:
    """Look at this machine and at the running Python."""
    distro = os.environ.get("ROS_DISTRO", "")
    return Host(
        system=platform.system(),
        machine=platform.machine(),
        python=(sys.version_info[0], sys.version_info[1]),
        implementation=platform.python_implementation(),
        glibc=_glibc_version(),
        has_headers=os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")),
        has_venv=importlib.util.find_spec("ensurepip") is not None,
        missing_tools=tuple(tool for tool in BUILD_TOOLS if not _has_tool(tool)),
        ros_distro=distro,
        imports_rclpy=bool(distro) and _imports_rclpy(),
        installed_ros=tuple(sorted(glob.glob("/opt/ros/*/setup.bash"))),
    )


def base_python() -> str:
    """Return the Python outside any virtual environment, by one name however it was called."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def choose(host: Host, wheel_distro: str) -> Choice:
    """Pick the sourced ROS 2 if there is one, else the wheels.

    Args:
        host: facts of the machine.
        wheel_distro: distribution to take if wheels are used, "jazzy" or "kilted".

    Raises:
        Unusable: with everything that is missing and what to install, in one line.
    """
    choice = _installed_ros(host) if host.ros_distro else _wheels(host, wheel_distro)
    missing = _missing_for_building(host)
    if missing:
        packages = " ".join(_apt_packages(host))
        raise Unusable(f"missing {', '.join(missing)}: run `sudo apt install {packages}`")
    return choice


def _installed_ros(host: Host) -> Choice:
    if not host.imports_rclpy:
        raise Unusable(
            f"ROS 2 {host.ros_distro} is sourced, but {_python_name(host)} cannot import its "
            "rclpy: name the Python that ROS was built for, on Ubuntu "
            "`make PYTHON=/usr/bin/python3`, or use a shell without ROS sourced"
        )
    return Choice("installed", host.ros_distro)


def _wheels(host: Host, distro: str) -> Choice:
    if distro not in WHEEL_DISTROS:
        known = " or ".join(f"DISTRO={name}" for name in WHEEL_DISTROS)
        raise Unusable(f"no ROS 2 wheels of {distro}: use {known}")
    if host.system != "Linux" or host.machine != "x86_64":
        raise Unusable(
            f"no ROS 2 wheels for {host.system} {host.machine} (only Linux x86_64): "
            f"{_use_ros(host)}"
        )
    if host.glibc < WHEEL_GLIBC:
        raise Unusable(
            f"no ROS 2 wheels for this C library (only glibc 2.28 and later): {_use_ros(host)}"
        )
    if host.implementation != "CPython" or host.python not in WHEEL_PYTHONS:
        raise Unusable(
            f"no ROS 2 wheels for {host.implementation} {_version(host)} (only CPython 3.10 to "
            "3.13): install one of these, for instance "
            "`sudo apt install python3.12-dev python3.12-venv`, and run "
            f"`make PYTHON=python3.12`; or {_use_ros(host)}"
        )
    return Choice("wheels", distro)


def _use_ros(host: Host) -> str:
    """Say how to go on with an installed ROS 2."""
    if host.installed_ros:
        return f"run `source {host.installed_ros[-1]}` first"
    return "install ROS 2 Humble or Jazzy (https://docs.ros.org) and source its setup.bash first"


def _missing_for_building(host: Host) -> list[str]:
    """Name what is missing for building vljepa_msgs in a virtual environment."""
    missing = list(host.missing_tools)
    if not host.has_venv:
        missing.append(f"the venv module of {_python_name(host)}")
    if not host.has_headers:
        missing.append(f"Python.h of {_python_name(host)}")
    return missing


def _apt_packages(host: Host) -> list[str]:
    packages = list(host.missing_tools)
    if not host.has_venv:
        packages.append(f"{_python_name(host)}-venv")
    if not host.has_headers:
        packages.append(f"{_python_name(host)}-dev")
    return packages


def _python_name(host: Host) -> str:
    return f"python{_version(host)}"


def _version(host: Host) -> str:
    return f"{host.python[0]}.{host.python[1]}"


def _glibc_version() -> tuple[int, int]:
    name, version = platform.libc_ver()
    if name != "glibc":
        return (0, 0)
    major, minor = version.split(".")[:2]
    return (int(major), int(minor))


def _has_tool(tool: str) -> bool:
    """Tell whether a tool, or the compiler that CC or CXX names in its place, can be run."""
    named = os.environ.get({"gcc": "CC", "g++": "CXX"}.get(tool, ""), "").split()
    return shutil.which(named[0] if named else tool) is not None


def _imports_rclpy() -> bool:
    command = [base_python(), "-c", "import rclpy"]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
