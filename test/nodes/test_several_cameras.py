# SPDX-License-Identifier: Apache-2.0
"""An embedder that looks at two cameras with one model, over real DDS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.colour_bundle import COLOURS, colour_frame, phrase
from support.film import CLIP, PERIOD, START, Film
from support.gated_backend import Gate
from support.ros import Bench, Inbox
from vljepa_msgs.msg import Embedding
from vljepa_msgs.srv import Ask
from vljepa_ros.nodes.common.conversions import to_ns, to_vector
from vljepa_ros.nodes.common.diagnostics import Level
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.phrases import PhraseBank

CAMERAS = ("front", "wrist")
LATER = 1_234_567  # ns between the stamps of the two cameras


@pytest.fixture
def inboxes(ros: Bench) -> dict[str, Inbox]:
    return {name: ros.inbox(Embedding, f"embedder/{name}/embedding") for name in CAMERAS}


@pytest.fixture
def embedder(ros: Bench, bundle: str, inboxes: dict[str, Inbox]) -> Embedder:
    return ros.add(Embedder, bundle=bundle, queries=["colour"], cameras=[*CAMERAS])


@pytest.fixture
def films(ros: Bench, embedder: Embedder, inboxes: dict[str, Inbox]) -> dict[str, Film]:
    return {
        name: Film(
            ros.camera(f"{name}/image_raw").wait_matched(),
            inboxes[name],
            START + number * LATER,
            frame_id=f"{name}_optical",
        )
        for number, name in enumerate(CAMERAS)
    }


@pytest.fixture(scope="module")
def phrases(colour_bundle: Path) -> PhraseBank:
    return PhraseBank.from_bundle(Bundle.load(colour_bundle))


def seen(phrases: PhraseBank, embedding: Embedding) -> str:
    """Return what an embedding says."""
    return phrases.best(embedding.query, to_vector(embedding.data)).text


def ask(ros: Bench, camera: str) -> Any:
    answers = [phrase(colour) for colour in COLOURS]
    question = "What colour is the scene?"
    return ros.call(Ask, "embedder/ask", question=question, answers=answers, camera=camera)


def test_each_camera_has_embeddings_of_what_it_sees(
    films: dict[str, Film], inboxes: dict[str, Inbox], phrases: PhraseBank
) -> None:
    colours = {"front": "red", "wrist": "blue"}
    for _ in range(2):
        for name, film in films.items():
            film.roll(colours[name])
            film.show(colours[name], 2)
    for number, name in enumerate(CAMERAS):
        assert {seen(phrases, e) for e in inboxes[name]} == {phrase(colours[name])}
        assert {e.header.frame_id for e in inboxes[name]} == {f"{name}_optical"}
        stamps = [to_ns(e.header.stamp) for e in inboxes[name]]
        assert stamps == sorted(set(stamps))
        assert {stamp % PERIOD for stamp in stamps} == {number * LATER}


def test_frames_of_both_cameras_that_wait_go_through_the_model_in_one_run(
    ros: Bench,
    gate: Gate,
    embedder: Embedder,
    films: dict[str, Film],
    inboxes: dict[str, Inbox],
    phrases: PhraseBank,
) -> None:
    for film in films.values():
        film.roll("red")
    before = {name: len(inbox) for name, inbox in inboxes.items()}
    replaced = {name: embedder.tally[f"{name}: frames replaced by newer ones"] for name in CAMERAS}
    gate.close()
    held = films["front"].shoot("red")
    assert gate.reached.wait(20.0)
    newest = {}
    for name, colour in (("front", "green"), ("wrist", "blue")):
        for count in range(3):
            newest[name] = films[name].shoot(colour)
            ros.wait(
                lambda n=name, c=count: (
                    embedder.tally[f"{n}: frames replaced by newer ones"] >= replaced[n] + c
                ),
                "a frame waits, or replaced one",
            )
    runs = len(gate.batches)
    gate.open()
    for name, inbox in inboxes.items():
        inbox.wait_for(lambda e, n=name: to_ns(e.header.stamp) == newest[n], f"newest of {name}")
    assert gate.batches[runs:] == [1, 2], "the frame that was held, and then both cameras"
    stamps = {
        name: [to_ns(e.header.stamp) for e in inbox[before[name] :]]
        for name, inbox in inboxes.items()
    }
    assert stamps == {"front": [held, newest["front"]], "wrist": [newest["wrist"]]}
    for name in CAMERAS:
        assert embedder.tally[f"{name}: frames replaced by newer ones"] == replaced[name] + 2


def test_an_embedding_of_one_camera_that_is_not_finite_is_counted_and_the_other_goes_on(
    ros: Bench,
    gate: Gate,
    embedder: Embedder,
    films: dict[str, Film],
    inboxes: dict[str, Inbox],
) -> None:
    for film in films.values():
        film.roll("red")
    gate.close()
    films["front"].shoot("red")
    assert gate.reached.wait(20.0)
    runs, newest = len(gate.batches), {}
    for name in CAMERAS:
        cause = f"{name}: frames replaced by newer ones"
        replaced = embedder.tally[cause]
        for _ in range(2):
            newest[name] = films[name].shoot("red")
        ros.wait(lambda c=cause, r=replaced: embedder.tally[c] > r, "a frame of it waits")
    gate.not_finite_clips = {1}  # the wrist's, in the run of both
    gate.open()
    inboxes["front"].wait_for(lambda e: to_ns(e.header.stamp) == newest["front"], "the good one")
    assert gate.batches[runs:] == [1, 2]
    gate.not_finite_clips = set()
    films["wrist"].show("red", 1)
    assert newest["wrist"] not in [to_ns(e.header.stamp) for e in inboxes["wrist"]]
    assert embedder.tally["wrist: embeddings not finite"] == 1
    assert embedder.tally["model failures"] == 0
    assert all(np.isfinite(e.data).all() for name in CAMERAS for e in inboxes[name])


def test_a_silent_camera_is_a_warning_that_names_it_and_the_other_goes_on(
    ros: Bench, films: dict[str, Film], inboxes: dict[str, Inbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = ros.diagnostics("embedder")
    monkeypatch.setattr("vljepa_ros.nodes.common.listener.SILENCE_S", 0.5)
    warned: list[Any] = []
    for _ in range(20):
        films["front"].roll("red")
        reports.wait(len(reports) + 1)
        active = [report for report in reports if report.values["state"] == "active"]
        warned = [report for report in active if report.level == Level.WARN.value]
        if warned:
            break
    assert "wrist: no message for" in warned[0].message
    assert "front" not in warned[0].message
    assert warned[0].values["front: topic"] == "/front/image_raw"
    assert {"wrist: images_hz", "wrist: clips_hz", "wrist: age_ms"} <= set(warned[0].values)
    films["front"].show("red", 1)
    assert not inboxes["wrist"]
    stale = reports.wait_for(lambda r: r.level == Level.STALE.value, "silence of both")
    assert "front: no message" in stale.message and "wrist: no message" in stale.message


def test_a_camera_whose_time_jumps_back_starts_anew_alone(
    embedder: Embedder, films: dict[str, Film], inboxes: dict[str, Inbox]
) -> None:
    for film in films.values():
        film.roll("red")
        film.show("red", 2)
    before = len(inboxes["front"])
    films["front"].next_ns = begin = START - 3600 * 10**9
    films["front"].roll("blue")
    for embedding in inboxes["front"][before:]:
        assert to_ns(embedding.window_start) >= begin
        assert to_ns(embedding.header.stamp) - to_ns(embedding.window_start) > CLIP - PERIOD
    films["wrist"].show("red", 1)  # at once: its clip was kept
    assert embedder.tally["front: stamps: jump back"] == 1
    assert embedder.tally["wrist: stamps: jump back"] == 0


def test_a_question_is_about_the_camera_that_it_names(ros: Bench, films: dict[str, Film]) -> None:
    films["front"].roll("red")
    assert "no clip" in ask(ros, "wrist").message
    films["wrist"].roll("green")
    stamp = films["wrist"].show("green", 2)[-1]
    for camera, colour in (("front", "red"), ("wrist", "green")):
        answer = ask(ros, camera)
        assert answer.success, answer.message
        assert list(COLOURS)[answer.best] == colour
    assert to_ns(answer.stamp) == stamp
    for camera in ("", "rear"):
        assert f"no camera '{camera}'; there is front, wrist" in ask(ros, camera).message


def test_a_single_camera_may_have_a_name(ros: Bench, bundle: str) -> None:
    ros.add(Embedder, bundle=bundle, queries=["colour"], cameras=["front"])
    inbox = ros.inbox(Embedding, "embedder/front/embedding")
    Film(ros.camera("front/image_raw").wait_matched(), inbox).roll("red")
    assert ask(ros, "").success
    assert ask(ros, "front").success


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["front", "front"], "the camera 'front' is named twice"),
        (["left arm"], "'left arm' cannot be the name of a camera"),
        (["/front"], "'/front' cannot be the name"),
        (["7"], "'7' cannot be the name"),
        ([f"camera{n}" for n in range(17)], "17 cameras; there may be 16"),
    ],
)
def test_names_that_cannot_be_used_are_refused(
    ros: Bench, bundle: str, names: list[str], complaint: str
) -> None:
    reports = ros.diagnostics("embedder")
    embedder = ros.add(Embedder, bundle=bundle, cameras=names)
    reports.wait_for(
        lambda r: r.level == Level.ERROR.value and complaint in r.message, "the complaint"
    )
    assert embedder.phase is Phase.UNCONFIGURED
    refused = ros.set_parameters("embedder", cameras=names[:1] + names)
    assert not refused.successful
    assert ros.set_parameters("embedder", cameras=["front", "wrist"]).successful
    assert ros.transition("embedder", "configure")
    assert not ros.set_parameters("embedder", cameras=["front"]).successful


def test_both_cameras_that_end_and_come_back_are_seen_again(
    ros: Bench, films: dict[str, Film]
) -> None:
    for film in films.values():
        film.roll("red")
    assert ros.transition("embedder", "deactivate")
    assert ros.transition("embedder", "activate")
    for name, film in films.items():
        ros.camera(f"{name}/image_raw").wait_matched()
        film.roll("green")


def test_what_is_no_image_of_one_camera_is_counted_under_its_name(
    ros: Bench, embedder: Embedder, films: dict[str, Film]
) -> None:
    films["wrist"].roll("red")
    camera = ros.camera("wrist/image_raw").wait_matched()
    camera.send(colour_frame("red"), 0)
    ros.wait(lambda: embedder.tally["wrist: images without stamp"] == 1, "an image without stamp")
    assert embedder.tally["images without stamp"] == 0
