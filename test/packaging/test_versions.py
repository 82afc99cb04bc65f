# SPDX-License-Identifier: Apache-2.0
"""The version and the list of dependencies stand in several files; they have to agree."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import vljepa_ros

# What apt brings to a robot, by its rosdep key, and what pip calls the same thing.
FROM_APT = {
    "python3-numpy": "numpy",
    "python3-opencv": "opencv-python-headless",
    "python3-pil": "pillow",
    "python3-yaml": "PyYAML",
}
ROOT = Path(__file__).resolve().parents[2]


def package(path: str) -> ElementTree.Element:
    return ElementTree.parse(ROOT / path).getroot()


def dependencies(path: str) -> set[str | None]:
    return {element.text for element in package(path) if element.tag.endswith("depend")}


def requirements(name: str) -> set[str]:
    """The packages that a requirements file names itself."""
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return {re.split(r"[<>=]", line)[0] for line in lines if not line.startswith(("#", "-"))}


def test_one_version_everywhere() -> None:
    in_setup = re.search(r'version="([^"]+)"', (ROOT / "setup.py").read_text())
    in_changelog = re.search(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert in_setup is not None
    assert in_changelog is not None
    assert {
        package("package.xml").findtext("version"),
        package("vljepa_msgs/package.xml").findtext("version"),
        in_setup[1],
        in_changelog[1],
    } == {vljepa_ros.__version__}


def test_package_xml_declares_every_ros_package_that_the_code_imports() -> None:
    imported = set()
    for path in (ROOT / "vljepa_ros").rglob("*.py"):
        imported |= set(re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE))
    ros = {name for name in imported if name.endswith(("_msgs", "_interfaces"))}
    ros |= imported & {"rclpy", "ament_index_python", "cv_bridge"}
    assert ros - dependencies("package.xml") == set()


def test_the_wheels_bring_every_message_package_that_package_xml_names() -> None:
    named = dependencies("package.xml")
    messages = {name for name in named if str(name).endswith(("_msgs", "_interfaces"))}
    for distro in ("jazzy", "kilted"):
        lines = (ROOT / "requirements" / f"ros-{distro}.txt").read_text().splitlines()
        brought = {line.removeprefix(f"ros-{distro}-").replace("-", "_") for line in lines}
        assert messages - {"vljepa_msgs"} <= brought


def test_pip_brings_a_robot_nothing_that_apt_brings() -> None:
    """A second OpenCV or numpy would hide the one that all other nodes were built for."""
    keys = {key for key in dependencies("package.xml") if str(key).startswith("python3-")}
    assert keys - {"python3-pytest", "python3-hypothesis"} == set(FROM_APT)
    assert requirements("runtime.txt") == set(FROM_APT.values())
    assert requirements("besides-apt.txt") & set(FROM_APT.values()) == set()


def test_both_packages_are_under_the_same_licence() -> None:
    assert package("package.xml").findtext("license") == "Apache-2.0"
    assert package("vljepa_msgs/package.xml").findtext("license") == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
