# SPDX-License-Identifier: Apache-2.0
"""The embedder over real DDS: what it publishes, and what it survives."""

from __future__ import annotations

import array
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image

from support.camera_bytes import ENCODINGS, message
from support.colour_bundle import DIMENSION, QUERIES, colour_frame, phrase
from support.film import CLIP, PERIOD, START, Film
from support.gated_backend import Gate
from support.ros import Bench, Camera, Inbox, Report
from vljepa_msgs.msg import Embedding, ModelInfo
from vljepa_ros.nodes.clip_worker import MAX_FAILURES
from vljepa_ros.nodes.common.conversions import to_ns, to_stamp, to_vector
from vljepa_ros.nodes.common.diagnostics import Level
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.common.qos import latched
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.phrases import PhraseBank

HOUR = 3600 * 10**9


@pytest.fixture(scope="module")
def phrases(colour_bundle: Path) -> PhraseBank:
    return PhraseBank.from_bundle(Bundle.load(colour_bundle))


def seen(phrases: PhraseBank, embedding: Embedding) -> str:
    """Return what an embedding says."""
    return phrases.best(embedding.query, to_vector(embedding.data)).text


def stamps(embeddings: Inbox) -> list[int]:
    return [to_ns(embedding.header.stamp) for embedding in embeddings]


def raw_message(fields: dict[str, Any], stamp_ns: int) -> Image:
    image = Image(**{**fields, "data": array.array("B", fields["data"])})
    image.is_bigendian = int(fields["is_bigendian"])
    image.header.stamp = to_stamp(stamp_ns)
    image.header.frame_id = "camera"
    return image


def test_every_tick_gives_one_unit_vector_per_query(
    ros: Bench, bundle: str, embeddings: Inbox, phrases: PhraseBank
) -> None:
    infos = ros.inbox(ModelInfo, "embedder/model_info", latched(1))
    ros.add(Embedder, bundle=bundle)
    film = Film(ros.camera().wait_matched(), embeddings, frame_id="front")
    film.roll("white")
    stamp = film.show("white", 1)[0]
    embeddings.wait(4)
    last = [e for e in embeddings if to_ns(e.header.stamp) == stamp]
    assert [e.query for e in last] == list(QUERIES)
    assert [seen(phrases, e) for e in last] == [phrase("white"), phrase("bright")]
    for embedding in last:
        assert embedding.normalized
        assert np.linalg.norm(embedding.data) == pytest.approx(1.0, abs=1e-5)
        assert embedding.header.frame_id == "front"
        assert stamp - to_ns(embedding.window_start) == CLIP

    (info,) = infos.wait(1)
    assert {e.space_id for e in embeddings} == {info.space_id} == {"colour-1"}
    assert {len(e.data) for e in embeddings} == {info.dimension} == {DIMENSION}
    assert {query.name: query.text for query in info.queries} == QUERIES
    assert (info.clip_frames, info.clip_rate_hz) == (4, 10.0)
    assert (info.backend, info.precision) == ("onnxruntime", "fp32")


def test_embeddings_are_counted_per_query_and_life(
    ros: Bench, bundle: str, embeddings: Inbox
) -> None:
    ros.add(Embedder, bundle=bundle)
    camera = ros.camera().wait_matched()
    film = Film(camera, embeddings)
    film.roll("red")
    film.show("red", 3)
    embeddings.wait(8)
    for query in QUERIES:
        assert [e.seq for e in embeddings if e.query == query] == [0, 1, 2, 3]
    assert ros.transition("embedder", "deactivate")
    assert ros.transition("embedder", "activate")
    camera.wait_matched()
    film.roll("red")
    assert embeddings.wait(9)[8].seq == 0


@pytest.mark.parametrize("padding", [0, 5])
def test_every_encoding_reaches_the_model(
    ros: Bench, film: Film, embeddings: Inbox, phrases: PhraseBank, padding: int
) -> None:
    camera = ros.camera().wait_matched()
    film.roll("black")
    for encoding in ENCODINGS:
        # Blue tells red and blue apart; an encoding without colour sees grey values.
        colour = "white" if encoding.startswith("mono") or encoding == "8UC1" else "blue"
        for _ in range(2):  # the newest two frames make the clip's colour
            stamp = film.next_ns
            sent = message(encoding, colour_frame(colour), padding=padding, is_bigendian=False)
            camera.publisher.publish(raw_message(sent.fields(), stamp))
            film.next_ns += PERIOD
            embedding = embeddings.wait_for(
                lambda e, stamp=stamp: to_ns(e.header.stamp) == stamp, encoding
            )
        assert seen(phrases, embedding) == phrase(colour), encoding


@pytest.mark.parametrize(("fit", "colour"), [("crop", "red"), ("stretch", "blue")])
def test_the_whole_image_may_be_shown_instead_of_its_centre(
    ros: Bench, bundle: str, embeddings: Inbox, phrases: PhraseBank, fit: str, colour: str
) -> None:
    ros.add(Embedder, bundle=bundle, queries=["colour"], image_fit=fit)
    camera = ros.camera().wait_matched()
    image = np.hstack([colour_frame(each) for each in ("blue", "red", "blue", "blue")])
    image = np.roll(image, image.shape[1] // 8, axis=1)  # the red quarter is in the middle
    stamps_ns = itertools.count(PERIOD, PERIOD)

    def has_been_seen() -> bool:
        camera.send(image, next(stamps_ns))
        return len(embeddings) > 0

    ros.wait(has_been_seen, "an embedding")
    assert seen(phrases, embeddings[0]) == phrase(colour)


def test_compressed_images_arrive_and_a_torn_one_does_no_harm(
    ros: Bench, bundle: str, embeddings: Inbox, phrases: PhraseBank
) -> None:
    embedder = ros.add(Embedder, bundle=bundle, queries=["colour"], image_transport="compressed")
    camera = ros.camera("image_raw/compressed", kind=CompressedImage).wait_matched()
    ok, jpeg = cv2.imencode(".jpg", colour_frame("red")[..., ::-1])
    assert ok

    class Jpegs(Camera):
        def send(self, image: Any, stamp_ns: int, frame_id: str = "camera") -> None:
            sent = CompressedImage(format="jpeg", data=array.array("B", jpeg.tobytes()))
            sent.header.stamp = to_stamp(stamp_ns)
            sent.header.frame_id = frame_id
            self.publisher.publish(sent)

    film = Film(Jpegs(ros, camera.publisher), embeddings)
    film.roll("red")
    torn = CompressedImage(format="jpeg", data=array.array("B", jpeg.tobytes()[:100]))
    torn.header.stamp = to_stamp(film.next_ns)
    camera.publisher.publish(torn)
    film.next_ns += PERIOD
    film.show("red", 2)
    assert embedder.tally["images refused: corrupt"] == 1
    assert {seen(phrases, embedding) for embedding in embeddings} == {phrase("red")}


def test_a_message_that_lies_about_its_size_is_refused_and_counted(ros: Bench, film: Film) -> None:
    reports = ros.diagnostics("embedder")
    film.roll("red")
    camera = ros.camera().wait_matched()
    good = message("rgb8", colour_frame("red")).fields()
    lies = [
        {"height": 4000, "width": 4000},
        {"step": 1},
        {"data": b""},
        {"width": 0},
        {"encoding": "32FC1"},
        {"encoding": ""},
    ]
    for lie in lies:
        camera.publisher.publish(raw_message({**good, **lie}, film.next_ns))
        film.next_ns += PERIOD
        film.show("red", 1)
    report = reports.wait_for(
        lambda r: (
            r.values.get("images refused: encoding") == "2"
            and r.values.get("images refused: size") == "4"
        ),
        "all refused images",
    )
    assert "refused" in report.values["last fault"]


def test_images_without_a_stamp_get_the_time_of_their_arrival(
    ros: Bench, embedder: Embedder, embeddings: Inbox
) -> None:
    camera = ros.camera().wait_matched()
    begin = ros.node.get_clock().now().nanoseconds
    while not embeddings.has(3, deadline_s=0.02):
        camera.send(colour_frame("red"), 0)
    now = ros.node.get_clock().now().nanoseconds
    assert all(begin <= stamp <= now for stamp in stamps(embeddings))
    assert embedder.tally["images without stamp"] > 3


def test_duplicates_and_frames_out_of_order_are_left_out_and_counted(
    embedder: Embedder, embeddings: Inbox, film: Film
) -> None:
    film.roll("red")
    last = film.show("red", 2)[-1]
    film.next_ns = last
    film.shoot("blue")
    film.next_ns = last - PERIOD // 2
    film.shoot("blue")
    film.next_ns = last + PERIOD
    film.show("red", 1)
    assert embedder.tally["stamps: duplicate"] == 1
    assert embedder.tally["stamps: out of order"] == 1
    assert stamps(embeddings) == sorted(set(stamps(embeddings)))


@pytest.mark.parametrize("step_ns", [10 * 10**9, HOUR, -60 * 10**9])
def test_a_clip_never_mixes_what_lies_before_and_after_a_cut(
    embedder: Embedder, embeddings: Inbox, film: Film, step_ns: int
) -> None:
    """A camera that drops out, a clock set forward, a recording that begins again."""
    film.roll("red")
    film.show("red", 2)
    before = len(embeddings)
    film.next_ns = begin = film.next_ns + step_ns
    film.roll("blue")
    for embedding in embeddings[before:]:
        assert to_ns(embedding.window_start) >= begin
        assert to_ns(embedding.header.stamp) - to_ns(embedding.window_start) > CLIP - PERIOD
    assert embedder.tally["stamps: gap"] + embedder.tally["stamps: jump back"] == 1


def test_another_resolution_starts_the_clip_anew(
    ros: Bench, embedder: Embedder, embeddings: Inbox, film: Film
) -> None:
    film.roll("red")
    before, begin = len(embeddings), film.next_ns
    camera = ros.camera().wait_matched()
    for index in range(40):
        camera.send(colour_frame("blue", 48, 64), begin + index * PERIOD)
        if embeddings.has(before + 1, deadline_s=0.05):
            break
    assert all(to_ns(e.window_start) >= begin for e in embeddings[before:])
    assert embedder.tally["camera changes"] == 1


def test_a_simulated_clock_set_back_starts_the_clip_anew(
    ros: Bench, bundle: str, embeddings: Inbox
) -> None:
    embedder = ros.add(Embedder, bundle=bundle, queries=["colour"], use_sim_time=True)
    film = Film(ros.camera().wait_matched(), embeddings)
    ros.set_clock(embedder, START + HOUR)
    film.roll("red")
    before, begin = len(embeddings), film.next_ns
    ros.set_clock(embedder, START)
    film.roll("blue")
    assert all(to_ns(e.window_start) >= begin for e in embeddings[before:])


def test_a_slow_model_gets_the_newest_frame(
    ros: Bench, gate: Gate, embedder: Embedder, embeddings: Inbox, film: Film
) -> None:
    film.roll("red")
    before = len(embeddings)
    gate.close()
    held = film.shoot("red")
    assert gate.reached.wait(20.0)
    received = embedder.tally["frames replaced by newer ones"]
    waiting = []
    for count in range(10):
        waiting.append(film.shoot("red"))
        if count:
            ros.wait(
                lambda n=received + count: embedder.tally["frames replaced by newer ones"] == n,
                "one more frame replaced",
            )
    gate.open()
    embeddings.wait(before + 2)
    assert stamps(embeddings)[before:] == [held, waiting[-1]]


def test_a_cut_is_not_lost_with_the_frame_that_showed_it(
    ros: Bench, gate: Gate, embedder: Embedder, embeddings: Inbox, film: Film
) -> None:
    film.roll("red")
    gate.close()
    held = film.shoot("red")
    assert gate.reached.wait(20.0)
    film.next_ns += 10 * 10**9
    film.shoot("red")
    replaced = embedder.tally["frames replaced by newer ones"]
    film.shoot("red")
    ros.wait(
        lambda: embedder.tally["frames replaced by newer ones"] == replaced + 1, "a replacement"
    )
    gate.open()
    embeddings.wait_for(lambda e: to_ns(e.header.stamp) == held, "the frame that was held")
    film.roll("red")
    after = [e for e in embeddings if to_ns(e.header.stamp) > held]
    for embedding in after:
        assert to_ns(embedding.header.stamp) - to_ns(embedding.window_start) > CLIP - PERIOD


def test_failures_that_are_not_in_a_row_are_forgiven(
    ros: Bench, gate: Gate, embedder: Embedder, film: Film
) -> None:
    film.roll("red")
    for failures in range(1, 2 * MAX_FAILURES + 1):
        gate.failing = True
        film.shoot("red")
        ros.wait(lambda n=failures: embedder.tally["model failures"] == n, "a failure")
        gate.failing = False
        film.show("red", 1)
    assert embedder.phase is Phase.ACTIVE


def test_one_failure_of_the_model_is_counted_and_forgiven(
    ros: Bench, gate: Gate, embedder: Embedder, film: Film
) -> None:
    film.roll("red")
    gate.failing = True
    film.shoot("red")
    ros.wait(lambda: embedder.tally["model failures"] == 1, "a failure")
    gate.failing = False
    film.show("red", 2)
    assert embedder.phase is Phase.ACTIVE


def test_a_model_that_keeps_failing_deactivates_the_node_and_says_why(
    ros: Bench, gate: Gate, embedder: Embedder, embeddings: Inbox, film: Film
) -> None:
    reports = ros.diagnostics("embedder")
    film.roll("red")
    gate.failing = True
    for count in range(1, MAX_FAILURES + 1):
        film.shoot("red")
        ros.wait(lambda n=count: embedder.tally["model failures"] == n, "one more failure")
    report = reports.wait_for(lambda r: r.level == Level.ERROR.value, "an error")
    assert "the test lets it fail" in report.message
    ros.wait(lambda: embedder.phase is Phase.INACTIVE, "deactivation")

    gate.failing = False
    ros.transition("embedder", "activate")
    reports.wait_for(lambda r: r is not report and r.level != Level.ERROR.value, "an end of it")
    film.roll("red")


def test_what_is_not_a_number_is_not_published(
    ros: Bench, gate: Gate, embedder: Embedder, embeddings: Inbox, film: Film
) -> None:
    film.roll("red")
    before = len(embeddings)
    gate.not_finite = True
    film.shoot("red")
    ros.wait(lambda: embedder.tally["model failures"] == 1, "a failure")
    gate.not_finite = False
    film.show("red", 1)
    assert len(embeddings) == before + 1
    assert all(np.isfinite(embedding.data).all() for embedding in embeddings)


def test_the_rate_is_changed_while_running(ros: Bench, embeddings: Inbox, film: Film) -> None:
    assert ros.set_parameters("embedder", rate_hz=5.0).successful
    film.roll("red")
    before = len(embeddings)
    for _ in range(8):
        last = film.shoot("red")
        embeddings.has(len(embeddings) + 1, deadline_s=0.05)
    intervals = np.diff(stamps(embeddings)[before:])
    assert (intervals == 2 * PERIOD).all() and len(intervals) == 3
    assert stamps(embeddings)[-1] >= last - PERIOD


def test_black_frames_that_never_change_give_finite_embeddings(
    embeddings: Inbox, film: Film, phrases: PhraseBank
) -> None:
    film.roll("black")
    film.show("black", 10)
    assert {seen(phrases, embedding) for embedding in embeddings} == {phrase("black")}


def _constant(index: int) -> int:
    return START


def _two_clocks(index: int) -> int:
    return START + index * PERIOD + (HOUR if index % 2 else 0)


def _short_loop(index: int) -> int:
    return START + (index % 9) * PERIOD


@pytest.mark.parametrize(
    ("stamp", "cause", "key"),
    [
        (_constant, "all stamps are equal: the camera driver must stamp its images", "all equal"),
        (_two_clocks, "two publishers or two clocks on one topic", "to and fro"),
        (_short_loop, "stamps jump to and fro", "to and fro"),
    ],
)
def test_stamps_that_let_nothing_come_out_are_a_warning_with_the_cause(
    ros: Bench,
    embedder: Embedder,
    stamp: Callable[[int], int],
    cause: str,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vljepa_ros.nodes.camera_input.SILENCE_S", 0.3)
    reports = ros.diagnostics("embedder")
    camera = ros.camera().wait_matched()
    told: list[Report] = []
    for index in range(200):
        camera.send(colour_frame("red"), stamp(index))
        reports.wait(index // 4)  # about 40 images a second
        told = [one for one in reports if "no embedding goes out: " in one.message]
        if len(told) > 3:
            break
    assert {one.level for one in told} == {Level.WARN.value}
    assert cause in told[-1].message
    assert embedder.tally[f"stamps: {key}"] == 1, "it is logged when it begins"


def test_stamps_are_no_warning_any_more_when_they_are_right_again(
    ros: Bench, embedder: Embedder, embeddings: Inbox, film: Film
) -> None:
    reports = ros.diagnostics("embedder")
    for _ in range(10):
        film.shoot("red")
        film.next_ns -= PERIOD
    reports.wait_for(lambda r: "all stamps are equal" in r.message, "the warning")
    film.roll("red")
    film.show("red", 3)
    reports.wait_for(lambda r: "clips per second" in r.message, "an end of it")


def test_images_that_are_all_refused_are_a_warning(
    ros: Bench, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vljepa_ros.nodes.camera_input.SILENCE_S", 0.3)
    reports = ros.diagnostics("embedder")
    camera = ros.camera().wait_matched()
    reports.wait_for(lambda r: r.values["state"] == "active", "an active embedder")
    depth = message("rgb8", colour_frame("red")).fields() | {"encoding": "16UC1"}
    for index in range(100):
        camera.publisher.publish(raw_message(depth, START + index * PERIOD))
        reports.wait(len(reports) + 1)
        active = [report for report in reports if report.values["state"] == "active"]
        warned = [report for report in active if report.level == Level.WARN.value]
        if warned:
            break
    assert "no embedding goes out: image refused: " in warned[0].message
    assert "16UC1" in warned[0].values["last fault"]
