# SPDX-License-Identifier: Apache-2.0
"""Parameters take what people write for numbers, and refuse the rest with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from rcl_interfaces.msg import ParameterType
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from vljepa_ros.nodes.common.parameters import (
    Change,
    ParameterError,
    Parameters,
    ParameterSpec,
    Phase,
)

TABLE = (
    ParameterSpec("rate_hz", 2.0, "Rate.", Change.LIVE, minimum=0.0, maximum=10.0),
    ParameterSpec("gain", 1.0, "Without a range.", Change.LIVE),
    ParameterSpec("count", 3, "Count.", Change.LIVE, minimum=1, maximum=5),
    ParameterSpec("names", ["*"], "Names.", Change.LIVE),
    ParameterSpec("word", "", "Word.", Change.LIVE),
)


class Declared:
    """A node with the table; `applied` is what it was told of changes."""

    def __init__(self, context: Context, **given: Any) -> None:
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        self.node = Node("declared", context=context, parameter_overrides=overrides)
        self.applied: dict[str, Any] = {}
        try:
            self.values = Parameters(
                self.node, TABLE, phase=lambda: Phase.ACTIVE, apply=self._apply
            )
        except Exception:
            self.node.destroy_node()
            raise

    def set(self, name: str, value: Any) -> str:
        """Set a parameter; return why it was refused, empty if it was not."""
        (result,) = self.node.set_parameters([Parameter(name, value=value)])
        assert result.successful == (not result.reason)
        return str(result.reason)

    def _apply(self, changed: Mapping[str, Any]) -> None:
        self.applied.update(changed)


@pytest.fixture
def declared(context: Context) -> Iterator[Declared]:
    it = Declared(context)
    yield it
    it.node.destroy_node()


def test_an_integer_is_taken_for_a_double_at_the_start(context: Context) -> None:
    it = Declared(context, rate_hz=5, gain=7)
    values = [it.values[name] for name in ("rate_hz", "gain")]
    it.node.destroy_node()
    assert values == [5.0, 7.0] and all(isinstance(value, float) for value in values)


def test_an_integer_is_taken_for_a_double_later(declared: Declared) -> None:
    assert declared.set("rate_hz", 5) == ""
    assert declared.applied == {"rate_hz": 5.0} and isinstance(declared.applied["rate_hz"], float)
    assert declared.set("rate_hz", 5.0) == ""


REFUSED = [
    ("rate_hz", 11, "rate_hz must be from 0 to 10, not 11"),
    ("rate_hz", -0.5, "rate_hz"),
    ("rate_hz", "fast", "rate_hz must be a number, not 'fast'"),
    ("rate_hz", True, "rate_hz must be a number, not True"),
    ("rate_hz", None, "rate_hz must not be empty; its default is 2.0"),
    ("rate_hz", float("nan"), "rate_hz"),
    ("gain", float("inf"), "gain must be a finite number, not inf"),
    ("count", 6, "count"),
    ("count", 2.0, "INTEGER"),
    ("names", None, "cannot be undeclared"),
    ("word", None, "cannot be undeclared"),
]


@pytest.mark.parametrize(("name", "value", "complaint"), REFUSED)
def test_what_cannot_be_used_is_refused_while_the_node_runs(
    declared: Declared, name: str, value: Any, complaint: str
) -> None:
    assert complaint in declared.set(name, value)
    assert declared.applied == {}
    assert declared.values[name] == next(spec.default for spec in TABLE if spec.name == name)


def test_an_empty_list_is_refused_while_the_node_runs(declared: Declared) -> None:
    empty = Parameter("names", Parameter.Type.STRING_ARRAY, [])
    (result,) = declared.node.set_parameters([empty])
    assert result.reason == "names must not be empty; its default is ['*']"


AT_START = {
    "rate_hz": (11, "rate_hz must be from 0 to 10, not 11"),
    "gain": ("fast", "gain must be a number"),
    "names": (None, r"names must not be empty; its default is \['\*'\]"),
    "word": (None, "word must not be empty"),
}


@pytest.mark.parametrize("name", AT_START)
def test_what_cannot_be_used_is_refused_at_the_start(context: Context, name: str) -> None:
    value, complaint = AT_START[name]
    with pytest.raises(ParameterError, match=complaint):
        Declared(context, **{name: value})


def test_doubles_are_described_with_their_range(declared: Declared) -> None:
    descriptor = declared.node.describe_parameter("rate_hz")
    assert descriptor.type == ParameterType.PARAMETER_DOUBLE
    (span,) = descriptor.floating_point_range
    assert (span.from_value, span.to_value) == (0.0, 10.0)
