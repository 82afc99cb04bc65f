# SPDX-License-Identifier: Apache-2.0
"""Are the nodes there, each once and active, and what do they complain about themselves?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from vljepa_ros.nodes.common.complaints import INACTIVE, NAMESAKES, UNCONFIGURED
from vljepa_ros.nodes.doctor.ailments import NO_ANSWER, NO_PARTNER
from vljepa_ros.nodes.doctor.finding import Finding, fault, fine, note
from vljepa_ros.nodes.doctor.observation import ACTIVE, Observation

_CHECK = "nodes"
_LOADING = "configuring"  # as the nodes report it; for ROS they are unconfigured
_OF_STATE = {"unconfigured": UNCONFIGURED, "inactive": INACTIVE}


def check_nodes(seen: Observation) -> Iterator[Finding]:
    """Look for nodes that are missing, doubled or not active."""
    for name, count in Counter(seen.nodes).items():
        if count > 1:
            yield fault("names", NAMESAKES.told(count, name))
    if not seen.ours:
        yield note(_CHECK, "no embedder and no describer runs in this domain")
        return
    yield from _partners(seen)
    for name in seen.ours:
        yield _life(name, seen)


def check_reports(seen: Observation) -> Iterator[Finding]:
    """Repeat what the nodes say of themselves on ``/diagnostics``."""
    for name in seen.ours:
        report = seen.reports.get(name)
        if report is None:
            yield fault(name, NO_ANSWER.told(f"{name} (/diagnostics)"))
        elif seen.states.get(name) == ACTIVE:  # the others are told with their state
            yield (fine if report.is_fine else fault)(name, report.said)


def _partners(seen: Observation) -> Iterator[Finding]:
    """Name each embedder and describer that is alone in its namespace."""
    kinds = {"embedder": seen.embedders, "describer": seen.describers}
    for kind, other in (("embedder", "describer"), ("describer", "embedder")):
        partners = {_namespace(name) for name in kinds[other]}
        for name in kinds[kind]:
            if _namespace(name) not in partners:
                yield fault(_CHECK, NO_PARTNER.told(name, other))


def _life(name: str, seen: Observation) -> Finding:
    state = seen.states.get(name)
    if state is None:
        return fault("lifecycle", NO_ANSWER.told(name))
    if state == ACTIVE:
        return fine("lifecycle", f"{name} is active")
    if state in _OF_STATE:
        report = seen.reports.get(name)
        told = _OF_STATE[state].told() if report is None or report.is_fine else report.said
        if report is not None and report.values.get("state") == _LOADING:
            return note("lifecycle", f"{name} is still {report.said}; call the doctor again later")
        return fault("lifecycle", f"{name}: {told}")
    return fault("lifecycle", f"{name} is {state}")


def _namespace(name: str) -> str:
    return name.rpartition("/")[0]
