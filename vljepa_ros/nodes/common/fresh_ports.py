# SPDX-License-Identifier: Apache-2.0
"""Other network ports than those of a process that was killed a moment ago.

A process that is killed leaves its ports in shared memory, and Fast DDS gives the next process of
the machine the same ones. It waits for a second at each, to see whether the dead one reads there
(``healthy_check_timeout_ms``): a restart takes two seconds longer (``benchmarks/restart.py``). A
participant takes the first network ports that are free and names those in shared memory after
them, so the ports of some places are held while it is made.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import rclpy.utilities

# Of the DDS interoperability protocol (RTPS 2.5, section 9.6.2.3).
_PORT_BASE, _DOMAIN_GAIN, _PARTICIPANT_GAIN, _UNICAST_OFFSET = 7400, 250, 2, 10
# Discovery without multicast looks at the first 32 places; other nodes of the machine need some.
_PLACES = 16


@contextmanager
def fresh_ports(domain: int) -> Iterator[None]:
    """Make the participant that the block makes take another place than those of the last seconds.

    Args:
        domain: the participant's ROS domain.
    """
    with ExitStack() as held:
        if rclpy.utilities.get_rmw_implementation_identifier().startswith("rmw_fastrtps"):
            first = first_port(domain)
            # A process that is started again gets the next place, as seconds have passed.
            for place in range(int(time.monotonic()) % _PLACES):
                with suppress(OSError):  # somebody has it already
                    held.enter_context(_hold(first + _PARTICIPANT_GAIN * place))
        yield


def first_port(domain: int) -> int:
    """Return the port at which the first participant of a domain hears of the others."""
    return _PORT_BASE + _DOMAIN_GAIN * domain + _UNICAST_OFFSET


def _hold(port: int) -> socket.socket:
    held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        held.bind(("", port))
    except OSError:
        held.close()
        raise
    return held
