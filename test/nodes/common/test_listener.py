# SPDX-License-Identifier: Apache-2.0
"""A node to which nothing comes says why."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rclpy.qos import QoSDurabilityPolicy, QoSReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from support.colour_bundle import colour_frame
from support.film import START
from support.ros import Bench, Inbox, bench, participant
from vljepa_msgs.msg import Embedding
from vljepa_ros.nodes.common.conversions import to_image, to_stamp
from vljepa_ros.nodes.common.diagnostics import Level
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.listener import MESSAGES_LOST, Listener
from vljepa_ros.nodes.common.qos import reliable, sensor_data
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder

try:  # Jazzy and later
    from rclpy.event_handler import QoSSubscriptionEventType, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import QoSSubscriptionEventType, UnsupportedEventTypeError


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vljepa_ros.nodes.common.listener.SILENCE_S", 0.3)


@pytest.fixture
def reports(ros: Bench) -> Inbox:
    return ros.diagnostics("embedder")


def silence(reports: Inbox, words: str) -> str:
    report = reports.wait_for(
        lambda r: r.level == Level.STALE.value and words in r.message, f"{words!r}, stale"
    )
    return str(report.message)


def test_nobody_publishes(
    ros: Bench, bundle: str, reports: Inbox, capfd: pytest.CaptureFixture[str]
) -> None:
    ros.add(Embedder, bundle=bundle)
    assert "/image_raw has no publisher" in silence(reports, "no message for")
    reports.wait(len(reports) + 3)
    assert capfd.readouterr().err.count("no message for") == 1, "each silence is logged once"


def test_a_callback_that_raises_is_counted_and_the_node_goes_on(ros: Bench) -> None:
    widths: list[int] = []

    def take(image: Image) -> None:
        widths.append(image.width)
        if image.width == 1:
            raise ZeroDivisionError("of a kind that nobody thought of")

    node = ros.add(lambda **options: ManagedNode("fragile", (), **options))
    listener = Listener(node, Image, "image_raw", take, reliable(10), node.tally)
    camera = ros.camera(reliability=QoSReliabilityPolicy.RELIABLE).wait_matched()
    for width in (1, 2):
        camera.send(colour_frame("red", 1, width), START)
    ros.wait(lambda: listener.rate.total == 2, "both images have been taken")
    assert widths == [1, 2]
    assert node.tally["internal errors"] == 1


def test_messages_that_the_middleware_lost_are_counted_and_the_remedy_is_told(ros: Bench) -> None:
    node = ros.add(lambda **options: ManagedNode("fragile", (), **options))
    listener = Listener(node, Image, "image_raw", lambda _: None, sensor_data(), node.tally)
    (lost,) = [
        event
        for event in listener._subscription.event_handlers
        if event.event_type == QoSSubscriptionEventType.RCL_SUBSCRIPTION_MESSAGE_LOST
    ]
    for count in (1, 3):  # as the middleware tells it; it cannot be made to lose on demand
        lost.callback(SimpleNamespace(total_count=count, total_count_change=count))
    assert listener.lost == node.tally[MESSAGES_LOST] == 4
    assert "docs/robot.md" in str(node.tally.values()["last fault"])


def test_a_middleware_that_tells_of_no_events_is_listened_to(
    ros: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = ros.add(lambda **options: ManagedNode("fragile", (), **options))
    create = node.create_subscription

    def without_events(*arguments: Any, event_callbacks: Any = None, **options: Any) -> Any:
        if event_callbacks is not None:
            raise UnsupportedEventTypeError
        return create(*arguments, **options)

    monkeypatch.setattr(node, "create_subscription", without_events)
    listener = Listener(node, Image, "image_raw", lambda _: None, reliable(10), node.tally)
    camera = ros.camera(reliability=QoSReliabilityPolicy.RELIABLE).wait_matched()
    camera.send(colour_frame("red"), START)
    ros.wait(lambda: listener.rate.total == 1, "the image has been taken")


def test_names_that_are_none_are_refused(ros: Bench, bundle: str, reports: Inbox) -> None:
    """An encoding of 8 MB made logs and reports of 8 MB."""
    ros.add(Embedder, bundle=bundle)
    camera = ros.camera().wait_matched()
    for number, field in enumerate(("frame_id", "encoding")):
        image = to_image(colour_frame("red"), to_stamp(START + number * 10**9), "camera")
        setattr(image.header if field == "frame_id" else image, field, "x" * 500_000)
        camera.publisher.publish(image)
        report = reports.wait_for(
            lambda r, f=field: r.values.get(f"images refused: {f}") == "1", "the refusal"
        )
        assert (
            f"its {field} has 500000 characters; there may be 256" in report.values["last fault"]
        )
        assert len(str(report)) < 10_000


def test_somebody_is_silent(ros: Bench, bundle: str, reports: Inbox) -> None:
    ros.add(Embedder, bundle=bundle)
    ros.camera()
    message = silence(reports, "1 publisher(s)")
    assert "/bench (sensor_msgs/msg/Image, best_effort, volatile)" in message
    assert "this node asks for best_effort, volatile" in message


def test_the_topic_is_named_as_it_is_resolved(ros: Bench, bundle: str, reports: Inbox) -> None:
    ros.camera("/front/camera/compressed", kind=CompressedImage)
    ros.add(
        lambda **options: Embedder(
            cli_args=["--ros-args", "-r", "image_raw:=/front/camera"], **options
        ),
        bundle=bundle,
        image_transport="compressed",
    )
    assert "/front/camera/compressed has 1 publisher" in silence(reports, "no message for")


def test_another_type_is_named(ros: Bench, bundle: str, reports: Inbox) -> None:
    ros.add(Embedder, bundle=bundle)
    with (
        participant() as other,
        bench(other) as elsewhere,
    ):  # one process cannot have two types on one topic
        elsewhere.camera(kind=CompressedImage)
        silence(reports, "sensor_msgs/msg/CompressedImage")


def test_a_publisher_whose_qos_does_not_fit_is_reported(
    ros: Bench, bundle: str, reports: Inbox
) -> None:
    override = {"qos_overrides./image_raw.subscription.reliability": "reliable"}
    ros.add(Embedder, bundle=bundle, **override)
    ros.camera(reliability=QoSReliabilityPolicy.BEST_EFFORT)
    report = reports.wait_for(
        lambda r: r.values.get("publishers with incompatible QoS") == "1", "the publisher"
    )
    assert "incompatible RELIABILITY" in report.values["last fault"]
    assert "_NODE_NAME_UNKNOWN_" not in report.values["last fault"]
    assert "asks for reliable" in silence(reports, "best_effort")


def test_embeddings_whose_qos_does_not_fit_are_reported(ros: Bench, bundle: str) -> None:
    reports = ros.diagnostics("describer")
    ros.add(Describer, bundle=bundle)
    ros.node.create_publisher(Embedding, "embedder/embedding", sensor_data())
    reports.wait_for(
        lambda r: r.values.get("publishers with incompatible QoS") == "1", "the publisher"
    )


@pytest.mark.parametrize("reliability", list(QoSReliabilityPolicy)[1:3])
@pytest.mark.parametrize("durability", list(QoSDurabilityPolicy)[1:3])
def test_every_kind_of_camera_is_heard(
    ros: Bench,
    bundle: str,
    reports: Inbox,
    reliability: QoSReliabilityPolicy,
    durability: QoSDurabilityPolicy,
) -> None:
    ros.add(Embedder, bundle=bundle)
    camera = ros.camera(reliability=reliability, durability=durability).wait_matched()
    silence(reports, "1 publisher(s)")
    for index in range(20):
        camera.send(colour_frame("red"), START + index * 10**8)
    reports.wait_for(lambda r: r.level == Level.OK.value, "images again")


def test_other_subscribers_do_not_matter(ros: Bench, bundle: str, reports: Inbox) -> None:
    ros.inbox(Image, "image_raw")
    ros.add(Embedder, bundle=bundle)
    silence(reports, "has no publisher")
