# SPDX-License-Identifier: Apache-2.0
"""Keep every ROS process of these tests to itself: an own domain, on loopback only."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from rclpy.context import Context

# Set before rclpy reads them, and inherited by processes that a test starts.
os.environ["ROS_DOMAIN_ID"] = str(random.SystemRandom().randint(1, 100))
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
if os.environ.get("ROS_DISTRO") == "humble":
    os.environ["ROS_LOCALHOST_ONLY"] = "1"

from support.film import Film
from support.gated_backend import Gate
from support.ros import Bench, Inbox, bench, participant
from support.speaker import COUNTING, Speaker
from vljepa_msgs.msg import Embedding, Segment, StateDescription
from vljepa_ros.nodes.common.qos import latched, reliable
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder


@pytest.fixture(autouse=True, scope="session")
def _logs(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["ROS_LOG_DIR"] = str(tmp_path_factory.mktemp("ros_log"))


@pytest.fixture(autouse=True)
def _frequent_diagnostics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report ten times a second, so that no test waits a second for a report."""
    monkeypatch.setattr("vljepa_ros.nodes.common.diagnostics.PERIOD_S", 0.1)


@pytest.fixture(scope="session")
def context(_logs: None) -> Iterator[Context]:
    """What connects the nodes of this process to the others."""
    with participant() as it:
        yield it


@pytest.fixture
def ros(context: Context) -> Iterator[Bench]:
    """A place to run nodes and to talk with them."""
    with bench(context) as it:
        yield it


@pytest.fixture
def bundle(colour_bundle: Path) -> str:
    """The folder of a small real model that sees colours, as a parameter takes it."""
    return str(colour_bundle)


@pytest.fixture
def embeddings(ros: Bench) -> Inbox:
    """All that an embedder publishes."""
    return ros.inbox(Embedding, "embedder/embedding")


@pytest.fixture
def embedder(ros: Bench, bundle: str, embeddings: Inbox) -> Embedder:
    """An embedder that answers one query."""
    return ros.add(Embedder, bundle=bundle, queries=["colour"])


@pytest.fixture
def film(ros: Bench, embedder: Embedder, embeddings: Inbox) -> Film:
    """What is shown to that embedder."""
    return Film(ros.camera().wait_matched(), embeddings)


@pytest.fixture
def states(ros: Bench) -> Inbox:
    """What the describer says."""
    return ros.inbox(StateDescription, "describer/state", latched(10))


@pytest.fixture
def segments(ros: Bench) -> Inbox:
    """What the describer says of states that are over."""
    return ros.inbox(Segment, "describer/segment", reliable(100))


@pytest.fixture
def describer(ros: Bench, bundle: str, states: Inbox, segments: Inbox) -> Describer:
    """A describer without smoothing, so that a test can count samples."""
    describer = ros.add(Describer, bundle=bundle, **COUNTING)
    ros.wait_heard(describer, "/describer/segment")  # which is not latched
    return describer


@pytest.fixture
def speaker(ros: Bench, describer: Describer) -> Speaker:
    """Publishes embeddings to the describer."""
    return Speaker(ros, describer)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """A gate before the backend of the models that the test loads; open again at the end."""
    it = Gate()
    it.install(monkeypatch)
    yield it
    it.open()
