# SPDX-License-Identifier: Apache-2.0
"""What the page is told: all that is kept at first, then what is new."""

from __future__ import annotations

import json
import math
import time

import numpy as np
import pytest

from vljepa_ros.live import camera_history
from vljepa_ros.live.camera_history import CameraHistory, Stretch
from vljepa_ros.live.live_stream import LiveStream, NoSuchCameraError
from vljepa_ros.live.reported_health import ReportedHealth
from vljepa_ros.views.board import StateView

SECOND = 1_000_000_000
NOW = 1000 * SECOND


def over(text: str, start_s: int, end_s: int, query: str = "action") -> Stretch:
    return Stretch(query, start_s * SECOND, end_s * SECOND, text, 0.9, None)


def spans(history: CameraHistory) -> list[tuple[str, int, int]]:
    return [
        (one.text, one.start_ns // SECOND, one.end_ns // SECOND) for one in history.stretches()
    ]


@pytest.fixture
def stream() -> LiveStream:
    stream = LiveStream([""])
    stream.set_queries([("action", "What does the robot do?")])
    return stream


def test_a_page_gets_all_at_first_and_then_what_is_new(stream: LiveStream) -> None:
    camera = stream.cameras[""]
    camera.add_stretch(over("reaching", 990, 995))
    camera.add_candidates("action", NOW, ["reaching", "resting"], [0.25, 0.75])
    content, seen = stream.update("", None, NOW)
    assert content["whole"]
    assert [one["text"] for one in content["ended"]] == ["reaching"]
    assert content["curves"] == [("action", 1000.0, (("resting", 0.75), ("reaching", 0.25)))]
    assert set(content["colours"]) == {"reaching", "resting"}
    content, seen = stream.update("", seen, NOW)
    assert (content["ended"], content["curves"], content["whole"]) == ([], [], False)
    camera.add_stretch(over("pushing", 995, 999))
    content, _ = stream.update("", seen, NOW)
    assert [one["text"] for one in content["ended"]] == ["pushing"]


def test_an_update_is_json_whatever_the_numbers_are(stream: LiveStream) -> None:
    camera = stream.cameras[""]
    camera.embedded("action", NOW, math.nan)
    camera.add_candidates("action", NOW, ["a", "b"], [math.nan, math.inf])
    camera.told("action", StateView("reaching", NOW, math.nan), NOW)
    json.dumps(stream.update("", None, NOW)[0], allow_nan=False)


def test_a_slow_page_misses_what_is_not_kept_and_nothing_else(
    stream: LiveStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_history, "_MAX_STRETCHES", 3)
    stream = LiveStream([""])
    _, seen = stream.update("", None, NOW)
    for second in range(10):
        stream.cameras[""].add_stretch(over(f"state {second}", second, second + 1))
    content, _ = stream.update("", seen, NOW)
    assert [one["text"] for one in content["ended"]] == ["state 7", "state 8", "state 9"]


def test_a_state_is_told_with_since_score_and_unfamiliarity(stream: LiveStream) -> None:
    camera = stream.cameras[""]
    state = StateView("reaching", NOW - SECOND, 0.8, unfamiliarity=0.25)
    camera.told("action", state, NOW)
    (query,) = stream.update("", None, NOW)[0]["queries"]
    assert query["question"] == "What does the robot do?"
    assert query["state"] == {
        "text": "reaching",
        "since": 999.0,
        "seen": 1000.0,
        "score": 0.8,
        "unfamiliarity": 0.25,
        "doubted": False,
        "unseen": None,
    }


def test_what_is_not_seen_any_more_does_not_stand(stream: LiveStream) -> None:
    camera = stream.cameras[""]
    camera.told("action", StateView("reaching", NOW, 0.8), NOW)
    unseen = [
        stream.update("", None, NOW + age * SECOND)[0]["queries"][0]["state"]["unseen"]
        for age in (1, 10)
    ]
    assert unseen == [None, 10.0]
    camera.lost("action", "reaching", NOW)
    (query,) = stream.update("", None, NOW + 2 * SECOND)[0]["queries"]
    assert query["state"]["unseen"] == 2.0


def test_nothing_stands_if_the_describer_is_silent(stream: LiveStream) -> None:
    camera = stream.cameras[""]
    camera.told("action", StateView("reaching", NOW - 60 * SECOND, 0.8), NOW)
    camera.embedded("action", NOW, 0.1)
    camera.told_s = time.monotonic() - 30.0
    (query,) = stream.update("", None, NOW)[0]["queries"]
    assert query["state"]["unseen"] == pytest.approx(30.0, abs=1.0)


def test_a_doubt_is_a_stretch_once_it_is_over() -> None:
    camera = CameraHistory()
    doubt = StateView("", 10 * SECOND, 0.0, doubt="lens covered", unfamiliarity=1.0)
    camera.told("action", doubt, 11 * SECOND)
    camera.told("action", doubt, 12 * SECOND)
    assert spans(camera) == []
    camera.told("action", StateView("", 20 * SECOND, 0.0, doubt="too dark"), 21 * SECOND)
    camera.told("action", StateView("reaching", 30 * SECOND, 0.8), 31 * SECOND)
    camera.told("action", StateView("reaching", 30 * SECOND, 0.8), 32 * SECOND)
    assert spans(camera) == [("? lens covered", 10, 20), ("? too dark", 20, 30)]
    assert all(one.doubted for one in camera.stretches())


def test_marked_words_in_a_doubt_are_told_by_their_own_segment() -> None:
    camera = CameraHistory()
    camera.told("action", StateView("reaching", SECOND, 0.1, doubt="too dark"), SECOND)
    camera.told("action", StateView("pushing", 2 * SECOND, 0.8), 2 * SECOND)
    assert spans(camera) == []


def test_candidates_make_two_points_a_second_of_the_five_best() -> None:
    camera = CameraHistory()
    texts = [f"text {number}" for number in range(9)]
    for tick in range(10):
        camera.add_candidates(
            "action", NOW + tick * SECOND // 10, texts, [n / 36 for n in range(9)]
        )
    assert camera.points == 2
    assert [text for text, _ in camera.curves()[0].shares] == [
        f"text {n}" for n in (8, 7, 6, 5, 4)
    ]


def test_a_clock_that_is_set_back_begins_everything_anew(stream: LiveStream) -> None:
    stream.cameras[""].add_stretch(over("reaching", 990, 995))
    stream.ring.add(("", "action"), "space", NOW, np.ones(4, np.float32))
    _, seen = stream.update("", None, NOW)
    stream.forget()
    content, _ = stream.update("", seen, SECOND)
    assert content["whole"] and content["ended"] == []
    assert [one["name"] for one in content["queries"]] == ["action"]
    assert len(stream.ring) == 0


def test_a_text_finds_each_state_once_also_the_one_that_stands(stream: LiveStream) -> None:
    camera, east = stream.cameras[""], np.eye(2, dtype=np.float32)[0]
    camera.add_stretch(over("reaching", 900, 910))
    camera.told("action", StateView("pushing", 950 * SECOND, 0.8), 960 * SECOND)
    for second in (901, 905, 930, 955):
        stream.ring.add(("", "action"), "space", second * SECOND, east)
    found = stream.found(east, "space")
    spans = {(one["text"], one["start"], one["end"]) for one in found}
    assert spans == {("reaching", 900.0, 910.0), ("pushing", 950.0, 960.0), ("", 930.0, 931.0)}
    assert found[0]["value"] == pytest.approx(1.0)


def test_cameras_are_told_apart() -> None:
    stream = LiveStream(["front", "wrist"])
    stream.cameras["wrist"].told("action", StateView("", NOW, 0.0, doubt="too dark"), NOW)
    stream.set_dropped(
        {"front: frames replaced by newer ones": 3, "wrist: images refused: size": 4}
    )
    content, _ = stream.update("", None, NOW)
    assert content["camera"] == "front"
    assert content["cameras"] == [
        {"name": "front", "doubt": "", "seen": False},
        {"name": "wrist", "doubt": "? too dark", "seen": True},
    ]
    assert content["stream"]["dropped"] == 3
    with pytest.raises(NoSuchCameraError):
        stream.update("<script>", None, NOW)


def test_a_node_that_reports_nothing_any_more_is_silent() -> None:
    told = [{"seen": "the model failed", "why": "", "remedy": ""}]
    assert ReportedHealth("/embedder", "error", told).shown()["told"] == told
    late = ReportedHealth("/embedder", "ok", told, time.monotonic() - 10).shown()
    assert (late["level"], late["told"]) == ("silent", [])
