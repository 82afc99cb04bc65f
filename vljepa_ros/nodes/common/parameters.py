# SPDX-License-Identifier: Apache-2.0
"""Parameters of a node, declared once from one table.

A node states its parameters as a tuple of :class:`ParameterSpec`; the descriptors that
``ros2 param describe`` shows, the checks on what a user sets, and the documentation all come from
that table. A request that sets several is all or nothing: either every value is valid and applied,
or none is and the reason says why.

Floating-point parameters are declared with dynamic typing, because ROS reads ``5`` in YAML as an
integer and refuses that for a double. :class:`Parameters` converts and checks such values itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    """The state of a node's life; the value is for people."""

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
        """Return whether a node in ``phase`` takes the change."""
        if self is Change.LIVE:
            return True
        if self is Change.INACTIVE:
            return phase is not Phase.ACTIVE
        return self is Change.UNCONFIGURED and phase is Phase.UNCONFIGURED


@dataclass(frozen=True)
class ParameterSpec:
    """One row of the table.

    Attributes:
        name: Name of the parameter.
        default: Its value unless one is given; its type is the parameter's type.
        description: One sentence for ``ros2 param describe``.
        change: When it may be changed.
        minimum: Smallest value, inclusive; None if there is no range.
        maximum: Largest value, inclusive; None if there is no range.
        choices: The only values that are allowed; empty if all are.
    """

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
            dynamic_typing=self._is_double,
            additional_constraints=f"one of: {', '.join(self.choices)}" if self.choices else "",
        )
        if self.minimum is not None and self.maximum is not None:
            if self._is_double:
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=self.minimum, to_value=self.maximum)
                ]
            else:
                descriptor.integer_range = [
                    IntegerRange(from_value=int(self.minimum), to_value=int(self.maximum))
                ]
        return descriptor

    def converted(self, value: Any) -> Any:
        """Return ``value``, an integer as a float if that is what the parameter is."""
        if self._is_double and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        return value

    def refusal(self, value: Any) -> str | None:
        """Return why a converted ``value`` cannot be used, or None if it can.

        rclpy itself checks the types of all parameters but doubles, and the ranges of integers.
        """
        if value is None or value == []:  # ROS gives an empty list in YAML no type
            return f"{self.name} must not be empty; its default is {self.default!r}"
        if self._is_double:
            return self._refusal_of_double(value)
        if self.choices and value not in self.choices:
            return f"{self.name} must be one of {', '.join(self.choices)}, not {value!r}"
        return None

    @property
    def _is_double(self) -> bool:
        return isinstance(self.default, float)

    def _refusal_of_double(self, value: Any) -> str | None:
        if not isinstance(value, float):
            return f"{self.name} must be a number, not {value!r}"
        if not math.isfinite(value):
            return f"{self.name} must be a finite number, not {value}"
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        if not low <= value <= high:
            return f"{self.name} must be from {low:g} to {high:g}, not {value:g}"
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
            node: The node whose parameters these are.
            table: The parameters.
            phase: Returns the state of the node's life.
            apply: Called with the wanted values (name to value) of a permitted change before it
                takes effect; a ValueError from it refuses the change.

        Raises:
            ParameterError: A value given at start cannot be used.
        """
        self._table = {spec.name: spec for spec in table}
        self._phase = phase
        self._apply = apply
        declared = node.declare_parameters(
            "", [(spec.name, spec.default, spec.descriptor()) for spec in table]
        )
        self._values = self._converted(declared)
        for name, value in self._values.items():
            if reason := self._table[name].refusal(value):
                raise ParameterError(reason)
        node.add_on_set_parameters_callback(self._on_set)

    def __getitem__(self, name: str) -> Any:
        """Return the current value of a parameter of the table."""
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the table."""
        return iter(self._table)

    def _converted(self, parameters: Sequence[Parameter]) -> dict[str, Any]:
        return {
            p.name: self._table[p.name].converted(p.value)
            for p in parameters
            if p.name in self._table
        }

    def _on_set(self, requested: list[Parameter]) -> SetParametersResult:
        """Check and apply a request; parameters that are not in the table pass."""
        wanted = self._converted(requested)
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
