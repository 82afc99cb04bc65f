# SPDX-License-Identifier: Apache-2.0
"""All doors, and a process for each that is tried: one that is brought down is seen as that."""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from fuzz.door import Door, Outcome, try_inputs

_MODULES = {
    "fuzz.pixel_doors": None,
    "fuzz.stream_doors": None,
    "fuzz.file_doors": None,
    "fuzz.model_doors": "torch",
    "fuzz.node_doors": "rclpy",
}


def doors() -> dict[str, str]:
    """Return the name of every door that can be tried here, and its module."""
    found = {}
    for module, needed in _MODULES.items():
        if needed is None or importlib.util.find_spec(needed) is not None:
            found.update({door.name: module for door in importlib.import_module(module).DOORS})
        else:
            print(f"skipped: {module} needs {needed}")
    return found


def door(module: str, name: str) -> Door:
    """Return a door by its module and name."""
    return next(one for one in importlib.import_module(module).DOORS if one.name == name)


def try_apart(module: str, name: str, numbers: range, seed: int) -> Outcome:
    """Try a door in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(_try, module, name, numbers, seed).result()
        except BrokenProcessPool:
            return Outcome(faults=[f"{name}: the process was brought down"])


def _try(module: str, name: str, numbers: range, seed: int) -> Outcome:
    return try_inputs(door(module, name), numbers, seed)
