# SPDX-License-Identifier: Apache-2.0
"""The live view over real DDS and HTTP: what it tells, to whom, and what it costs nobody."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import Image

from support.colour_bundle import phrase
from support.live_site import LiveSite, updates
from support.review_site import get, post
from support.ros import Bench
from vljepa_msgs.srv import ListPhrases
from vljepa_ros.live.live_server import LIVE_PAGE
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.complaints import (
    MODEL_FAILS,
    NO_PUBLISHER,
    OTHER_SPACE,
    complaints_in,
)
from vljepa_ros.nodes.common.diagnostics import Level
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.live_view import LiveView
from vljepa_ros.web.local_server import page_files

QUESTION = {"camera": "", "question": "What colour is the scene?"}


def first(told: Iterator[dict[str, Any]], wanted: Callable[[Any], bool]) -> dict[str, Any]:
    """Return the first update that is wanted."""
    return next(update for update in told if wanted(update))


def states(update: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["state"]["text"] for one in update["queries"] if one["state"]}


@pytest.fixture
def view(ros: Bench) -> LiveView:
    view = ros.add(LiveView, port=0)
    ros.wait(lambda: view.phase is Phase.ACTIVE, "an active live view")
    return view


def test_a_page_is_told_states_segments_candidates_and_the_model(ros: Bench, bundle: str) -> None:
    site = LiveSite(ros, bundle)

    def of_colour(update: dict[str, Any]) -> bool:
        return any(one["query"] == "colour" for one in update["ended"])

    with updates(site.server) as told:
        site.show("red")
        now = first(told, lambda one: "colour" in states(one))
        assert states(now)["colour"] == phrase("red")
        assert now["mayWrite"] is False
        assert "onnxruntime" in now["model"]["backend"]
        site.show("green")
        ended = first(told, of_colour)["ended"]
        assert [
            (one["text"], one["score"] > 0.5) for one in ended if one["query"] == "colour"
        ] == [(phrase("red"), True)]
        assert states(first(told, lambda one: one["ended"] == []))["colour"] == phrase("green")
    with updates(site.server) as told:  # whoever comes late
        whole = next(told)
        assert whole["whole"]
        texts = [one["text"] for one in whole["ended"] if one["query"] == "colour"]
        assert texts == [phrase("red")]
        best = [shares[0][0] for query, _, shares in whole["curves"] if query == "colour"]
        assert {phrase("red"), phrase("green")} <= set(best)
    answer, found = get(site.server, "/api/search?text=the%20scene%20is%20red")
    assert answer.status == 200
    assert json.loads(found)[0]["text"] == phrase("red")


def test_questions_are_answered_and_phrases_are_refused_unless_allowed(
    ros: Bench, bundle: str
) -> None:
    site = LiveSite(ros, bundle)
    site.show("blue")
    answers = [phrase(colour) for colour in ("red", "blue")]
    answer, told = post(site.server, "/api/ask", {**QUESTION, "answers": answers})
    assert (answer.status, told["best"]) == (200, 1)
    wanted = {"query": "colour", "texts": ["the scene is bright red"]}
    answer, told = post(site.server, "/api/phrases", wanted)
    assert answer.status == 403
    assert "web_write" in told["problem"]
    listed = ros.call(ListPhrases, "describer/list_phrases", query="colour")
    assert "the scene is bright red" not in str(listed)
    assert ros.node.count_clients("/describer/add_phrases") == 0


def test_a_page_that_may_write_teaches_phrases(ros: Bench, bundle: str) -> None:
    site = LiveSite(ros, bundle, web_write=True)
    wanted = {"query": "colour", "texts": ["the scene is bright red"]}
    assert post(site.server, "/api/phrases", wanted)[0].status == 200
    listed = ros.call(ListPhrases, "describer/list_phrases", query="colour")
    assert "the scene is bright red" in str(listed)
    answer, told = post(site.server, "/api/phrases", {**wanted, "texts": []})
    assert (answer.status, "64" in told["problem"]) == (503, True)


def test_images_are_taken_only_while_somebody_looks(
    ros: Bench, view: LiveView, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = ros.camera()
    assert get(view.server, "/api/picture")[0].status == 204
    camera.wait_matched()
    monkeypatch.setattr("vljepa_ros.nodes.watched_images._LOOKED_S", 0.5)
    camera.send(np.full((48, 64, 3), (200, 0, 0), np.uint8), 1)
    pictures: list[Any] = []

    def shown() -> bool:
        pictures.append(get(view.server, "/api/picture"))
        return bool(pictures[-1][1])

    ros.wait(shown, "a picture")
    answer, jpeg = pictures[-1]
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (48, 64, 3)
    assert image[..., 2].mean() > 180
    again = get(view.server, f"/api/picture?after={answer.headers['X-Number']}")
    assert again[0].status == 204
    gone = camera.publisher.get_subscription_count
    ros.wait(lambda: gone() == 0, "nobody looks any more")


def test_an_image_that_cannot_be_shown_is_counted(ros: Bench, view: LiveView) -> None:
    camera = ros.camera()
    get(view.server, "/api/picture")
    camera.wait_matched()

    def refused() -> bool:
        camera.publisher.publish(Image(encoding="nonsense", width=4, height=4))
        return (
            get(view.server, "/api/picture")[0].status == 204
            and view.tally["images refused: encoding"] > 0
        )

    ros.wait(refused, "a refused image")


def test_complaints_are_told_apart_into_what_why_and_remedy() -> None:
    message = f"left: {NO_PUBLISHER.told(7, 'a; b')}; {OTHER_SPACE.told()}; something else"
    first, second, third = complaints_in(message)
    assert first["seen"] == "left: no message for 7 s: a; b"
    assert (first["why"], first["remedy"]) == (NO_PUBLISHER.why, NO_PUBLISHER.remedy)
    assert second["remedy"] == OTHER_SPACE.remedy
    assert third == {"seen": "something else", "why": "", "remedy": ""}


def test_complaints_of_our_nodes_are_told_and_those_of_others_are_not(
    ros: Bench, view: LiveView
) -> None:
    publisher = ros.node.create_publisher(DiagnosticArray, "/diagnostics", qos.reliable(10))
    error, ill = Level.ERROR.value, MODEL_FAILS.told(5)
    report = [
        DiagnosticStatus(level=error, name="embedder", message=ill),
        DiagnosticStatus(level=error, name="battery", message="empty"),
    ]
    with updates(view.server) as told:
        ros.wait(lambda: publisher.get_subscription_count() > 0, "it listens")
        publisher.publish(DiagnosticArray(status=report))

        def of_embedder(update: Any) -> list[Any]:
            return [one for one in update["nodes"] if one["node"] == "/embedder"]

        update = first(told, of_embedder)
        (embedder,) = of_embedder(update)
    assert embedder["level"] == "error"
    assert embedder["told"][0]["remedy"] == MODEL_FAILS.remedy
    assert "battery" not in str(update)


def test_nobody_to_ask_is_said_at_once(view: LiveView) -> None:
    answer, told = post(view.server, "/api/ask", {**QUESTION, "answers": ["red"]})
    assert (answer.status, "/embedder/ask is not there" in told["problem"]) == (503, True)


@pytest.mark.parametrize(
    "content",
    [
        *([], {}, {**QUESTION, "answers": "red"}, {**QUESTION, "answers": ["x" * 501]}),
        *({**QUESTION, "answers": ["red"], "question": ""}, {**QUESTION, "answers": [3]}),
    ],
)
def test_nonsense_is_refused(view: LiveView, content: Any) -> None:
    assert post(view.server, "/api/ask", content)[0].status == 400


def test_there_is_nothing_else(view: LiveView) -> None:
    for path in ("/api", "/page/../live_server.py", "/page/%2e%2e%2flive_server.py", "/x"):
        assert get(view.server, path)[0].status == 404
    for path in ("/api/picture?camera=nobody", "/api/updates?camera=nobody"):
        assert get(view.server, path)[0].status == 404
    assert get(view.server, "/api/picture?after=x")[0].status == 400


def test_the_page_may_talk_to_this_server_only(view: LiveView) -> None:
    for path in ("/", *(f"/page/{name}" for name in page_files(LIVE_PAGE))):
        answer, body = get(view.server, path)
        assert answer.status == 200 and body
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        own = body.replace(b"http://www.w3.org/2000/svg", b"")  # a name, not an address
        assert b"http://" not in own and b"https://" not in own


def test_other_sites_and_other_names_of_this_machine_are_refused(view: LiveView) -> None:
    assert get(view.server, "/", {"Host": "evil.org"})[0].status == 403
    for headers in ({"Origin": "http://evil.org"}, {"Content-Type": "text/plain"}):
        content = {**QUESTION, "answers": ["red"]}
        assert post(view.server, "/api/ask", content, headers)[0].status == 403


def test_other_machines_need_the_token(ros: Bench) -> None:
    view = ros.add(LiveView, port=0, host="0.0.0.0")
    reports = ros.diagnostics("live_view")
    ros.wait(lambda: view.phase is Phase.ACTIVE, "an active live view")
    token = view.server.access.token
    assert len(token) > 20
    assert get(view.server, "/api/picture", {"Host": "robot"})[0].status == 403
    answer, _ = get(view.server, f"/?token={token}", {"Host": "robot"})
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    assert get(view.server, "/", {"Host": "robot", "Cookie": cookie})[0].status == 200
    assert token not in str(reports.wait(1))


def test_a_port_that_is_taken_fails_the_configuring_and_says_what_to_do(ros: Bench) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        reports = ros.diagnostics("live_view")
        ros.add(LiveView, port=other.getsockname()[1])
        said = reports.wait_for(lambda one: one.level == Level.ERROR.value, "an error")
    assert "choose another port" in said.message


def test_pages_beyond_the_limit_are_hung_up_on_and_the_others_go_on(
    view: LiveView, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = [socket.create_connection(view.server.server_address[:2]) for _ in range(70)]
    try:
        hung_up = idle[-1]
        hung_up.settimeout(20)
        assert hung_up.recv(1) == b""
    finally:
        for one in idle:
            one.close()


def test_a_page_that_does_not_read_holds_up_nobody(ros: Bench, view: LiveView) -> None:
    stuck = socket.create_connection(view.server.server_address[:2])
    stuck.sendall(b"GET /api/updates HTTP/1.1\r\nHost: localhost\r\n\r\n")
    ros.wait(lambda: view.server.pages == 1, "an open page")
    with updates(view.server) as told:
        assert next(told)["whole"]
    stuck.close()
    ros.wait(lambda: view.server.pages == 0, "no page is open")


def test_an_inactive_view_says_so_and_a_closed_one_ends_its_pages(
    ros: Bench, view: LiveView
) -> None:
    with updates(view.server) as told:
        assert next(told)["trouble"] == ""
        assert ros.transition("live_view", "deactivate")
        assert "inactive" in first(told, lambda one: one["trouble"])["trouble"]
        assert ros.transition("live_view", "cleanup")
        list(told)  # comes to its end
    assert view.server is None
