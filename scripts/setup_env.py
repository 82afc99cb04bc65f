# SPDX-License-Identifier: Apache-2.0
"""Make the virtual environment that `make demo` and `make test` run in.

Run through the Makefile. Takes the sourced ROS 2 where there is one and ROS 2 wheels from PyPI otherwise, installs the
Python packages, and builds vljepa_msgs into the environment so that it imports without sourcing anything. Every step
notes what it was made from; a second run does only the steps whose inputs changed, and an interrupted run goes on where
it stopped. Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from typing import Callable, Iterator, Sequence

import host_check
from host_check import Choice, Unusable

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# Asks the interpreter of the environment for its C headers and numpy's.
INCLUDES_QUERY = "import sysconfig, numpy; print(sysconfig.get_paths()['include']); print(numpy.get_include())"


class StepFailed(RuntimeError):
    """A command of a step failed; its output is in the log."""


class Environment:
    """One virtual environment and the record of the steps done in it."""

    def __init__(self, path: str, choice: Choice) -> None:
        self.path = os.path.abspath(path)
        self.choice = choice
        self.python = os.path.join(self.path, "bin", "python")
        self._record_path = os.path.join(self.path, "vljepa_ros_steps.json")
        self._log_path = os.path.join(self.path, "setup.log")

    def step(self, name: str, inputs: str, title: str, work: Callable[[], None]) -> None:
        """Do `work` unless it was done before from the same `inputs`."""
        if self._record().get(name) == inputs:
            return
        print(f"vljepa_ros: {title} ...", flush=True)
        self._note(name, "unfinished")
        work()
        self._note(name, inputs)

    def create(self) -> None:
        """Make the bare environment anew."""
        if os.path.exists(self.path):
            if not os.path.exists(os.path.join(self.path, "pyvenv.cfg")):
                raise StepFailed(f"{self.path} exists and is no virtual environment: move it away")
            shutil.rmtree(self.path)
        sees_ros = ["--system-site-packages"] if self.choice.source == "installed" else []
        subprocess.run([_base_python(), "-m", "venv", *sees_ros, self.path], check=True)
        with open(os.path.join(self._site_packages(), "vljepa_ros_source_tree.pth"), "w") as file:
            file.write(ROOT + "\n")

    def install_packages(self) -> None:
        """Install ROS 2 (wheels) or adapt to it (installed), and what nodes and tests import."""
        if self.choice.source == "wheels":
            self.pip("-r", _requirements(f"ros-{self.choice.distro}"), "-r", _requirements("dev"))
            self._repair_include_paths()
        else:
            self.pip("-c", _requirements("ros-installed"), "-r", _requirements("dev"))

    def build_messages(self) -> None:
        """Compile vljepa_msgs and install it into the environment."""
        prefixes = [self.path, *filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep))]
        environment = dict(self._clean_environment(), AMENT_PREFIX_PATH=os.pathsep.join(prefixes))
        environment["PATH"] = os.path.join(self.path, "bin") + os.pathsep + os.environ.get("PATH", os.defpath)
        with tempfile.TemporaryDirectory() as build:
            configure = ["cmake", "-S", os.path.join(ROOT, "vljepa_msgs"), "-B", build, "-DBUILD_TESTING=OFF"]
            configure += ["-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_INSTALL_PREFIX={self.path}"]
            configure += [f"-DCMAKE_PREFIX_PATH={';'.join(prefixes)}", f"-DPython3_EXECUTABLE={self.python}"]
            self._run(configure, environment)
            self._run(["cmake", "--build", build, "--parallel", str(os.cpu_count() or 1)], environment)
            self._run(["cmake", "--install", build], environment)

    def install_torch(self) -> None:
        """Install the CPU build of torch: from PyTorch's own index, or from the configured one where that has it."""
        torch = _requirements("torch")
        self.pip("--no-deps", "--retries", "1", "--extra-index-url", TORCH_CPU_INDEX, "-r", torch)
        self.pip("-r", torch)

    def install_training(self) -> None:
        """Install the simulator, the exporter and the packages that carry weights."""
        self.pip("-r", _requirements("train"))
        self.pip("--no-deps", "-r", _requirements("train-no-deps"))

    def pip(self, *arguments: str) -> None:
        """Install with pip, quietly."""
        self._run([self.python, "-m", "pip", "install", "--disable-pip-version-check", *arguments], self._clean_environment())

    def _run(self, command: Sequence[str], environment: dict[str, str]) -> None:
        """Run a command into the log; raises StepFailed with the end of its output."""
        with open(self._log_path, "ab") as log:
            log.write(("\n$ " + " ".join(command) + "\n").encode())
            log.flush()
            start = log.tell()
            failed = subprocess.run(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL).returncode
        if failed:
            with open(self._log_path, "rb") as written:
                written.seek(start)
                tail = written.read().decode(errors="replace").splitlines()[-15:]
            raise StepFailed(f"{' '.join(command[:4])} ... failed; all of it is in {self._log_path}\n" + "\n".join(tail))

    def _clean_environment(self) -> dict[str, str]:
        """Return the variables without the mark that keeps another environment's ROS wheels from finding their libraries."""
        return {name: value for name, value in os.environ.items() if name != "_ROS_WHEELS_BOOTSTRAP_COMPLETE"}

    def _repair_include_paths(self) -> None:
        """Point the wheels' CMake files at this machine's headers.

        They name the directories of the machine that built the wheels, and CMake refuses include directories that do not
        exist. A new file takes each old one's place, because some installers hard-link files out of their cache.
        """
        answer = subprocess.run([self.python, "-c", INCLUDES_QUERY], env=self._clean_environment(), check=True, stdout=subprocess.PIPE)
        python_include, numpy_include = answer.stdout.decode().splitlines()
        for path in glob.glob(os.path.join(self.path, "share", "*", "cmake", "*Export.cmake")):
            with open(path) as file:
                old = file.read()
            new = re.sub(r'/[^";]*/include/python3\.\d+', lambda _: python_include, old)
            new = re.sub(r'/[^";]*/numpy/_?core/include', lambda _: numpy_include, new)
            if new != old:
                with open(path + ".new", "w") as file:
                    file.write(new)
                os.replace(path + ".new", path)

    def _site_packages(self) -> str:
        return os.path.join(self.path, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")

    def _record(self) -> dict[str, str]:
        try:
            with open(self._record_path) as file:
                record: dict[str, str] = json.load(file)
        except (FileNotFoundError, ValueError):
            return {}
        return record

    def _note(self, name: str, inputs: str) -> None:
        if not os.path.isdir(self.path):
            return
        record = dict(self._record(), **{name: inputs})
        with open(self._record_path + ".new", "w") as file:
            json.dump(record, file, indent=1)
        os.replace(self._record_path + ".new", self._record_path)


def set_up(environment: Environment, extras: Sequence[str]) -> None:
    """Bring the environment up to date; `extras` of "torch", "train"."""
    choice = environment.choice
    identity = "|".join([*choice, _base_python(), sys.version, environment.path, ROOT])
    ros = _requirements(f"ros-{choice.distro}" if choice.source == "wheels" else "ros-installed")
    packages = _digest([ros, _requirements("runtime"), _requirements("dev")])
    messages = _digest([ros, *glob.glob(os.path.join(ROOT, "vljepa_msgs", "**"), recursive=True)])
    environment.step("environment", identity, f"making {environment.path} ({_describe(choice)})", environment.create)
    environment.step("packages", packages, "installing Python packages, about 700 MB", environment.install_packages)
    environment.step("messages", messages, "building vljepa_msgs, about a minute", environment.build_messages)
    if "torch" in extras:
        inputs = _digest([_requirements("torch")])
        environment.step("torch", inputs, "installing torch (CPU), about 200 MB", environment.install_torch)
    if "train" in extras:
        inputs = _digest([_requirements("train"), _requirements("train-no-deps")])
        environment.step("train", inputs, "installing the simulator and training packages", environment.install_training)


def _base_python() -> str:
    """Return the Python outside of any virtual environment, by the same name however it was called."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def _describe(choice: Choice) -> str:
    origin = "wheels from PyPI" if choice.source == "wheels" else "as sourced"
    return f"ROS 2 {choice.distro}, {origin}, Python {sys.version_info[0]}.{sys.version_info[1]}"


def _requirements(name: str) -> str:
    return os.path.join(ROOT, "requirements", name + ".txt")


def _digest(paths: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for path in sorted(filter(os.path.isfile, paths)):
        with open(path, "rb") as file:
            digest.update(os.path.relpath(path, ROOT).encode() + b"\0" + file.read() + b"\0")
    return digest.hexdigest()


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Keep two runs of make in one checkout from installing over each other."""
    handle = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def main() -> int:
    """Parse the arguments, set up, and return the exit status."""
    parser = argparse.ArgumentParser(description="Make the virtual environment of vljepa_ros.")
    parser.add_argument("--venv", default=os.path.join(ROOT, ".venv"), help="where it goes")
    parser.add_argument("--distro", default="jazzy", help="ROS 2 distribution of the wheels; a sourced ROS 2 goes first")
    parser.add_argument("--extra", action="append", default=[], choices=["torch", "train"], help="also install this group")
    arguments = parser.parse_args()
    try:
        environment = Environment(arguments.venv, host_check.choose(host_check.read_host(), arguments.distro))
        with _one_at_a_time():
            set_up(environment, arguments.extra)
    except (Unusable, StepFailed) as cause:
        print(f"vljepa_ros: {cause}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
