# SPDX-License-Identifier: Apache-2.0
"""Parameters of a node, declared once from one table.

A node states its parameters as a tuple of :class:`ParameterSpec`; the descriptors that
``ros2 param describe`` shows, the checks on what a user sets, and the documentation all come from
that table. A request that sets several is all or nothing: either every value is valid and applied,
or none is and the reason says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter


class ParameterError(ValueError):
    """A parameter has a value that cannot be used; the message names it and says why."""


class Phase(Enum):
    """Where a node is in its life; the value is for people."""

    UNCONFIGURED = "unconfigured"
    CONFIGURING = "configuring"
    INACTIVE = "inactive"
    ACTIVE = "active"
    FINALIZED = "finalized"


class Change(Enum):
    """When a parameter may be changed; the value completes "can be changed ..."."""

    LIVE = "at any time"
    INACTIVE = "while the node is not active (deactivate it first)"
    UNCONFIGURED = "while the node is not configured (deactivate and clean it up first)"
    START = "only when the node is started"

    def allowed_in(self, phase: Phase) -> bool:
        """Tell whether a node in ``phase`` takes the change."""
        if self is Change.LIVE:
            return True
        if self is Change.INACTIVE:
            return phase is not Phase.ACTIVE
        return self is Change.UNCONFIGURED and phase is Phase.UNCONFIGURED


@dataclass(frozen=True)
class ParameterSpec:
    """One row of the table; ``minimum`` and ``maximum`` are inclusive."""

    name: str
    default: Any
    description: str
    change: Change
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    def descriptor(self) -> ParameterDescriptor:
        """Return what ``ros2 param describe`` shows."""
        descriptor = ParameterDescriptor(
            name=self.name,
            description=f"{self.description} Can be changed {self.change.value}.",
            read_only=self.change is Change.START,
            additional_constraints=f"one of: {', '.join(self.choices)}" if self.choices else "",
        )
        if self.minimum is not None and self.maximum is not None:
            if isinstance(self.default, float):
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=self.minimum, to_value=self.maximum)
                ]
            else:
                descriptor.integer_range = [
                    IntegerRange(from_value=int(self.minimum), to_value=int(self.maximum))
                ]
        return descriptor

    def refusal(self, value: Any) -> str | None:
        """Return why ``value`` cannot be used, or None where it can. Ranges are rclpy's work."""
        if isinstance(value, float) and not math.isfinite(value):
            return f"{self.name} must be a finite number, not {value}"
        if self.choices and value not in self.choices:
            return f"{self.name} must be one of {', '.join(self.choices)}, not {value!r}"
        return None


class Parameters:
    """The current values, by name: ``parameters["rate_hz"]``."""

    def __init__(
        self,
        node: Node,
        table: Sequence[ParameterSpec],
        *,
        phase: Callable[[], Phase],
        apply: Callable[[Mapping[str, Any]], None],
    ) -> None:
        """Declare the table on ``node`` and watch for changes.

        Args:
            node: the node whose parameters these are.
            table: the parameters.
            phase: tells where the node is in its life.
            apply: called with the wanted values (name to value) of a permitted change before it
                takes effect; a ValueError from it refuses the change.

        Raises:
            ParameterError: a value given at start cannot be used.
        """
        self._table = {spec.name: spec for spec in table}
        self._phase = phase
        self._apply = apply
        declared = node.declare_parameters(
            "", [(spec.name, spec.default, spec.descriptor()) for spec in table]
        )
        self._values: dict[str, Any] = {p.name: p.value for p in declared}
        for name, value in self._values.items():
            if reason := self._table[name].refusal(value):
                raise ParameterError(reason)
        node.add_on_set_parameters_callback(self._on_set)

    def __getitem__(self, name: str) -> Any:
        """Return the current value of a parameter of the table."""
        return self._values[name]

    def _on_set(self, requested: list[Parameter]) -> SetParametersResult:
        """Check and apply a request; parameters that are not in the table pass."""
        wanted = {p.name: p.value for p in requested if p.name in self._table}
        changed = {name: value for name, value in wanted.items() if value != self._values[name]}
        for name, value in changed.items():
            if reason := self._refusal(self._table[name], value):
                return SetParametersResult(successful=False, reason=reason)
        if changed:
            try:
                self._apply(changed)
            except ValueError as error:
                return SetParametersResult(successful=False, reason=str(error))
            self._values.update(changed)
        return SetParametersResult(successful=True)

    def _refusal(self, spec: ParameterSpec, value: Any) -> str | None:
        if not spec.change.allowed_in(self._phase()):
            phase = self._phase().value
            return f"{spec.name} can be changed {spec.change.value}; the node is {phase}"
        return spec.refusal(value)
