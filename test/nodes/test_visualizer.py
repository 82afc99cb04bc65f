# SPDX-License-Identifier: Apache-2.0
"""The visualizer over real DDS: it draws what the topics say, and only for those who look."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.qos import QoSReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from support.ros import Bench, Camera, Report
from vljepa_msgs.msg import Embedding, ModelInfo, Query, StateDescription, States
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.complaints import OLD_STAMPS
from vljepa_ros.nodes.common.conversions import to_image, to_ns, to_rgb, to_stamp
from vljepa_ros.nodes.common.diagnostics import Level
from vljepa_ros.nodes.visualizer import Visualizer
from vljepa_ros.views.colours import StateColours

SECOND = 1_000_000_000
START = 1000 * SECOND
FIRST_COLOUR = StateColours().of("the first text")
WHITE = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
PICTURE = np.random.default_rng(1).integers(0, 256, (300, 400, 3), np.uint8)


class Robot:
    """What embedder and describer publish, under the control of a test."""

    def __init__(self, ros: Bench) -> None:
        create = ros.node.create_publisher
        self.info = create(ModelInfo, "embedder/model_info", qos.latched(1))
        self.embedding = create(Embedding, "embedder/embedding", qos.reliable(10))
        self.state = create(StateDescription, "describer/state", qos.latched(10))
        self.diagnostics = create(DiagnosticArray, "/diagnostics", qos.reliable(10))
        self.camera: Camera = ros.camera(reliability=QoSReliabilityPolicy.RELIABLE)

    def asks(self, *names: str) -> None:
        self.info.publish(ModelInfo(queries=[Query(name=n, text=f"{n}?") for n in names]))

    def embeds(self, stamp_ns: int, query: str = "action") -> None:
        self.embedding.publish(Embedding(header=header(stamp_ns), query=query))

    def says(
        self,
        text: str,
        since_ns: int,
        query: str = "action",
        score: float = 0.8,
        reason: int = StateDescription.CHANGE,
        frame_id: str = "camera_optical",
    ) -> None:
        message = StateDescription(header=header(since_ns), query=query, text=text, score=score)
        message.header.frame_id = frame_id
        message.since = to_stamp(since_ns)
        message.reason = reason
        self.state.publish(message)

    def doubts(self, text: str, since_ns: int, image_fault: int) -> None:
        message = StateDescription(header=header(since_ns), query="action", text=text)
        message.since, message.image_fault = to_stamp(since_ns), image_fault
        message.reason = StateDescription.UNFAMILIAR
        self.state.publish(message)

    def loses(self, text: str, seen_ns: int, query: str = "action") -> None:
        message = StateDescription(header=header(seen_ns), query=query, previous_text=text)
        message.reason = StateDescription.LOST
        self.state.publish(message)

    def drops(self, count: int) -> None:
        pair = KeyValue(key="frames replaced by newer ones", value=str(count))
        status = DiagnosticStatus(name="embedder", values=[pair])
        self.diagnostics.publish(DiagnosticArray(status=[status]))


def header(stamp_ns: int) -> Header:
    return Header(stamp=to_stamp(stamp_ns), frame_id="camera_optical")


@pytest.fixture
def robot(ros: Bench) -> Robot:
    return Robot(ros)


def panel(overlay: Any) -> np.ndarray:
    """Return the overlay without the camera's picture."""
    drawn = to_rgb(overlay).copy()
    drawn[: PICTURE.shape[0], : PICTURE.shape[1]] = 0
    return drawn


def shows(overlay: Any, colour: tuple[int, int, int]) -> bool:
    return bool((panel(overlay) == colour).all(axis=2).sum() > 50)


def test_images_are_taken_only_while_somebody_looks(ros: Bench, robot: Robot) -> None:
    reports = ros.diagnostics("visualizer")
    ros.add(Visualizer, use_sim_time=True)
    reports.wait_for(lambda one: one.message == "nobody looks at the overlay", "idleness")
    assert robot.camera.publisher.get_subscription_count() == 0
    subscription = ros.node.create_subscription(Image, "/visualizer/overlay", lambda _: None, 5)
    robot.camera.wait_matched()
    ros.node.destroy_subscription(subscription)
    ros.wait(lambda: robot.camera.publisher.get_subscription_count() == 0, "the visualizer let go")


def test_the_overlay_shows_the_picture_with_its_stamp_and_frame(ros: Bench, robot: Robot) -> None:
    overlays = ros.inbox(Image, "/visualizer/overlay")
    ros.add(Visualizer, use_sim_time=True)
    robot.camera.wait_matched().send(PICTURE, START, "camera_optical")
    (overlay,) = overlays.wait(1)
    assert (to_ns(overlay.header.stamp), overlay.header.frame_id) == (START, "camera_optical")
    assert np.array_equal(to_rgb(overlay)[:300, :400], PICTURE)
    assert overlay.height * overlay.width > PICTURE.shape[0] * PICTURE.shape[1]


def test_states_from_before_the_start_are_shown(ros: Bench, robot: Robot) -> None:
    robot.asks("action")
    robot.says("reaching", START - 5 * SECOND)
    overlays = ros.inbox(Image, "/visualizer/overlay")
    ros.add(Visualizer, use_sim_time=True)
    robot.camera.wait_matched()
    sent = 0

    def drawn_with_the_state() -> bool:
        nonlocal sent
        robot.camera.send(PICTURE, START + sent * SECOND // 10)
        sent += 1
        return any(shows(one, FIRST_COLOUR) for one in overlays)

    ros.wait(drawn_with_the_state, "an overlay with the latched state")


def test_a_new_state_changes_the_panel_and_not_the_picture(ros: Bench, robot: Robot) -> None:
    markers = ros.inbox(MarkerArray, "/visualizer/markers")
    overlays = ros.inbox(Image, "/visualizer/overlay")
    ros.add(Visualizer, use_sim_time=True)
    robot.asks("action")
    robot.camera.wait_matched().send(PICTURE, START)
    (before,) = overlays.wait(1)
    robot.says("reaching", START)
    markers.wait_for(lambda message: message.markers, "a text")  # so the state has arrived
    robot.camera.send(PICTURE, START + SECOND // 10)
    after = overlays.wait(2)[1]
    assert not shows(before, FIRST_COLOUR)
    assert shows(after, FIRST_COLOUR)
    assert np.array_equal(to_rgb(after)[:300, :400], PICTURE)


def test_the_embedders_drops_are_shown(ros: Bench, robot: Robot) -> None:
    overlays = ros.inbox(Image, "/visualizer/overlay")
    ros.add(Visualizer, use_sim_time=True)
    robot.camera.wait_matched()
    sent = 0

    def ink(overlay: Any) -> int:
        return int((panel(overlay) > 150).all(axis=2).sum())

    def drawn_with_more_text() -> bool:
        nonlocal sent
        robot.embeds(START)
        if sent > 2:
            robot.drops(4711)
        robot.camera.send(PICTURE, START + sent * SECOND // 10)
        sent += 1
        amounts = [ink(one) for one in overlays[1:]]
        return bool(amounts) and max(amounts) > 1.3 * min(amounts)

    ros.wait(drawn_with_more_text, "an overlay with dropped frames")


def test_markers_stand_in_the_cameras_frame(ros: Bench, robot: Robot) -> None:
    markers = ros.inbox(MarkerArray, "/visualizer/markers")
    ros.add(Visualizer, use_sim_time=True, text_size_m=0.2, text_distance_m=3.0)
    robot.asks("action", "object")
    robot.says("reaching", START, score=0.81)
    robot.says("the drawer is open", START, query="object")
    message = markers.wait_for(lambda one: len(one.markers) == 2, "two texts")
    first, second = message.markers
    assert first.text == "action?\nreaching (81 %)"
    assert second.text.startswith("object?\nthe drawer is open")
    for marker in message.markers:
        assert marker.type == Marker.TEXT_VIEW_FACING
        assert marker.header.frame_id == "camera_optical"
        assert marker.scale.z == pytest.approx(0.2)
        assert marker.pose.position.z == pytest.approx(3.0)
        assert marker.lifetime.sec > 0
    assert first.pose.position.y < second.pose.position.y  # y points down
    assert first.id != second.id


@pytest.mark.parametrize(
    ("text", "fault", "shown"),
    [
        ("", Embedding.NO_FAULT, "? unfamiliar scene (for "),
        ("", Embedding.FROZEN, "? images frozen (for "),
        ("reaching", Embedding.UNDEREXPOSED, "? reaching (too dark) (for "),
    ],
)
def test_markers_say_why_nothing_can_be_trusted(
    ros: Bench, robot: Robot, text: str, fault: int, shown: str
) -> None:
    markers = ros.inbox(MarkerArray, "/visualizer/markers")
    ros.add(Visualizer, use_sim_time=True)
    robot.asks("action")
    robot.says("reaching", START)
    robot.doubts(text, START + SECOND, fault)
    message = markers.wait_for(
        lambda one: one.markers and "?\n?" in one.markers[0].text, "a doubt"
    )
    assert message.markers[0].text.startswith(f"action?\n{shown}")
    assert message.markers[0].color != WHITE


def test_markers_of_images_without_a_frame_stand_in_one_that_is_named(
    ros: Bench, robot: Robot
) -> None:
    markers = ros.inbox(MarkerArray, "/visualizer/markers")
    reports = ros.diagnostics("visualizer")
    ros.add(Visualizer, use_sim_time=True)
    robot.asks("action")
    robot.says("reaching", START, frame_id="")
    message = markers.wait_for(lambda one: one.markers, "a text")
    assert message.markers[0].header.frame_id == "camera"
    report = reports.wait_for(lambda r: "states without frame_id" in r.values, "the count")
    assert "set the frame_id of the camera driver" in report.values["last fault"]


def test_a_look_on_request_does_not_replace_the_state(ros: Bench, robot: Robot) -> None:
    markers = ros.inbox(MarkerArray, "/visualizer/markers")
    ros.add(Visualizer, use_sim_time=True)
    robot.asks("action", "object")
    robot.says("reaching", START)
    robot.says("a glimpse", START, reason=StateDescription.FORCED)
    robot.says("the drawer is open", START, query="object")
    message = markers.wait_for(lambda one: len(one.markers) == 2, "two texts")
    assert message.markers[0].text.startswith("action?\nreaching")


def test_compressed_images_are_drawn(ros: Bench, robot: Robot) -> None:
    overlays = ros.inbox(Image, "/visualizer/overlay")
    camera = ros.camera("image_raw/compressed", kind=CompressedImage).wait_matched(0)
    ros.add(Visualizer, use_sim_time=True, image_transport="compressed")
    camera.wait_matched()
    _, data = cv2.imencode(".png", PICTURE[..., ::-1])
    message = CompressedImage(header=header(START), format="png")
    message.data.frombytes(data.tobytes())
    camera.publisher.publish(message)
    assert np.array_equal(to_rgb(overlays.wait(1)[0])[:300, :400], PICTURE)


def test_an_image_that_lies_is_counted_and_the_next_is_drawn(ros: Bench, robot: Robot) -> None:
    overlays, reports = ros.inbox(Image, "/visualizer/overlay"), ros.diagnostics("visualizer")
    ros.add(Visualizer, use_sim_time=True)
    robot.camera.wait_matched()
    lie = to_image(PICTURE, to_stamp(START), "camera")
    lie.height = 9999
    robot.camera.publisher.publish(lie)
    reports.wait_for(lambda one: any("images refused" in key for key in one.values), "the count")
    robot.camera.send(PICTURE, START + SECOND // 10)
    assert to_ns(overlays.wait(1)[0].header.stamp) == START + SECOND // 10


def test_overlays_are_limited_to_their_rate(ros: Bench, robot: Robot) -> None:
    overlays = ros.inbox(Image, "/visualizer/overlay")
    ros.add(Visualizer, use_sim_time=True, max_rate_hz=5.0)
    robot.camera.wait_matched()
    for tick in range(60):  # two seconds of a 30 Hz camera
        robot.camera.send(PICTURE, START + tick * SECOND // 30)
        overlays.wait(1)
    robot.camera.send(PICTURE, START + 9 * SECOND)
    overlays.wait_for(lambda one: to_ns(one.header.stamp) == START + 9 * SECOND, "the last stamp")
    assert len(overlays) <= 12  # after lost images some come closer to each other, never more


def test_it_can_be_deactivated_and_activated_again(ros: Bench, robot: Robot) -> None:
    overlays = ros.inbox(Image, "/visualizer/overlay")
    ros.add(Visualizer, use_sim_time=True)
    robot.camera.wait_matched()
    for name in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
        wanted = Transition(id=name)
        assert ros.call(ChangeState, "/visualizer/change_state", transition=wanted).success
    robot.camera.wait_matched().send(PICTURE, START)
    overlays.wait(1)


def test_a_camera_that_falls_silent_leaves_a_grey_picture_with_an_age(
    ros: Bench, robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vljepa_ros.nodes.visualizer._SILENCE_S", 0.2)
    overlays = ros.inbox(Image, "/visualizer/overlay")
    ros.add(Visualizer, use_sim_time=True)
    robot.camera.wait_matched().send(PICTURE, START)

    def is_grey(overlay: Any) -> bool:
        shown = to_rgb(overlay)[80:300, :400]
        return bool((np.ptp(shown, axis=2) == 0).all() and shown.any())

    grey = overlays.wait_for(is_grey, "the last picture in grey")
    assert to_ns(grey.header.stamp) == START, "it is the old picture"
    overlays.clear()
    overlays.wait_for(is_grey, "another one, with another age")


def test_before_the_first_image_the_overlay_says_that_none_comes(
    ros: Bench, robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vljepa_ros.nodes.visualizer._SILENCE_S", 0.2)
    overlays = ros.inbox(Image, "/visualizer/overlay")
    ros.add(Visualizer, use_sim_time=True)
    assert to_rgb(overlays.wait(1)[0])[:60].any()


def test_a_lost_state_says_in_the_marker_for_how_long(ros: Bench, robot: Robot) -> None:
    markers = ros.inbox(MarkerArray, "/visualizer/markers")
    node = ros.add(Visualizer, use_sim_time=True)
    robot.asks("action")
    ros.set_clock(node, START)
    robot.says("reaching", START - 2 * SECOND)
    markers.wait_for(lambda one: one.markers and "80 %" in one.markers[0].text, "the state")
    robot.loses("reaching", START - 2 * SECOND)
    lost = "action?\nreaching (not seen for 2.0 s)"
    message = markers.wait_for(lambda one: one.markers and one.markers[0].text == lost, "its end")
    assert message.markers[0].color.r < 1
    ros.set_clock(node, START + SECOND // 2)
    markers.wait_for(lambda one: one.markers and "for 2.5 s" in one.markers[0].text, "an age")


def test_a_state_without_embeddings_grows_old_against_the_clock(ros: Bench, robot: Robot) -> None:
    markers, reports = ros.inbox(MarkerArray, "/visualizer/markers"), ros.diagnostics("visualizer")
    node = ros.add(Visualizer, use_sim_time=True)
    robot.asks("action")
    ros.set_clock(node, START)
    robot.says("reaching", START - 30 * SECOND)
    markers.wait_for(
        lambda one: one.markers and "not seen for 30.0 s" in one.markers[0].text, "an old state"
    )

    def told() -> list[Report]:
        robot.embeds(START - 30 * SECOND)
        return [report for report in reports if report.message == OLD_STAMPS.told(30)]

    ros.wait(told, "that it is late")
    assert told()[0].level == Level.WARN.value


def test_states_that_stand_are_shown_to_who_comes_late(ros: Bench, robot: Robot) -> None:
    standing = ros.node.create_publisher(States, "describer/states", qos.latched(1))
    one = StateDescription(header=header(START), query="object", text="closed", score=0.7)
    standing.publish(States(states=[one]))
    markers = ros.inbox(MarkerArray, "/visualizer/markers")
    ros.add(Visualizer, use_sim_time=True)
    message = markers.wait_for(lambda one: one.markers, "a text")
    assert "closed" in message.markers[0].text


def test_what_the_model_sees_is_framed(ros: Bench, robot: Robot) -> None:
    overlays = ros.inbox(Image, "/visualizer/overlay")
    ros.add(Visualizer, use_sim_time=True)
    robot.camera.wait_matched()
    sent = 0

    def framed() -> bool:
        nonlocal sent
        size = KeyValue(key="frame size", value="160 x 160")
        status = DiagnosticStatus(name="embedder", values=[size])
        robot.diagnostics.publish(DiagnosticArray(status=[status]))
        robot.camera.send(PICTURE, START + sent * SECOND // 10)
        sent += 1
        shown = [to_rgb(one)[:300, :400] for one in overlays]
        return any((one[:, 50] != PICTURE[:, 50]).any(axis=1).mean() > 0.9 for one in shown)

    ros.wait(framed, "a frame at the left of the square in the middle")


def test_letters_that_no_font_has_are_reported(ros: Bench, robot: Robot) -> None:
    reports = ros.diagnostics("visualizer")
    ros.add(Visualizer, use_sim_time=True)
    robot.says("\U0001f9ffx\u4e2d\U000e0100\u4dff\U0002ebe0", START)
    report = reports.wait_for(
        lambda r: "texts with letters that no font has" in r.values, "the count"
    )
    assert "fonts-noto-cjk" in report.values["last fault"]


def test_states_of_a_dead_describer_are_not_shown_as_current(
    ros: Bench, robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vljepa_ros.views.board.UNSEEN_S", 0.5)
    standing = ros.node.create_publisher(States, "describer/states", qos.latched(1))
    one = StateDescription(header=header(START), query="object", text="closed", score=0.7)
    standing.publish(States(states=[one]))
    markers = ros.inbox(MarkerArray, "/visualizer/markers")
    node = ros.add(Visualizer, use_sim_time=True)
    ros.set_clock(node, START)
    markers.wait_for(lambda one: one.markers and "not seen" in one.markers[0].text, "its silence")
