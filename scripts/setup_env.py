# SPDX-License-Identifier: Apache-2.0
"""Make the virtual environment that `make demo` and `make test` run in.

Run through the Makefile. Takes the sourced ROS 2 if there is one and ROS 2 wheels from PyPI
otherwise, installs the Python packages, and builds vljepa_msgs into the environment so that it
imports without sourcing anything. Every step notes what it was made from: a second run does only
the steps whose inputs changed, and an interrupted run goes on where it stopped. Standard library
only, because nothing is installed yet when it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence

import host_check
from host_check import Choice, Unusable, base_python

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXTRAS = ("model", "simulation", "bindings", "rtx", "index")
UNPACKED = {  # extras that lie beside the packages: requirements, which also names the folder
    "bindings": "tensorrt-bindings",
    "rtx": "tensorrt-rtx",
}
INDEX = ("index", "fleet")  # requirements of the extra of that name
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# Asks the environment's own Python for its C headers and numpy's.
INCLUDES_QUERY = """
import sysconfig, numpy
print(sysconfig.get_paths()["include"])
print(numpy.get_include())
"""


class StepFailed(RuntimeError):
    """A step cannot be done; the text says why and where the log is."""


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
        if os.path.isdir(self.path):
            self._note(name, "unfinished")
        work()
        self._note(name, inputs)

    def create(self) -> None:
        """Make the bare environment anew."""
        if os.path.exists(self.path):
            if not os.path.exists(os.path.join(self.path, "pyvenv.cfg")):
                raise StepFailed(f"{self.path} is no virtual environment: move it away")
            shutil.rmtree(self.path)
        sees_ros = ["--system-site-packages"] if self.choice.source == "installed" else []
        subprocess.run([base_python(), "-m", "venv", *sees_ros, self.path], check=True)
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
        inherited = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
        prefixes = [self.path, *filter(None, inherited)]
        variables = _variables()
        variables["AMENT_PREFIX_PATH"] = os.pathsep.join(prefixes)
        variables["PATH"] = os.path.dirname(self.python) + os.pathsep + variables["PATH"]
        source = os.path.join(ROOT, "vljepa_msgs")
        options = {
            "BUILD_TESTING": "OFF",
            "CMAKE_BUILD_TYPE": "Release",
            "CMAKE_INSTALL_PREFIX": self.path,
            "CMAKE_PREFIX_PATH": ";".join(prefixes),
            "Python3_EXECUTABLE": self.python,
        }
        flags = [f"-D{name}={value}" for name, value in options.items()]
        jobs = str(os.cpu_count() or 1)
        with tempfile.TemporaryDirectory() as build:
            self._run(["cmake", "-S", source, "-B", build, *flags], variables)
            self._run(["cmake", "--build", build, "--parallel", jobs], variables)
            self._run(["cmake", "--install", build], variables)

    def install_model(self) -> None:
        """Install the CPU build of torch, the exporter, weights, and what tests compare with.

        torch comes from PyTorch's own index; if that is out of reach, from the index that pip
        is set up with.
        """
        torch = _requirements("torch")
        self.pip("--no-deps", "--retries=1", "--extra-index-url", TORCH_CPU_INDEX, "-r", torch)
        self.pip("-r", torch, "-r", _requirements("model"), "-r", _requirements("fetch"))
        unneeded = [_requirements(name) for name in ("weights", "references")]
        self.pip("--no-deps", *(word for path in unneeded for word in ("-r", path)))

    def install_simulation(self) -> None:
        """Install the simulators that make the training data."""
        self.pip("-r", _requirements("simulation"))
        self.pip("--no-deps", "-r", _requirements("robosuite"))

    def install_index(self) -> None:
        """Install what an index of recordings is kept in, and what spreads it over machines."""
        lines = [word for name in INDEX for word in ("-r", _requirements(name))]
        if self.choice.source == "installed":
            lines = ["-c", _requirements("ros-installed"), *lines]
        self.pip(*lines)

    def unpack(self, name: str) -> None:
        """Unpack several releases of one thing, each into a folder named by its version.

        Args:
            name: of the requirements; the folder has the same name with underscores.

        Raises:
            StepFailed: one cannot be had.
        """
        releases: dict[str, list[str]] = {}
        for requirement in _lines(_requirements(name)):
            version = requirement.split(";")[0].split("==")[1].strip()
            releases.setdefault(version, []).append(requirement)
        for version, wanted in releases.items():
            folder = os.path.join(self.path, name.replace("-", "_"), version)
            shutil.rmtree(folder, ignore_errors=True)
            only_wheels = ("--no-deps", "--only-binary=:all:", "--retries=1")
            self.pip(*only_wheels, "--target", folder, *wanted)

    def pip(self, *arguments: str) -> None:
        """Install with the environment's pip."""
        install = [self.python, "-m", "pip", "install", "--disable-pip-version-check"]
        self._run([*install, *arguments], _variables())

    def _run(self, command: Sequence[str], variables: dict[str, str]) -> None:
        """Run a command into the log; raises StepFailed with the end of what it printed."""
        with open(self._log_path, "a+b") as log:
            log.write(f"\n$ {' '.join(command)}\n".encode())
            log.flush()
            start = log.tell()
            done = subprocess.run(
                command, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            log.seek(start)
            printed = log.read().decode(errors="replace").splitlines()
        if done.returncode:
            summary = f"{' '.join(command[:4])} ... failed, the whole log is {self._log_path}:"
            raise StepFailed("\n".join([summary, *printed[-15:]]))

    def _repair_include_paths(self) -> None:
        """Point the wheels' CMake files at this machine's headers.

        They name directories of the machine that built the wheels, and CMake refuses include
        directories that do not exist. A new file takes each old one's place, because some
        installers hard-link files out of their cache.
        """
        query = [self.python, "-c", INCLUDES_QUERY]
        answer = subprocess.run(query, env=_variables(), check=True, stdout=subprocess.PIPE)
        python_include, numpy_include = answer.stdout.decode().splitlines()
        for path in glob.glob(os.path.join(self.path, "share", "*", "cmake", "*Export.cmake")):
            with open(path) as file:
                old = file.read()
            new = re.sub(r'/[^";]*/include/python3\.\d+', lambda _: python_include, old)
            new = re.sub(r'/[^";]*/numpy/_?core/include', lambda _: numpy_include, new)
            if new != old:
                _replace_file(path, new)

    def _site_packages(self) -> str:
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        return os.path.join(self.path, "lib", version, "site-packages")

    def _record(self) -> dict[str, str]:
        try:
            with open(self._record_path) as file:
                record: dict[str, str] = json.load(file)
        except FileNotFoundError:
            return {}
        return record

    def _note(self, name: str, inputs: str) -> None:
        _replace_file(self._record_path, json.dumps({**self._record(), name: inputs}, indent=1))


def set_up(environment: Environment, extras: Sequence[str]) -> None:
    """Bring the environment up to date; `extras` are any of EXTRAS."""
    choice = environment.choice
    identity = "|".join([*choice, base_python(), sys.version, environment.path, ROOT])
    title = f"making {environment.path} ({_describe(choice)})"
    environment.step("environment", identity, title, environment.create)

    ros = _requirements(f"ros-{choice.distro}" if choice.source == "wheels" else "ros-installed")
    inputs = _digest([ros, *map(_requirements, ("besides-apt", "runtime", "dev"))])
    title = "installing Python packages, about a minute"
    environment.step("packages", inputs, title, environment.install_packages)

    inputs = _digest([ros, *glob.glob(os.path.join(ROOT, "vljepa_msgs", "**"), recursive=True)])
    title = "building vljepa_msgs, about a minute"
    environment.step("messages", inputs, title, environment.build_messages)

    if "model" in extras:
        names = ("torch", "model", "fetch", "weights", "references")
        inputs = _digest([_requirements(name) for name in names])
        title = "installing torch (CPU) and what training imports"
        environment.step("model", inputs, title, environment.install_model)
    if "simulation" in extras:
        inputs = _digest([_requirements("simulation")])
        title = "installing the simulator"
        environment.step("simulation", inputs, title, environment.install_simulation)
    if "index" in extras:
        inputs = _digest([_requirements(name) for name in INDEX])
        title = "installing what indexes recordings"
        environment.step("index", inputs, title, environment.install_index)
    for extra in filter(extras.__contains__, UNPACKED):
        name = UNPACKED[extra]
        inputs, title = _digest([_requirements(name)]), f"unpacking {name} for the tests"
        try:
            environment.step(extra, inputs, title, functools.partial(environment.unpack, name))
        except StepFailed as cause:
            print(f"vljepa_ros: without {name}, tests that need it are skipped: {cause}")


def _variables() -> dict[str, str]:
    """Return the environment variables for commands.

    Left out is the mark of another environment's ROS wheels, which would keep this one's from
    finding their libraries.
    """
    variables = dict(os.environ)
    variables.pop("_ROS_WHEELS_BOOTSTRAP_COMPLETE", None)
    return variables


def _describe(choice: Choice) -> str:
    origin = "wheels from PyPI" if choice.source == "wheels" else "as sourced"
    version = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    return f"ROS 2 {choice.distro}, {origin}, {version}"


def _requirements(name: str) -> str:
    return os.path.join(ROOT, "requirements", name + ".txt")


def _lines(path: str) -> list[str]:
    """Return the lines of a requirements file that are requirements."""
    with open(path) as file:
        lines = (line.strip() for line in file)
        return [line for line in lines if line and not line.startswith("#")]


def _digest(paths: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for path in sorted(filter(os.path.isfile, paths)):
        with open(path, "rb") as file:
            digest.update(os.path.relpath(path, ROOT).encode() + b"\0" + file.read() + b"\0")
    return digest.hexdigest()


def _replace_file(path: str, text: str) -> None:
    with open(path + ".new", "w") as file:
        file.write(text)
    os.replace(path + ".new", path)


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
    parser.add_argument("--distro", default="jazzy", help="of the wheels; unused with sourced ROS")
    parser.add_argument("--extra", action="append", default=[], choices=EXTRAS)
    arguments = parser.parse_args()
    try:
        choice = host_check.choose(host_check.read_host(), arguments.distro)
        with _one_at_a_time():
            set_up(Environment(arguments.venv, choice), arguments.extra)
    except (Unusable, StepFailed) as cause:
        print(f"vljepa_ros: {cause}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
