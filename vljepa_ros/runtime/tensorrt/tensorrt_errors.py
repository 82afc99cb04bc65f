# SPDX-License-Identifier: Apache-2.0
"""Why TensorRT cannot be used: each error says its cause and what to do about it."""

from __future__ import annotations

from pathlib import Path

_COMMAND = "ros2 run vljepa_ros build_engine"
BUILD = f"build it: {_COMMAND}"
BUILD_AGAIN = f"build it again: {_COMMAND}"


def for_cameras(remedy: str, cameras: int) -> str:
    """Return one of the remedies above for engines that take clips of so many cameras."""
    return remedy if cameras == 1 else f"{remedy} --cameras {cameras}"


class TensorRTError(RuntimeError):
    """TensorRT cannot be used here, or not with this bundle."""

    def __init__(self, cause: str, remedy: str) -> None:
        """Keep both parts of the message as attributes."""
        super().__init__(f"{cause}; {remedy}")
        self.cause = cause
        self.remedy = remedy


class NoDriver(TensorRTError):
    """There is no NVIDIA driver, or it does not work, or it has no GPU."""


class MissingPackage(TensorRTError):
    """A Python package that TensorRT needs is not there."""

    def __init__(self, package: str, cause: str, remedy: str) -> None:
        """Keep the name of the package as well."""
        super().__init__(cause, remedy)
        self.package = package


class BuildError(TensorRTError):
    """TensorRT made no engine of a graph."""


class PlanError(TensorRTError):
    """A stored engine must not be used; ``file`` is what is wrong."""

    def __init__(self, file: Path, cause: str, remedy: str) -> None:
        """Put the file in front of the cause."""
        super().__init__(f"{file}: {cause}", remedy)
        self.file = file


class UnusablePlan(PlanError):
    """It is missing, damaged, or was made of or for something else: build it again."""


class UntrustedPlan(PlanError):
    """Somebody else could have written it, and an engine is code: it is never loaded."""
