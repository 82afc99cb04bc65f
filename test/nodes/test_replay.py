# SPDX-License-Identifier: Apache-2.0
"""The replay node over real DDS: every image, with the source's times, and a clean end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Log
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Bool

from support.recordings import (
    COLOURS,
    bag_image,
    write_bag,
    write_folder,
    write_video,
)
from support.ros import Bench, Inbox
from vljepa_ros.nodes.common.conversions import to_ns, to_rgb
from vljepa_ros.nodes.common.qos import latched
from vljepa_ros.nodes.replay import Replay
from vljepa_ros.recordings.source import Source, SourceFrame
from vljepa_ros.recordings.time_line import JUMPED

MS = 1_000_000
SEQUENCE = ["red", "green", "blue", "black"] * 3


needs_shared_memory = pytest.mark.skipif(
    not Path("/dev/shm").is_dir(), reason="no folder below /dev to put a file into"
)


@pytest.fixture
def video(tmp_path: Path) -> str:
    return str(write_video(tmp_path / "a.mp4", SEQUENCE, rate_hz=50.0))


def colours(images: list[Any]) -> list[str]:
    means = [to_rgb(image).reshape(-1, 3).mean(axis=0) for image in images]
    return [min(COLOURS, key=lambda n: float(np.abs(mean - COLOURS[n]).sum())) for mean in means]


def stamps_ms(images: list[Any]) -> list[int]:
    """Return the images' stamps in milliseconds since the first."""
    stamps = [to_ns(image.header.stamp) for image in images]
    return [(stamp - stamps[0]) // MS for stamp in stamps]


def reliable_images(ros: Bench) -> Inbox:
    return ros.inbox(Image, "image_raw", 1000)


def rosout(ros: Bench) -> Inbox:
    """Return what nodes log, also what they logged before they were found."""
    return ros.inbox(Log, "/rosout", latched(1000))


def state(ros: Bench) -> int:
    return int(ros.call(GetState, "/replay/get_state").current_state.id)


def transition(ros: Bench, name: int) -> bool:
    wanted = Transition(id=name)
    return bool(ros.call(ChangeState, "/replay/change_state", transition=wanted).success)


def test_a_video_arrives_whole_with_its_own_distances(ros: Bench, video: str) -> None:
    images, finished = reliable_images(ros), ros.inbox(Bool, "/replay/finished", latched(1))
    ros.add(Replay, source=video, frame_id="front_optical")
    received = images.wait(len(SEQUENCE))
    finished.wait_for(lambda message: message.data, "finished")
    assert colours(received) == SEQUENCE
    assert stamps_ms(received) == [20 * n for n in range(len(SEQUENCE))]
    assert {(one.encoding, one.header.frame_id) for one in received} == {("bgr8", "front_optical")}
    assert len(images) == len(SEQUENCE)


def test_no_image_is_published_before_its_stamp(ros: Bench, video: str) -> None:
    received: list[tuple[int, int]] = []
    images = reliable_images(ros)
    take = images.take

    def note(message: Any) -> None:
        received.append((ros.node.get_clock().now().nanoseconds, to_ns(message.header.stamp)))
        take(message)

    images.take = note  # type: ignore[method-assign]
    ros.node.create_subscription(Image, "image_raw", note, 50)
    ros.add(Replay, source=video)
    images.wait(2 * len(SEQUENCE))
    assert len(received) == len(SEQUENCE)
    assert all(now_ns - stamp_ns > -1 * MS for now_ns, stamp_ns in received)


def test_the_end_is_told_to_late_listeners_and_deactivates(ros: Bench, video: str) -> None:
    images = reliable_images(ros)
    ros.add(Replay, source=video, rate=0.0)
    images.wait(len(SEQUENCE))
    ros.wait(lambda: state(ros) == State.PRIMARY_STATE_INACTIVE, "replay is inactive")
    late = ros.inbox(Bool, "/replay/finished", latched(1))
    assert late.wait(1)[0].data is True


def test_it_can_be_activated_again(ros: Bench, video: str) -> None:
    images = reliable_images(ros)
    ros.add(Replay, source=video, rate=0.0)
    images.wait(len(SEQUENCE))
    ros.wait(lambda: state(ros) == State.PRIMARY_STATE_INACTIVE, "replay is inactive")
    assert transition(ros, Transition.TRANSITION_ACTIVATE)
    assert colours(images.wait(2 * len(SEQUENCE))) == 2 * SEQUENCE


def test_as_fast_as_possible_loses_nothing_for_a_reliable_subscriber(
    ros: Bench, tmp_path: Path
) -> None:
    source = str(write_video(tmp_path / "a.mp4", SEQUENCE * 20, rate_hz=10.0))
    images = reliable_images(ros)
    ros.add(Replay, source=source, rate=0.0)
    received = images.wait(20 * len(SEQUENCE))
    assert colours(received) == SEQUENCE * 20
    assert stamps_ms(received) == [100 * n for n in range(20 * len(SEQUENCE))]


def test_a_best_effort_subscriber_is_served_too(ros: Bench, video: str) -> None:
    qos = QoSProfile(depth=20, reliability=QoSReliabilityPolicy.BEST_EFFORT)
    images = ros.inbox(Image, "image_raw", qos)
    ros.add(Replay, source=video)
    images.wait(1)


def test_nothing_is_sent_before_somebody_listens(ros: Bench, video: str) -> None:
    reports = ros.diagnostics("replay")
    ros.add(Replay, source=video)
    waiting = reports.wait_for(lambda one: "nobody subscribes" in one.message, "a warning")
    assert "/image_raw" in waiting.message
    assert waiting.values["published"] == "0"
    assert colours(reliable_images(ros).wait(len(SEQUENCE))) == SEQUENCE


def test_it_can_wait_for_several_subscribers(ros: Bench, video: str) -> None:
    reports, first = ros.diagnostics("replay"), reliable_images(ros)
    ros.add(Replay, source=video, wait_for_subscribers=2)
    waiting = reports.wait_for(lambda one: "only 1 of 2 subscribe" in one.message, "a warning")
    assert waiting.values["published"] == "0"
    second = reliable_images(ros)
    assert colours(first.wait(len(SEQUENCE))) == SEQUENCE
    assert colours(second.wait(len(SEQUENCE))) == SEQUENCE


def test_a_loop_goes_on_with_growing_stamps_until_deactivated(ros: Bench, video: str) -> None:
    images = reliable_images(ros)
    ros.add(Replay, source=video, rate=10.0, loop=True)
    received = images.wait(3 * len(SEQUENCE))[: 3 * len(SEQUENCE)]
    assert stamps_ms(received) == [20 * n for n in range(3 * len(SEQUENCE))]
    assert transition(ros, Transition.TRANSITION_DEACTIVATE)
    assert state(ros) == State.PRIMARY_STATE_INACTIVE


def test_the_loop_can_be_ended_while_it_runs(ros: Bench, video: str) -> None:
    images, finished = reliable_images(ros), ros.inbox(Bool, "/replay/finished", latched(1))
    ros.add(Replay, source=video, rate=10.0, loop=True)
    images.wait(len(SEQUENCE) + 1)
    assert ros.set_parameters("/replay", loop=False).successful
    finished.wait_for(lambda message: message.data, "finished")


def test_a_bags_images_keep_encoding_and_frame(ros: Bench, tmp_path: Path) -> None:
    images = [(n, bag_image(colour, 10 * MS * n + 1, "bgr8")) for n, colour in enumerate(SEQUENCE)]
    received = reliable_images(ros)
    ros.add(Replay, source=str(write_bag(tmp_path / "bag", images)))
    got = received.wait(len(SEQUENCE))
    assert colours(got) == SEQUENCE
    assert {(one.encoding, one.header.frame_id) for one in got} == {("bgr8", "camera_optical")}
    assert stamps_ms(got)[-1] == 10 * (len(SEQUENCE) - 1)


def test_a_bags_own_stamps_can_be_kept(ros: Bench, tmp_path: Path) -> None:
    stamps = [10**18 + n * 10 * MS for n in range(3)]
    bag = write_bag(tmp_path / "bag", [(n, bag_image("red", ns)) for n, ns in enumerate(stamps)])
    images = reliable_images(ros)
    ros.add(Replay, source=str(bag), stamps="recorded", loop=True, rate=10.0)
    received = [to_ns(one.header.stamp) for one in images.wait(6)[:6]]
    assert received == [*stamps, *(stamp + 30 * MS for stamp in stamps)]


@needs_shared_memory
def test_a_cameras_images_carry_the_time_of_their_arrival(ros: Bench) -> None:
    """OpenCV reads a file below /dev through the same calls as a camera."""
    with TemporaryDirectory(dir="/dev/shm") as folder:
        device = write_video(Path(folder) / "a.mp4", SEQUENCE, rate_hz=1.0)
        images, finished = reliable_images(ros), ros.inbox(Bool, "/replay/finished", latched(1))
        before_ns = ros.node.get_clock().now().nanoseconds
        ros.add(Replay, source=str(device), loop=True)
        finished.wait_for(lambda message: message.data, "finished")
        received = images.wait(len(SEQUENCE) - 1)  # the first proved that the camera works
        after_ns = ros.node.get_clock().now().nanoseconds
    stamps = [to_ns(one.header.stamp) for one in received]
    assert before_ns < stamps[0]
    assert stamps == sorted(stamps)
    assert stamps[-1] < after_ns


def test_a_broken_source_fails_configure_with_its_cause_and_can_be_replaced(
    ros: Bench, tmp_path: Path, video: str
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")
    reports, images = ros.diagnostics("replay"), reliable_images(ros)
    ros.add(Replay, source=str(broken))
    report = reports.wait_for(lambda one: "broken.mp4" in one.message, "the file's name")
    assert "not a video" in report.message
    assert state(ros) == State.PRIMARY_STATE_UNCONFIGURED
    assert ros.set_parameters("/replay", source=video).successful
    assert transition(ros, Transition.TRANSITION_CONFIGURE)
    assert transition(ros, Transition.TRANSITION_ACTIVATE)
    assert colours(images.wait(len(SEQUENCE))) == SEQUENCE


def lost(report: Any) -> int:
    """Return how many image files a report counts as unreadable."""
    return int(report.values.get("recording: image file cannot be read", 0))


def test_images_that_cannot_be_read_are_counted(ros: Bench, tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(8)]
    write_folder(tmp_path, names, SEQUENCE)
    (tmp_path / "3.png").write_bytes(b"no image")
    images, reports = reliable_images(ros), ros.diagnostics("replay")
    log = rosout(ros)
    ros.add(Replay, source=str(tmp_path), rate=10.0, loop=True)
    images.wait(21)
    reports.wait_for(lambda one: lost(one) >= 2, "the count of two rounds")
    assert "black" not in colours(images.wait(14))[:3]
    told = [one.msg for one in log if "image file cannot be read" in one.msg]
    assert len(told) == 1, told


def test_what_is_lost_at_the_very_end_is_reported_too(ros: Bench, tmp_path: Path) -> None:
    write_folder(tmp_path, ["1.png", "2.png", "3.png"], SEQUENCE)
    (tmp_path / "3.png").write_bytes(b"no image")
    reliable_images(ros)
    reports = ros.diagnostics("replay")
    ros.add(Replay, source=str(tmp_path), rate=0.0)
    report = reports.wait_for(lambda one: lost(one) == 1, "the count")
    assert report.values["published"] == "2"


def test_each_source_is_counted_from_its_own_beginning(ros: Bench, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_folder(tmp_path / name, ["1.png", "2.png"], SEQUENCE)
        (tmp_path / name / "2.png").write_bytes(b"no image")
    reliable_images(ros)
    reports = ros.diagnostics("replay")
    ros.add(Replay, source=str(tmp_path / "a"), rate=0.0)
    reports.wait_for(lambda one: lost(one) == 1, "the count of the first")
    ros.wait(lambda: state(ros) == State.PRIMARY_STATE_INACTIVE, "replay is inactive")
    assert transition(ros, Transition.TRANSITION_CLEANUP)
    assert ros.set_parameters("/replay", source=str(tmp_path / "b")).successful
    assert transition(ros, Transition.TRANSITION_CONFIGURE)
    assert transition(ros, Transition.TRANSITION_ACTIVATE)
    reports.wait_for(lambda one: lost(one) == 2, "the count of both")


def test_a_long_wait_is_announced_and_can_be_ended(ros: Bench, tmp_path: Path) -> None:
    names = ["1000.0.png", "1000.1.png", "1000.2.png", "1050.2.png"]
    write_folder(tmp_path, names, ["red"] * 4)
    images, reports = reliable_images(ros), ros.diagnostics("replay")
    log = rosout(ros)
    ros.add(Replay, source=str(tmp_path))
    images.wait(3)
    report = reports.wait_for(lambda one: "next image in [s]" in one.values, "the announcement")
    assert 30 < float(report.values["next image in [s]"]) <= 50
    assert "the next image comes in" in report.message
    log.wait_for(lambda one: one.msg == "the next image comes in 50 s", "the announcement")
    assert transition(ros, Transition.TRANSITION_DEACTIVATE)
    assert len(images) == 3


def test_a_jump_of_the_clock_is_bridged_and_told(ros: Bench, tmp_path: Path) -> None:
    images = [(n, bag_image("red", ns + 1)) for n, ns in enumerate([0, 10 * MS, 10**18])]
    received, reports = reliable_images(ros), ros.diagnostics("replay")
    ros.add(Replay, source=str(write_bag(tmp_path / "bag", images)), rate=100.0)
    assert stamps_ms(received.wait(3)) == [0, 10, 2010]
    reports.wait_for(lambda one: f"recording: {JUMPED}" in one.values, "the jump")


class Noted(Source):
    """A source with something to say."""

    def __init__(self) -> None:
        super().__init__("noted")
        self.notes = ["the bag has two image topics: /left is replayed"]

    def _images(self) -> Iterator[SourceFrame]:
        yield SourceFrame(0, "mono8", 2, 2, 2, bytes(4))


def test_what_a_user_should_know_of_a_source_is_told(
    ros: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vljepa_ros.nodes.replay.open_source", lambda *_: Noted())
    log = rosout(ros)
    ros.add(Replay, source="noted")
    log.wait_for(lambda one: "/left is replayed" in one.msg, "the note")


def test_a_source_that_disappears_ends_in_a_told_failure(ros: Bench, tmp_path: Path) -> None:
    write_folder(tmp_path, ["1.png", "2.png"], SEQUENCE)
    images, reports = reliable_images(ros), ros.diagnostics("replay")
    ros.add(Replay, source=str(tmp_path), rate=10.0, loop=True)
    images.wait(3)
    for path in tmp_path.iterdir():
        path.unlink()
    reports.wait_for(lambda one: "can no longer be read" in one.message, "the failure")
    assert state(ros) == State.PRIMARY_STATE_INACTIVE


def test_the_source_cannot_be_changed_while_it_is_open(ros: Bench, video: str) -> None:
    ros.add(Replay, source=video)
    ros.wait(lambda: state(ros) == State.PRIMARY_STATE_ACTIVE, "replay is active")
    result = ros.set_parameters("/replay", source="other.mp4")
    assert not result.successful
    assert "deactivate" in result.reason
