# SPDX-License-Identifier: Apache-2.0
"""The layouts of rviz and Foxglove name topics, fields and QoS that the running nodes have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from rclpy.qos import (
    QoSCompatibility,
    QoSDurabilityPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
    qos_check_compatible,
)

from support.ros import Bench
from vljepa_msgs.msg import Candidates
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.nodes.visualizer import Visualizer
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.phrases import PhraseBank

CONFIG = Path(__file__).resolve().parents[2] / "config"
LAYOUT = json.loads((CONFIG / "vljepa.foxglove.json").read_text(encoding="utf-8"))
PANELS = LAYOUT["configById"]
# A message path: topic, perhaps a filter of messages, perhaps a field, perhaps an index.
PATH = re.compile(
    r'(?P<topic>/[\w/]+)(\{(?P<filter>\w+)=="(\w+)"\})?(\.(?P<field>\w+)(\[\d+\])?)?'
)
OF_CANDIDATES = "/describer/candidates/"  # a topic for each query, while someone asks it
OF_PANEL = {
    "Image": "sensor_msgs/msg/Image",
    "DiagnosticSummary": "diagnostic_msgs/msg/DiagnosticArray",
}


def paths() -> Iterator[tuple[str, str]]:
    """Yield each panel with each message path or topic that it shows."""
    for panel, config in PANELS.items():
        yield from ((panel, one["value"]) for one in config.get("paths", []))
        for key in ("topicToRender", "topicPath"):
            if key in config:
                yield panel, config[key]
        if "imageMode" in config:
            yield panel, config["imageMode"]["imageTopic"]


def places(layout: Any) -> list[str]:
    """The panels that a layout shows."""
    if isinstance(layout, str):
        return [layout]
    return [*places(layout["first"]), *places(layout["second"])]


def kind_of(name: str) -> Any:
    package, _, kind = name.split("/")
    return getattr(import_module(f"{package}.msg"), kind)


@pytest.fixture
def nodes(ros: Bench, bundle: str) -> list[ManagedNode]:
    made = [
        ros.add(Embedder, bundle=bundle),
        ros.add(Describer, bundle=bundle),
        ros.add(Visualizer),
    ]
    ros.wait(lambda: all(node.phase is Phase.ACTIVE for node in made), "active nodes")
    return made


def type_on(ros: Bench, topic: str) -> str:
    """The type of a topic that a node publishes."""
    ros.wait(lambda: ros.node.count_publishers(topic) > 0, f"a publisher of {topic}")
    return str(ros.node.get_publishers_info_by_topic(topic)[0].topic_type)


def test_the_layout_shows_each_panel_once() -> None:
    assert sorted(places(LAYOUT["layout"])) == sorted(PANELS)


def test_foxglove_shows_topics_and_fields_that_are_published(
    ros: Bench, nodes: list[ManagedNode]
) -> None:
    for panel, path in paths():
        match = PATH.fullmatch(path)
        assert match is not None, path
        topic = match["topic"]
        candidates = topic.startswith(OF_CANDIDATES)
        name = "vljepa_msgs/msg/Candidates" if candidates else type_on(ros, topic)
        fields = kind_of(name).get_fields_and_field_types()
        assert {match["filter"], match["field"]} - {None} <= set(fields), path
        assert OF_PANEL.get(panel.partition("!")[0], name) == name


def test_the_queries_are_those_of_the_default_bundle(default_bundle: Path) -> None:
    queries = set(Bundle.load(default_bundle).queries)
    asked = {match[4] for _, path in paths() if (match := PATH.fullmatch(path)) and match[4]}
    assert asked == queries


def test_the_curves_are_named_after_their_phrases(default_bundle: Path) -> None:
    bank = PhraseBank.from_bundle(Bundle.load(default_bundle))
    curves = PANELS["Plot!candidates"]["paths"]
    assert "shares" in Candidates.get_fields_and_field_types()
    assert [one["label"] for one in curves] == list(bank.texts["held"])
    assert [one["value"] for one in curves] == [
        f"{OF_CANDIDATES}held.shares[{index}]" for index in range(len(curves))
    ]


def test_rviz_gets_what_it_asks_for(ros: Bench, nodes: list[ManagedNode]) -> None:
    content = yaml.safe_load((CONFIG / "vljepa.rviz").read_text(encoding="utf-8"))
    shown = [one for one in content["Visualization Manager"]["Displays"] if "Topic" in one]
    assert shown
    for display in shown:
        wanted = display["Topic"]
        kind = type_on(ros, wanted["Value"]).rpartition("/")[2]
        assert kind == display["Class"].rpartition("/")[2]
        profile = QoSProfile(
            depth=wanted["Depth"],
            reliability=_policy(QoSReliabilityPolicy, wanted["Reliability Policy"]),
            durability=_policy(QoSDurabilityPolicy, wanted["Durability Policy"]),
        )
        (publisher,) = ros.node.get_publishers_info_by_topic(wanted["Value"])
        verdict, reason = qos_check_compatible(publisher.qos_profile, profile)
        assert verdict != QoSCompatibility.ERROR, reason


def _policy(kind: Any, words: str) -> Any:
    return kind[words.upper().replace(" ", "_")]
