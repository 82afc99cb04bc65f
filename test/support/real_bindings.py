# SPDX-License-Identifier: Apache-2.0
"""What NVIDIA's own TensorRT bindings contain: every name, signature and number, by release.

`make test` unpacks the bindings beside the environment's packages (scripts/setup_env.py). They are
imported over a stub of the libraries that they need, which is compiled here: that is enough to
read them, and nothing in them can be run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

VERSIONS = ("10.3.0", "10.13.3.9", "10.16.1.11", "11.0.0.114", "11.4.0.106")
FOLDER = Path(sys.prefix) / "tensorrt_bindings"
_HERE = Path(__file__).resolve().parent / "tensorrt_stub"
_LIBRARIES = ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser")


@dataclass(frozen=True)
class Signature:
    """What a function takes, without self: names, and how many of the first must be given."""

    names: tuple[str, ...]
    required: int

    def accepts(self, positional: int, keywords: frozenset[str] = frozenset()) -> bool:
        """Whether it can be called with so many arguments in order and these by name."""
        if positional > len(self.names) or not keywords <= set(self.names[positional:]):
            return False
        return set(self.names[positional : self.required]) <= keywords


@dataclass(frozen=True)
class Member:
    """Something in the module. ``number`` is the value of a member of an enumeration."""

    kind: str
    signatures: tuple[Signature, ...]
    number: int | None


@dataclass(frozen=True)
class Bindings:
    """One release: its members by dotted name, such as ``Builder.create_network``."""

    version: str
    members: dict[str, Member]

    def having(self, attribute: str, classes: frozenset[str]) -> list[Member]:
        """Return what ``attribute`` is in those of the classes that have it."""
        paths = (f"{owner}.{attribute}" for owner in sorted(classes))
        return [self.members[path] for path in paths if path in self.members]


def compile_stub(folder: Path) -> Path:
    """Compile the stub under the names of TensorRT 10 and 11."""
    for major in (10, 11):
        for library in _LIBRARIES:
            name = f"{library}.so.{major}"
            command = ["cc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(folder / name)]
            subprocess.run([*command, str(_HERE / "stub.c")], check=True)
    return folder


def read_bindings(folder: Path, module: str, *stub: Path) -> Bindings:
    """Import the release in a folder, in a process of its own, and return what it contains."""
    command = [sys.executable, str(_HERE / "describe.py"), *map(str, (folder, module, *stub))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    described = json.loads(done.stdout)
    members = {
        path: Member(entry["kind"], signatures(path, entry["doc"]), entry.get("number"))
        for path, entry in described["members"].items()
    }
    return Bindings(described["version"], members)


def signatures(path: str, documentation: str) -> tuple[Signature, ...]:
    """Return what pybind11 writes down about a function; overloaded ones have several."""
    name = re.escape(path.rpartition(".")[2])
    heads = re.findall(rf"^(?:\d+\. )?{name}\((.*)\)(?: -> .+)?$", documentation, re.MULTILINE)
    return tuple(_signature(head) for head in heads if head != "*args, **kwargs")


def _signature(head: str) -> Signature:
    parameters = [part for part in _split(head) if not part.startswith("self")]
    optional = sum(" = " in part for part in parameters)
    names = tuple(part.partition(":")[0].strip() for part in parameters)
    return Signature(names, len(names) - optional)


def _split(head: str) -> list[str]:
    """Split at the commas that are not within brackets."""
    parts, depth = [""], 0
    for letter in head:
        depth += (letter in "([<") - (letter in ")]>")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]
