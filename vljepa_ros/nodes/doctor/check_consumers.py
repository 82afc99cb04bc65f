# SPDX-License-Identifier: Apache-2.0
"""Do embedder and describer fit, and does anyone listen to what they say?"""

from __future__ import annotations

from collections.abc import Iterator

from vljepa_ros.nodes.common.complaints import OTHER_SPACE
from vljepa_ros.nodes.doctor.finding import Finding, fault, fine, note
from vljepa_ros.nodes.doctor.observation import Observation


def check_spaces(seen: Observation) -> Iterator[Finding]:
    """Compare the spaces of embedders and describers in one namespace."""
    for describer in seen.describers:
        namespace = describer.rpartition("/")[0]
        partners = [name for name in seen.embedders if name.rpartition("/")[0] == namespace]
        for embedder in partners:
            ours, theirs = seen.spaces.get(describer), seen.spaces.get(embedder)
            if not ours or not theirs:
                continue  # one of them is not active, which is told elsewhere
            if ours == theirs:
                yield fine("space", f"{embedder} and {describer} are of {ours}")
            else:
                facts = f"{embedder} is of {theirs}, {describer} of {ours}"
                yield fault("space", f"{facts}: {OTHER_SPACE.told()}")


def check_listeners(seen: Observation) -> Iterator[Finding]:
    """Tell if nobody takes the states of an active describer."""
    if not seen.listeners:
        return
    heard = {topic: count for topic, count in seen.listeners.items() if count}
    if heard:
        counted = ", ".join(f"{topic} ({count})" for topic, count in heard.items())
        yield fine("subscribers", counted)
    else:
        topics = ", ".join(seen.listeners)
        yield note("subscribers", f"nobody subscribes to {topics}")
