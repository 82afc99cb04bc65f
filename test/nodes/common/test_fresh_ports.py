# SPDX-License-Identifier: Apache-2.0
"""A process that follows a killed one gets other ports."""

from __future__ import annotations

import socket
import time

import pytest
import rclpy.utilities
from rclpy.context import Context
from rclpy.node import Node

from vljepa_ros.nodes.common.fresh_ports import first_port, fresh_ports

DOMAIN = 93
PLACES = 5

pytestmark = pytest.mark.skipif(
    not rclpy.utilities.get_rmw_implementation_identifier().startswith("rmw_fastrtps"),
    reason="other middleware chooses its ports in other ways",
)


def is_free(place: int) -> bool:
    """Whether nobody listens at the port of a place."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", first_port(DOMAIN) + 2 * place))
        except OSError:
            return False
    return True


@pytest.fixture(autouse=True)
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many seconds after a multiple of all places."""
    monkeypatch.setattr(time, "monotonic", lambda: 16.0 * 7 + PLACES)


def test_the_ports_are_those_of_the_standard() -> None:
    """RTPS 2.5, 9.6.2.3: 7400 + 250 * domain + 10 for the first participant's metatraffic."""
    assert first_port(0) == 7410 and first_port(1) == 7660


def test_a_participant_takes_a_later_place() -> None:
    context = Context()
    context.init(domain_id=DOMAIN)
    before = [is_free(place) for place in range(PLACES + 1)]
    with fresh_ports(DOMAIN):
        held = [is_free(place) for place in range(PLACES + 1)]
        node = Node("late", context=context)
    after = [is_free(place) for place in range(PLACES + 1)]
    node.destroy_node()
    context.shutdown()
    assert before == [True] * (PLACES + 1)
    assert held == [False] * PLACES + [True]
    assert after == [True] * PLACES + [False]


def test_a_place_that_is_taken_does_not_matter() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", first_port(DOMAIN)))
        with fresh_ports(DOMAIN):
            assert not is_free(1)
        assert is_free(1) and not is_free(0)
