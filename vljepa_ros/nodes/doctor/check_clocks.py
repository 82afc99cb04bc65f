# SPDX-License-Identifier: Apache-2.0
"""Do all nodes use one clock, and does it run?"""

from __future__ import annotations

from collections.abc import Iterator

from vljepa_ros.nodes.common.complaints import NO_CLOCK
from vljepa_ros.nodes.doctor.ailments import TWO_CLOCKS
from vljepa_ros.nodes.doctor.finding import Finding, fault, fine
from vljepa_ros.nodes.doctor.observation import Observation


def check_clocks(seen: Observation) -> Iterator[Finding]:
    """Compare ``use_sim_time`` of our nodes with each other and with ``/clock``."""
    simulated = [name for name, used in seen.sim_time.items() if used]
    real = [name for name, used in seen.sim_time.items() if used is False]
    if simulated and real:
        yield fault("clocks", TWO_CLOCKS.told(", ".join(simulated), ", ".join(real)))
    if simulated and not seen.clock_publishers:
        yield fault("clocks", NO_CLOCK.told(", ".join(simulated)))
    elif simulated and not real:
        yield fine("clocks", "all use simulated time, and /clock has a publisher")
    elif real and not simulated:
        yield fine("clocks", "all use the computer's clock")
