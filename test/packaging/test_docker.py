# SPDX-License-Identifier: Apache-2.0
"""Container files name what is there: sources, packages, commands. Nothing here builds them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
FILES = sorted(DOCKER.glob("*.Dockerfile"))
SCRIPTS = sorted(DOCKER.glob("*.sh"))
TARGET = "/ws/src/vljepa_ros/"
IMAGES = ("nvcr.io/nvidia/", "ros:")

per_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def instructions(file: Path) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile: name and the rest, lines joined."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (name, rest)
        for name, _, rest in map(lambda it: it.partition(" "), joined.split("\n"))
        if name
    ]


def ignored() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@per_file
def test_images_are_nvidias_or_of_ros_and_have_a_version(file: Path) -> None:
    stages = [rest.split() for name, rest in instructions(file) if name == "FROM"]
    assert stages
    for image, *_ in stages:
        assert image.startswith(IMAGES)
        assert re.search(r":[\w.-]+\d", image) or image.startswith("ros:jazzy")
        assert not image.endswith(":latest")


@per_file
def test_what_is_copied_is_there(file: Path) -> None:
    stages = {rest.split()[-1] for name, rest in instructions(file) if name == "FROM"}
    for name, rest in instructions(file):
        if name != "COPY":
            continue
        *sources, _ = shlex.split(rest)
        if sources[0].startswith("--from="):
            assert sources[0].removeprefix("--from=") in stages
            continue
        assert all((ROOT / source).exists() for source in sources)
        assert not set(sources).intersection(ignored())


@per_file
def test_scripts_and_commands_that_an_image_runs_are_there(file: Path) -> None:
    text = "\n".join(rest for _, rest in instructions(file))
    named = re.findall(rf"{TARGET}([\w/.]+\.sh)", text)
    assert {"docker/build_package.sh", "docker/entrypoint.sh"} <= set(named)
    assert all(os.access(ROOT / script, os.X_OK) for script in named)
    assert '["ros2", "launch", "vljepa_ros", "vljepa.launch.py"]' in text
    assert (ROOT / "launch" / "vljepa.launch.py").is_file()
    if "add_ros.sh" in text:
        assert ("COPY", "docker/add_ros.sh /opt/") in instructions(file)


@per_file
def test_packages_are_those_of_the_documentation(file: Path) -> None:
    """Pycuda as docs/jetson.md has it, TensorRT-RTX as the newest that the tests build with."""
    text = file.read_text()
    pages = (ROOT / "docs" / "jetson.md").read_text() + (ROOT / "docs" / "gpu.md").read_text()
    pinned = set(re.findall(r"pycuda==[\d.]+", text))
    assert pinned == set(re.findall(r"pycuda==[\d.]+", pages))
    rtx = re.findall(r"tensorrt-rtx-cu13==([\d.]+)", text)
    assert len(rtx) == (file.stem == "pc")
    requirements = (ROOT / "requirements" / "tensorrt-rtx.txt").read_text()
    assert all(re.findall(r"libs==([\d.]+)", requirements)[-1] == version for version in rtx)


def test_the_package_is_built_from_files_that_are_there() -> None:
    text = (DOCKER / "build_package.sh").read_text()
    assert {"besides-apt.txt", "ros-installed.txt"} == set(re.findall(r"[\w-]+\.txt", text))
    assert all(
        (ROOT / "requirements" / name).is_file() for name in re.findall(r"[\w-]+\.txt", text)
    )
    for folder in re.findall(r"src/vljepa_ros/vljepa_msgs|src/vljepa_ros(?= )", text):
        package = ROOT / folder.removeprefix("src/vljepa_ros").lstrip("/")
        assert (package / "package.xml").is_file()
    needed = {"package.xml", "setup.py", "vljepa_ros", "vljepa_msgs", "engines", "demo", "launch"}
    assert not needed.intersection(ignored())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_scripts_are_bash(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert script.read_text().startswith("#!/usr/bin/env bash\n")


def test_the_entry_point_runs_what_it_is_given(tmp_path: Path) -> None:
    """With the two files that it sources in the places of a folder of the test's own."""
    ros, workspace = tmp_path / "ros" / "jazzy", tmp_path / "ws" / "install"
    for folder, name in ((ros, "ROS"), (workspace, "PACKAGE")):
        folder.mkdir(parents=True)
        (folder / "setup.bash").write_text(f"export {name}=sourced\n")
    text = (DOCKER / "entrypoint.sh").read_text()
    text = text.replace("/opt/ros", str(ros.parent)).replace("/ws/install", str(workspace))
    command = [
        "bash",
        "-c",
        text,
        "entrypoint",
        "sh",
        "-c",
        'echo "$ROS $PACKAGE $1"',
        "sh",
        "a b",
    ]
    done = subprocess.run(
        command, env={**os.environ, "ROS_DISTRO": "jazzy"}, capture_output=True, text=True
    )
    assert done.stdout == "sourced sourced a b\n"


def test_compose_has_a_service_for_each_image_that_shares_memory_with_the_machine() -> None:
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    assert sorted(services) == [file.stem for file in FILES]
    for name, service in services.items():
        build = service["build"]
        assert (
            DOCKER / build["context"] / build["dockerfile"]
        ).resolve() == DOCKER / f"{name}.Dockerfile"
        assert service["image"] == f"vljepa_ros:{name}"
        assert (service["network_mode"], service["ipc"]) == ("host", "host")
        assert service["user"].startswith("${ROBOT_UID")
        assert service.get("runtime") == "nvidia" or service["deploy"]


@per_file
def test_hadolint_has_nothing_to_say(file: Path) -> None:
    program = shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed (requirements/dev.txt)")
    done = subprocess.run([program, str(file)], capture_output=True, text=True)
    assert done.stdout == ""
    assert done.returncode == 0
