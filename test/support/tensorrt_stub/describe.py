# SPDX-License-Identifier: Apache-2.0
"""Print as JSON what the TensorRT bindings in a folder contain; runs in a process of its own.

Two releases cannot be imported into one process. Arguments: the folder of the bindings, the name
of their module, and perhaps the folder of the compiled stub.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import sys
from pathlib import Path
from typing import Any

_SPECIAL = ("__init__", "__len__", "__getitem__", "__eq__", "__version__")


def describe(owner: Any, prefix: str, found: dict[str, dict[str, Any]]) -> None:
    """Add the kind, the documentation and the number of every member, and those within."""
    for name in dir(owner):
        if name.startswith("_") and name not in _SPECIAL:
            continue
        value = getattr(owner, name)
        path = prefix + name
        if path in found or getattr(value, "__module__", "") == "ctypes":
            continue
        found[path] = entry = {"kind": kind_of(owner, value), "doc": value.__doc__ or ""}
        if entry["kind"] == "value":
            entry["number"] = int(value)
        elif entry["kind"] == "class" and prefix.count(".") < 2:
            describe(value, path + ".", found)


def kind_of(owner: Any, value: Any) -> str:
    if isinstance(value, type):
        return "class"
    if isinstance(value, property):
        return "property"
    if callable(value):
        return "method"
    is_enum = hasattr(type(value), "__members__") and hasattr(value, "__int__")
    return "value" if is_enum else "other"


def main() -> None:
    bindings, name, *stubs = sys.argv[1:]
    for library in (library for stub in stubs for library in sorted(Path(stub).iterdir())):
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    sys.path.insert(0, bindings)
    module = importlib.import_module(name)
    found: dict[str, dict[str, Any]] = {}
    describe(module, "", found)
    json.dump({"version": module.__version__, "members": found}, sys.stdout)


if __name__ == "__main__":
    main()
