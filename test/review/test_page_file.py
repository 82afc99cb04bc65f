# SPDX-License-Identifier: Apache-2.0
"""The page as one file: what is in it, and what takes the place of a large video."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.full_disk import full_disk
from support.review_site import small_review
from vljepa_ros.index.store import StoreError
from vljepa_ros.review.corrections import Correction, Edit
from vljepa_ros.review.page_file import write_page
from vljepa_ros.review.reviewed_store import ReviewedStore


@pytest.fixture
def store(tmp_path: Path, colour_bundle: Path) -> ReviewedStore:
    return small_review(tmp_path, colour_bundle)


def embedded(page: Path) -> Any:
    match = re.search(r'id="embedded">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert match is not None
    return json.loads(match[1])


def test_it_holds_recordings_corrections_and_the_video(
    store: ReviewedStore, tmp_path: Path
) -> None:
    right = Correction(3.0, 6.0, "</script><b>")
    store.edit("film", Edit("colour", 3.0, 6.0, (), (right,)))
    write_page(store, tmp_path / "page.html")
    content = embedded(tmp_path / "page.html")
    lane = content["described"]["film"]["lanes"][0]
    assert [one["text"] for one in lane["shown"]][1] == "</script><b>"
    kind, _, video = content["videos"]["film"].partition(",")
    assert kind == "data:video/mp4;base64"
    assert base64.b64decode(video) == (tmp_path / "film.mp4").read_bytes()
    assert content["posters"] == {}


def test_pictures_where_segments_begin_take_the_place_of_a_large_video(
    store: ReviewedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vljepa_ros.review.page_file.VIDEO_LIMIT", 100)
    write_page(store, tmp_path / "page.html")
    content = embedded(tmp_path / "page.html")
    assert content["videos"] == {}
    assert [time for time, _ in content["posters"]["film"]] == pytest.approx([0, 3, 6, 9])


def test_it_names_no_other_machine_or_file(store: ReviewedStore, tmp_path: Path) -> None:
    write_page(store, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert "://" not in page


def test_a_recording_that_is_gone_is_shown_without_images(
    store: ReviewedStore, tmp_path: Path
) -> None:
    (tmp_path / "film.mp4").unlink()
    write_page(store, tmp_path / "page.html")
    content = embedded(tmp_path / "page.html")
    assert (content["videos"], content["posters"]) == ({}, {"film": []})


def test_a_recording_is_chosen_by_id_or_path(store: ReviewedStore, tmp_path: Path) -> None:
    for name in ("film", str(tmp_path / "film.mp4")):
        write_page(store, tmp_path / "page.html", name)
    with pytest.raises(StoreError, match="nobody"):
        write_page(store, tmp_path / "page.html", "nobody")


def test_a_full_disk_leaves_the_page_that_was_there(store: ReviewedStore, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("older")
    with full_disk(100), pytest.raises(OSError, match="large"):
        write_page(store, page)
    assert page.read_text() == "older"
