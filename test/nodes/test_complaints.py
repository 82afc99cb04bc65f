# SPDX-License-Identifier: Apache-2.0
"""/diagnostics complains in the words of the README's "No output?", and when it should."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray

from support.film import PERIOD, Film
from support.gated_backend import Gate
from support.ros import Bench, Inbox
from support.speaker import Speaker
from vljepa_ros.nodes.common.complaints import (
    COMPLAINTS,
    IMAGES_LOST,
    INACTIVE,
    OTHER_SPACE,
    SLOW_MODEL,
    UNCONFIGURED,
    Complaint,
)
from vljepa_ros.nodes.common.conversions import to_ns
from vljepa_ros.nodes.common.diagnostics import Level
from vljepa_ros.nodes.common.recent import Recent
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.diagnostic_keys import FRAME_SIZE, FRAMES_REPLACED, aspect_of
from vljepa_ros.nodes.embedder import Embedder

README = Path(__file__).resolve().parents[2] / "README.md"


def rows() -> list[str]:
    """The rows of the README's table, without its head."""
    _, _, section = README.read_text(encoding="utf-8").partition("\n## No output?\n")
    lines = section.partition("\n## ")[0].splitlines()
    return [line for line in lines if line.startswith("|")][2:]


def test_the_readme_has_each_complaint_and_no_other() -> None:
    assert rows() == [complaint.row for complaint in COMPLAINTS]


@pytest.mark.parametrize("complaint", COMPLAINTS, ids=lambda one: one.seen)
def test_a_message_says_what_is_seen_why_and_what_to_do(complaint: Complaint) -> None:
    facts = ["FACT"] * complaint.seen.count("{}")
    seen, why, remedy = re.fullmatch(r"\| (.+) \| (.+) \| (.+) \|", complaint.row).groups()
    message = complaint.told(*facts)
    assert message == f"{seen.replace('…', 'FACT')}: {why}; {remedy}"


def test_what_grew_is_recent_for_a_while() -> None:
    seconds = iter([0.0, 1.0, 2.0, 10.9, 11.1, 12.0])
    recent = Recent(now=lambda: next(seconds))
    totals = [0, 3, 3, 3, 3, 4]
    assert [recent.grew("faults", total) for total in totals] == [
        False,
        True,
        True,
        True,
        False,
        True,
    ]


@pytest.fixture
def reports(ros: Bench) -> Inbox:
    return ros.diagnostics("embedder")


def test_a_model_that_is_too_slow_is_a_warning_with_the_share_of_replaced_frames(
    ros: Bench, bundle: str, embeddings: Inbox, reports: Inbox, gate: Gate
) -> None:
    embedder = ros.add(Embedder, bundle=bundle, queries=["colour"])
    film = Film(ros.camera().wait_matched(), embeddings)
    film.roll("red")
    for _ in range(12):  # four frames each, of which the first and the last go through the model
        gate.close()
        film.shoot("red")
        ros.wait(gate.reached.is_set, "the model is busy")
        replaced = embedder.tally[FRAMES_REPLACED] + 2
        for _ in range(3):
            film.shoot("red")
        ros.wait(lambda wanted=replaced: embedder.tally[FRAMES_REPLACED] >= wanted, "replaced")
        gate.open()
        ros.wait(lambda: to_ns(embeddings[-1].header.stamp) == film.next_ns - PERIOD, "the last")
    report = reports.wait_for(lambda r: "newer frames replaced" in r.message, "the warning")
    assert report.level == Level.WARN.value
    assert re.match(
        r"5\.\d of 10\.0 clips per second; newer frames replaced (4|5)\d%", report.message
    )
    assert SLOW_MODEL.remedy in report.message


def test_lost_images_are_a_warning_though_the_model_keeps_up(
    ros: Bench, bundle: str, embeddings: Inbox, reports: Inbox
) -> None:
    ros.add(Embedder, bundle=bundle, queries=["colour"])
    film = Film(ros.camera().wait_matched(), embeddings)
    film.roll("red")
    for index in range(20):
        film.show("red", 1)
        film.next_ns += PERIOD * (index % 3)  # one interval of three is whole
    report = reports.wait_for(lambda r: "images per second arrive" in r.message, "the warning")
    assert report.level == Level.WARN.value
    assert IMAGES_LOST.remedy in report.message


def test_a_slow_camera_is_no_fault(
    ros: Bench, bundle: str, embeddings: Inbox, reports: Inbox
) -> None:
    ros.add(Embedder, bundle=bundle, queries=["colour"], rate_hz=10.0)
    film = Film(ros.camera().wait_matched(), embeddings)
    film.roll("red")
    for _ in range(20):
        film.next_ns += PERIOD
        film.show("red", 1)
    reports.clear()
    report = reports.wait_for(lambda r: r.values["state"] == "active", "a report")
    assert (report.level, report.message[-16:]) == (Level.OK.value, "clips per second")


def test_embeddings_of_another_space_are_a_warning(ros: Bench, bundle: str) -> None:
    reports = ros.diagnostics("describer")
    describer = ros.add(Describer, bundle=bundle)
    Speaker(ros, describer).say("red", 1, space_id="other-model-7")
    report = reports.wait_for(lambda r: r.message == OTHER_SPACE.told(), "the warning")
    assert report.level == Level.WARN.value


@pytest.mark.parametrize("kind", [Embedder, Describer])
def test_a_node_that_nobody_configured_says_what_to_call(
    ros: Bench, bundle: str, kind: Any
) -> None:
    node = ros.add(kind, bundle=bundle, autostart=False)
    reports = ros.diagnostics(node.get_name())
    report = reports.wait_for(lambda r: r.message == UNCONFIGURED.told(), "unconfigured")
    assert report.level == Level.WARN.value
    assert ros.transition(node.get_name(), "configure")
    reports.wait_for(lambda r: r.message == INACTIVE.told(), "inactive")


def test_the_embedder_tells_what_its_model_sees_of_an_image(
    ros: Bench, bundle: str, reports: Inbox
) -> None:
    arrays = ros.inbox(DiagnosticArray, "/diagnostics")
    ros.add(Embedder, bundle=bundle)
    report = reports.wait_for(lambda r: FRAME_SIZE in r.values, "the size")
    width, height = map(int, report.values[FRAME_SIZE].split(" x "))
    aspect = width / height
    arrays.wait_for(lambda array: aspect_of(array, "/embedder") == aspect, "the same in a report")
    assert aspect_of(arrays[-1], "/other") is None
