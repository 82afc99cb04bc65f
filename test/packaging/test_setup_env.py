# SPDX-License-Identifier: Apache-2.0
"""Set-up does a step once, again when its inputs change, and again after a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import setup_env  # noqa: E402
from host_check import Choice  # noqa: E402
from setup_env import Environment, StepFailed  # noqa: E402

from support import real_bindings, real_tensorrt  # noqa: E402


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    (tmp_path / "venv").mkdir()
    return Environment(str(tmp_path / "venv"), Choice("wheels", "jazzy"))


def fail() -> None:
    raise StepFailed("no network")


def test_a_step_is_done_once_for_the_same_inputs(environment: Environment) -> None:
    done: list[str] = []
    for inputs in ("a", "a", "b", "b", "a"):
        environment.step("messages", inputs, "building", lambda i=inputs: done.append(i))
    assert done == ["a", "b", "a"]


def test_a_failed_step_is_done_again_even_from_older_inputs(environment: Environment) -> None:
    done: list[str] = []
    environment.step("packages", "a", "installing", lambda: done.append("first"))
    with pytest.raises(StepFailed):
        environment.step("packages", "b", "installing", fail)
    environment.step("packages", "a", "installing", lambda: done.append("again"))
    assert done == ["first", "again"]


def test_a_failing_command_shows_the_end_of_its_output(environment: Environment) -> None:
    command = [sys.executable, "-c", "print('the cause'); raise SystemExit(3)"]
    with pytest.raises(StepFailed, match="the cause"):
        environment._run(command, dict(os.environ))


def test_a_folder_that_is_no_environment_is_left_alone(environment: Environment) -> None:
    precious = Path(environment.path) / "thesis.txt"
    precious.write_text("years of work")
    with pytest.raises(StepFailed, match="move it away"):
        environment.create()
    assert precious.exists()


def test_a_sourced_ros_is_seen_from_the_environment(tmp_path: Path) -> None:
    environment = Environment(str(tmp_path / "venv"), Choice("installed", "humble"))
    environment.create()
    assert "include-system-site-packages = true" in (tmp_path / "venv/pyvenv.cfg").read_text()


def test_the_messages_are_rebuilt_when_one_of_them_changes(tmp_path: Path) -> None:
    message = tmp_path / "Query.msg"
    message.write_text("string name\n")
    before = setup_env._digest([str(message)])
    message.write_text("string title\n")
    assert setup_env._digest([str(message)]) != before


def test_the_include_paths_of_the_wheels_are_repaired(environment: Environment) -> None:
    environment.python = sys.executable
    exported = Path(environment.path) / "share" / "std_msgs" / "cmake" / "std_msgsExport.cmake"
    exported.parent.mkdir(parents=True)
    exported.write_text(
        'INTERFACE_INCLUDE_DIRECTORIES "/opt/python/cp39-cp39/include/python3.9;'
        '/opt/python/lib/python3.9/site-packages/numpy/_core/include;${_IMPORT_PREFIX}/include"\n'
    )
    environment._repair_include_paths()
    first, second, third = exported.read_text().split('"')[1].split(";")
    assert (Path(first) / "Python.h").exists()
    assert (Path(second) / "numpy" / "arrayobject.h").exists()
    assert third == "${_IMPORT_PREFIX}/include"


def test_commands_run_shut_off_from_other_ros_traffic(tmp_path: Path) -> None:
    script = [str(ROOT / "scripts" / "with_env.sh"), sys.prefix, "env"]
    inherited = {**os.environ, "ROS_DOMAIN_ID": "0", "_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1"}
    done = subprocess.run(script, env=inherited, capture_output=True, text=True, check=True)
    variables = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert 1 <= int(variables["ROS_DOMAIN_ID"]) <= 100
    assert "LOCALHOST" in variables.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "") or (
        variables.get("ROS_LOCALHOST_ONLY") == "1"
    )
    profiles = [path for name, path in variables.items() if name.endswith("_PROFILES_FILE")]
    assert [Path(path).is_file() for path in profiles] == [True], "one name, and a file"
    assert "_ROS_WHEELS_BOOTSTRAP_COMPLETE" not in variables


class WithoutNetwork(Environment):
    """An environment in which everything was downloaded but the bindings of TensorRT."""

    def create(self) -> None:
        pass

    install_packages = build_messages = create

    def pip(self, *arguments: str) -> None:
        raise StepFailed(f"no network for {arguments[-1]}")


def test_bindings_that_cannot_be_had_stop_nothing_and_are_tried_again(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    offline = WithoutNetwork(environment.path, environment.choice)
    for _ in range(2):
        setup_env.set_up(offline, ["bindings"])
        printed = capsys.readouterr().out
        assert "tests that need it are skipped" in printed
        assert "no network for tensorrt-cu12-bindings==10.3.0" in printed


def test_every_release_of_the_bindings_gets_a_folder_of_its_own(environment: Environment) -> None:
    calls: list[tuple[str, ...]] = []
    environment.pip = lambda *arguments: calls.append(arguments)  # type: ignore[method-assign]
    environment.unpack("tensorrt-bindings")
    folders = [Path(call[call.index("--target") + 1]) for call in calls]
    assert [folder.name for folder in folders] == [*real_bindings.VERSIONS]
    assert {folder.parent for folder in folders} == {Path(environment.path) / "tensorrt_bindings"}


def test_libraries_and_bindings_of_a_release_share_a_folder(environment: Environment) -> None:
    calls: list[tuple[str, ...]] = []
    environment.pip = lambda *arguments: calls.append(arguments)  # type: ignore[method-assign]
    environment.unpack("tensorrt-rtx")
    folders = [Path(call[call.index("--target") + 1]) for call in calls]
    expected = Path(environment.path) / real_tensorrt.FOLDER.name
    assert folders == [expected / version for version in real_tensorrt.VERSIONS]
    assert all("libs" in call[-2] and "bindings" in call[-1] for call in calls)
