# SPDX-License-Identifier: Apache-2.0
"""A plain `colcon build` in the repository root finds both packages and installs what users start.

vljepa_msgs itself is not compiled here; set-up has done that with the same CMake project.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(shutil.which("colcon") is None, reason="colcon is not installed")


def colcon(log: Path, *arguments: str | Path) -> str:
    command = ["colcon", "--log-base", log, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the install prefix of vljepa_ros, built from this source tree without vljepa_msgs."""
    base = tmp_path_factory.mktemp("colcon")
    bases = ("--build-base", base / "build", "--install-base", base / "install")
    colcon(base / "log", "build", "--base-paths", ".", *bases)
    return base / "install" / "vljepa_ros"


def test_colcon_finds_both_packages_from_the_root_and_builds_messages_first(
    tmp_path: Path,
) -> None:
    listed = colcon(tmp_path, "list", "--topological-order", "--names-only")
    assert listed.split() == ["vljepa_msgs", "vljepa_ros"]


def test_every_node_and_command_becomes_an_executable(installed: Path) -> None:
    executables = {path.name for path in (installed / "lib" / "vljepa_ros").iterdir()}
    nodes = {"embedder", "describer", "replay", "visualizer", "live_view", "state_printer"}
    commands = {"pipeline", "doctor", "vljepa", "build_engine", "gpu_report"}
    assert executables == nodes | commands


@pytest.mark.parametrize("folder", ["config", "demo", "engines", "launch"])
def test_shared_files_are_installed_whole(installed: Path, folder: str) -> None:
    source = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()}
    share = installed / "share" / "vljepa_ros"
    target = {path.relative_to(share) for path in (share / folder).rglob("*") if path.is_file()}
    assert target == {path for path in source if "__pycache__" not in path.parts}


def test_the_package_is_in_the_ament_index(installed: Path) -> None:
    share = installed / "share"
    assert (share / "ament_index/resource_index/packages/vljepa_ros").is_file()
    assert (share / "vljepa_ros" / "package.xml").is_file()


def test_the_code_is_installed_with_its_data(installed: Path) -> None:
    code = next(installed.glob("lib/python3*/site-packages/vljepa_ros"))
    source = ROOT / "vljepa_ros"
    for path in source.rglob("*"):
        if path.suffix in {".py", ".typed", ".ttf", ".html", ".css", ".js"}:
            assert (code / path.relative_to(source)).is_file(), path
