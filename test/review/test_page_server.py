# SPDX-License-Identifier: Apache-2.0
"""The server of the review page, asked as a browser asks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from support.full_disk import full_disk
from support.review_site import get, post, serving, small_review
from vljepa_ros.index.store import Store
from vljepa_ros.review.page_server import PAGE, ReviewServer
from vljepa_ros.review.reviewed_store import ReviewedStore

GREEN = {"start": 3.0, "end": 6.0, "label": "dark green"}
EDIT = {"query": "colour", "start": 3.0, "end": 6.0, "seen": [], "spans": [GREEN]}


@pytest.fixture
def server(tmp_path: Path, colour_bundle: Path) -> Iterator[ReviewServer]:
    with serving(small_review(tmp_path, colour_bundle)) as server:
        yield server


@pytest.fixture(scope="module")
def reader(
    tmp_path_factory: pytest.TempPathFactory, colour_bundle: Path
) -> Iterator[ReviewServer]:
    """Return a server for tests that write nothing."""
    with serving(small_review(tmp_path_factory.mktemp("review"), colour_bundle)) as server:
        yield server


def content(server: ReviewServer, path: str):
    answer, body = get(server, path)
    assert answer.status == 200, body
    return json.loads(body)


def test_the_page_and_its_files_may_talk_to_this_server_only(reader: ReviewServer) -> None:
    for path in ("/", *(f"/page/{file.name}" for file in PAGE.iterdir())):
        answer, body = get(reader, path)
        assert answer.status == 200
        assert body
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert b"http://" not in body
        assert b"https://" not in body


@pytest.mark.parametrize(
    "path",
    [
        *("/page/../page_server.py", "/page/%2e%2e%2fpage_server.py", "/page/", "/etc/passwd"),
        *("/api", "/api/recordings/nobody", "/video/nobody", "/api/export/film.exe"),
        *("/api/recordings/..%2f..%2fx", "/api/export/nobody.csv", "/api/frame/nobody"),
    ],
)
def test_there_is_nothing_else(reader: ReviewServer, path: str) -> None:
    assert get(reader, path)[0].status == 404


def test_nonsense_is_answered(reader: ReviewServer) -> None:
    for path in ("/api/frame/film?t=nan", "/api/frame/film?t=-1", "/api/search?text=", "http://["):
        assert get(reader, path)[0].status == 400


def test_a_recording_has_lanes_colours_and_unfamiliar_stretches(reader: ReviewServer) -> None:
    (line,) = content(reader, "/api/recordings")
    found = content(reader, f"/api/recordings/{line['id']}")
    assert [lane["name"] for lane in found["lanes"]] == ["colour", "brightness"]
    red = found["lanes"][0]["shown"][0]
    assert (red["start"], red["end"], red["text"], red["corrected"]) == (0.0, 3.0, "red", False)
    assert red["score"] == pytest.approx(0.9)
    assert "the scene is green" in " ".join(found["lanes"][0]["phrases"])
    assert found["unfamiliar"] == [[6.0, 9.0]]
    assert found["colours"]["red"] == "#5698d6"
    assert "" not in found["colours"]


def test_a_video_is_sent_in_parts(reader: ReviewServer) -> None:
    whole_answer, whole = get(reader, "/video/film")
    assert (whole_answer.status, whole_answer.headers["Accept-Ranges"]) == (200, "bytes")
    answer, part = get(reader, "/video/film", {"Range": "bytes=100-199"})
    assert (answer.status, part) == (206, whole[100:200])
    assert answer.headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
    answer, _ = get(reader, "/video/film", {"Range": f"bytes={len(whole)}-"})
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(whole)}")


def test_a_frame_is_the_one_that_is_shown_at_its_time(reader: ReviewServer) -> None:
    for time_s, channel in ((2.9, 2), (3.0, 1), (11.0, 0)):  # red, green, blue in BGR
        _, picture = get(reader, f"/api/frame/film?t={time_s}&width=32")
        image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (24, 32, 3)
        assert image.reshape(-1, 3).mean(axis=0).argmax() == channel


def test_a_thumbnail_is_the_picture_of_the_segment_or_else_of_the_recording(
    reader: ReviewServer,
) -> None:
    _, kept = get(reader, "/api/thumbnail/film?query=colour&t=4.5")
    recording = reader.store.recording("film")
    assert kept == Store.open(reader.store.folder).thumbnail(recording, "colour", 1)
    _, frame = get(reader, "/api/thumbnail/film?query=nobody&t=4.5")
    assert frame == get(reader, "/api/frame/film?width=160&t=4.5")[1]


def test_a_text_finds_moments(reader: ReviewServer) -> None:
    found = content(reader, "/api/search?text=a%20green%20scene")
    assert {moment["recording"] for moment in found} == {"film"}
    assert len(found) == 6
    values = [moment["value"] for moment in found]
    assert values == sorted(values, reverse=True)


def test_another_model_s_vectors_are_not_compared(
    tmp_path: Path, colour_bundle: Path, default_bundle: Path
) -> None:
    store = small_review(tmp_path, colour_bundle)
    other = ReviewedStore(Store.open(store.folder), default_bundle)
    with serving(other) as server:
        answer, body = get(server, "/api/search?text=red")
        assert answer.status == 404
        assert "--bundle" in json.loads(body)["problem"]
        assert content(server, "/api/recordings/film")["lanes"][0]["phrases"] == []


def test_a_correction_is_shown_and_exported_and_beside_the_model_s_answer(
    server: ReviewServer,
) -> None:
    answer, changed = post(server, "/api/corrections/film", EDIT)
    assert answer.status == 200
    assert [one["text"] for one in changed["lane"]["shown"]][:2] == ["red", "dark green"]
    assert [one["text"] for one in changed["lane"]["model"]][:2] == ["red", "green"]
    assert "dark green" in changed["colours"]
    found = content(server, "/api/recordings/film")
    assert found["revision"] == changed["revision"] != ""
    assert content(server, "/api/revision/film") == {"revision": changed["revision"]}
    assert b"dark green" in get(server, "/api/export/film.srt")[1]
    assert "dark green" not in [one["text"] for one in content(server, "/api/doubtful")]


def test_two_windows_do_not_lose_each_other_s_edits(server: ReviewServer) -> None:
    assert post(server, "/api/corrections/film", EDIT)[0].status == 200
    answer, content = post(server, "/api/corrections/film", EDIT)
    assert answer.status == 409
    assert "elsewhere" in content["problem"]


def test_a_full_disk_is_said(server: ReviewServer) -> None:
    with full_disk():
        answer, content = post(server, "/api/corrections/film", EDIT)
    assert answer.status == 507
    assert "film.jsonl" in content["problem"]
    assert post(server, "/api/corrections/film", EDIT)[0].status == 200


@pytest.mark.parametrize("edit", [{}, [], {**EDIT, "query": "nobody"}, {**EDIT, "end": 1}])
def test_an_edit_that_makes_no_sense_changes_nothing(server: ReviewServer, edit: object) -> None:
    assert post(server, "/api/corrections/film", edit)[0].status == 422
    assert not (server.store.folder / "corrections" / "film.jsonl").exists()


def test_other_sites_are_refused(reader: ReviewServer) -> None:
    assert get(reader, "/", {"Host": "evil.org"})[0].status == 403
    for headers in ({"Origin": "http://evil.org"}, {"Content-Type": "text/plain"}):
        assert post(reader, "/api/corrections/film", EDIT, headers)[0].status == 403


def test_too_much_is_not_read(reader: ReviewServer) -> None:
    headers = {"Content-Length": str(1 << 30)}
    assert post(reader, "/api/corrections/film", {}, headers)[0].status == 400


def test_another_address_asks_for_the_token(tmp_path: Path, colour_bundle: Path) -> None:
    with serving(small_review(tmp_path, colour_bundle), "0.0.0.0") as server:
        assert get(server, "/", {"Host": "robot"})[0].status == 403
        answer, _ = get(server, f"/?token={server.access.token}", {"Host": "robot"})
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        answer, _ = get(server, "/api/recordings", {"Host": "robot", "Cookie": cookie})
        assert answer.status == 200
        assert server.access.token in server.address


def test_a_port_that_is_taken_says_what_to_do(reader: ReviewServer) -> None:
    with pytest.raises(OSError, match="--port"):
        ReviewServer(reader.store, "127.0.0.1", reader.server_address[1])


def test_a_recording_that_is_gone_is_named(server: ReviewServer, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").unlink()
    assert len(content(server, "/api/recordings/film")["lanes"]) == 2
    assert "film.mp4" in content(server, "/api/video/film")["problem"]
    assert get(server, "/api/frame/film?t=1")[0].status == 404
    assert get(server, "/video/film")[0].status == 404
