# SPDX-License-Identifier: Apache-2.0
"""What set-up decides on machines that are not this one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import host_check  # noqa: E402
from host_check import Choice, Host, Unusable  # noqa: E402

LAPTOP = Host(
    system="Linux",
    machine="x86_64",
    python=(3, 12),
    implementation="CPython",
    glibc=(2, 39),
    has_headers=True,
    has_venv=True,
    missing_tools=(),
    ros_distro="",
    imports_rclpy=False,
    installed_ros=(),
)
JETSON = LAPTOP._replace(machine="aarch64", python=(3, 10), glibc=(2, 35))


def refusal(host: Host, distro: str = "jazzy") -> str:
    with pytest.raises(Unusable) as caught:
        host_check.choose(host, distro)
    text = str(caught.value)
    assert "\n" not in text, "the first line has to say it all"
    return text


@pytest.mark.parametrize("minor", [10, 11, 12, 13])
@pytest.mark.parametrize("distro", ["jazzy", "kilted"])
def test_a_laptop_takes_the_wheels(minor: int, distro: str) -> None:
    assert host_check.choose(LAPTOP._replace(python=(3, minor)), distro) == ("wheels", distro)


def test_a_sourced_ros_goes_first_even_where_wheels_exist() -> None:
    host = LAPTOP._replace(ros_distro="humble", imports_rclpy=True)
    assert host_check.choose(host, "jazzy") == Choice("installed", "humble")


def test_aarch64_works_with_a_sourced_ros() -> None:
    host = JETSON._replace(ros_distro="humble", imports_rclpy=True)
    assert host_check.choose(host, "jazzy").source == "installed"


def test_aarch64_without_ros_is_told_to_install_it() -> None:
    text = refusal(JETSON)
    assert "aarch64" in text
    assert "install ROS 2" in text


def test_aarch64_with_ros_that_is_not_sourced_is_told_which_file_to_source() -> None:
    assert "source /opt/ros/humble/setup.bash" in refusal(
        JETSON._replace(installed_ros=("/opt/ros/humble/setup.bash",))
    )


@pytest.mark.parametrize("version", [(3, 9), (3, 14)])
def test_a_python_without_wheels_is_told_which_to_install(version: tuple[int, int]) -> None:
    text = refusal(LAPTOP._replace(python=version))
    assert f"3.{version[1]}" in text
    assert "make PYTHON=python3.12" in text


def test_pypy_has_no_wheels() -> None:
    assert "PyPy 3.11" in refusal(LAPTOP._replace(implementation="PyPy", python=(3, 11)))


@pytest.mark.parametrize("glibc", [(0, 0), (2, 27)])
def test_an_unsuitable_c_library_is_named(glibc: tuple[int, int]) -> None:
    assert "C library" in refusal(LAPTOP._replace(glibc=glibc))


def test_a_sourced_ros_for_another_python_is_not_mixed_with_wheels() -> None:
    text = refusal(LAPTOP._replace(ros_distro="jazzy"))
    assert "cannot import its rclpy" in text
    assert "PYTHON=/usr/bin/python3" in text


def test_everything_that_is_missing_is_said_at_once() -> None:
    host = LAPTOP._replace(missing_tools=("cmake", "g++"), has_venv=False, has_headers=False)
    assert "apt install cmake g++ python3.12-venv python3.12-dev" in refusal(host)


def test_an_unknown_distribution_is_answered_with_the_known_ones() -> None:
    assert "DISTRO=jazzy or DISTRO=kilted" in refusal(LAPTOP, distro="humble")


def test_this_machine_can_be_read() -> None:
    host = host_check.read_host()
    assert host.python == sys.version_info[:2]
    assert host.has_headers and not host.missing_tools, "the tests run in what set-up built"
