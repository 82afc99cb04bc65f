# SPDX-License-Identifier: Apache-2.0
"""What was seen of a running system, for checks that need no middleware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

ACTIVE = "active"
_ENOUGH = 0.8  # of the images that were sent


@dataclass(frozen=True)
class NodeReport:
    """What a node told on ``/diagnostics``.

    Attributes:
        is_fine: Whether its level was OK.
        said: Its summary.
        values: The named values.
    """

    is_fine: bool
    said: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SeenTopic:
    """A topic of images that an embedder listens to.

    Attributes:
        silence: Why no image came; empty if one came.
        publishers: Full names of the nodes that publish.
        looks: Size, encoding and publishers, in words.
        refusal: Why an image cannot be used; empty if all can.
        stamps: What is wrong with the stamps; empty if nothing is.
        arrived_hz: Images per second of the camera's own time.
        sent_hz: The rate at which the stamps were made.
        age_s: Of the newest image when it arrived, on the doctor's clock.
        size: Bytes of an image.
    """

    silence: str = ""
    publishers: Sequence[str] = ()
    looks: str = ""
    refusal: str = ""
    stamps: str = ""
    arrived_hz: float = 0.0
    sent_hz: float = 0.0
    age_s: float = 0.0
    size: int = 0

    @property
    def comes_whole(self) -> bool:
        """Whether enough of the images arrive."""
        return not self.silence and self.arrived_hz >= _ENOUGH * self.sent_hz


@dataclass(frozen=True)
class Observation:
    """A running system as it was seen for some seconds. Nodes are named in full.

    Attributes:
        nodes: All nodes of the domain; a name stands twice if two nodes have it.
        embedders: Those that answer questions.
        describers: Those that describe on request.
        states: State of life of our nodes; None if a node did not answer.
        sim_time: Whether a node uses simulated time; None if it did not answer.
        clock_publishers: Number of publishers of ``/clock``.
        reports: What our nodes told, by name.
        spaces: ``space_id`` of what each embedder and describer runs.
        backends: What runs the model of each embedder, and why.
        images: Topics of images, by name.
        listeners: Number of subscribers of what our nodes publish, by topic.
    """

    nodes: Sequence[str] = ()
    embedders: Sequence[str] = ()
    describers: Sequence[str] = ()
    states: Mapping[str, str | None] = field(default_factory=dict)
    sim_time: Mapping[str, bool | None] = field(default_factory=dict)
    clock_publishers: int = 0
    reports: Mapping[str, NodeReport] = field(default_factory=dict)
    spaces: Mapping[str, str] = field(default_factory=dict)
    backends: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, SeenTopic] = field(default_factory=dict)
    listeners: Mapping[str, int] = field(default_factory=dict)

    @property
    def ours(self) -> list[str]:
        """The nodes that this package's checks are about."""
        return sorted({*self.embedders, *self.describers, *self.reports})
