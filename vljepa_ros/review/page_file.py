# SPDX-License-Identifier: Apache-2.0
"""The review page as one file that needs neither a server nor a network, to read only."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vljepa_ros.files import new_file
from vljepa_ros.index.store import StoreError
from vljepa_ros.index.stored import StoredRecording
from vljepa_ros.recordings.open_clip import opened_clip
from vljepa_ros.recordings.source import SourceError
from vljepa_ros.review.browser_video import BrowserVideos, media_type
from vljepa_ros.review.frame_pictures import rgb
from vljepa_ros.review.page_server import PAGE
from vljepa_ros.review.reviewed_store import ReviewedStore
from vljepa_ros.views.jpeg import jpeg
from vljepa_ros.web.local_server import page_files

VIDEO_LIMIT = 20_000_000
"""Bytes of all videos together, above which pictures take their place."""
_MOST_PICTURES = 300  # of a recording
_CLOSEST_S = 0.2  # between two pictures
_WIDTH = 480
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; "
    "img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
)
_SCRIPT = "text/javascript"
_IMPORT = re.compile(r'from "\./(\w+\.js)"')


def write_page(store: ReviewedStore, file: Path, recording: str = "") -> None:
    """Write all recordings of a store, or one of them, as a page.

    Args:
        store: what to show.
        file: is replaced if it exists, when the new one is whole.
        recording: id or path of the only one; "" is all.

    Raises:
        StoreError: there is no such recording.
        OSError: the file cannot be written.
    """
    every = [store.recording(one["id"]) for one in store.recordings()]
    chosen = [one for one in every if recording in ("", one.id, one.path)]
    if not chosen:
        raise StoreError(f"{store.folder} holds no recording {recording!r}")
    page = _page(_content(store, chosen))
    with new_file(file) as stream:
        stream.write(page.encode())


def _content(store: ReviewedStore, chosen: Sequence[StoredRecording]) -> dict[str, Any]:
    ids = {one.id for one in chosen}
    described = {one.id: store.described(one.id) for one in chosen}
    videos = _videos(store, chosen)
    return {
        "recordings": [one for one in store.recordings() if one["id"] in ids],
        "described": described,
        "doubtful": [one for one in store.doubtful() if one["recording"] in ids],
        "videos": videos,
        "posters": {
            one.id: _posters(one, described[one.id]["lanes"])
            for one in chosen
            if one.id not in videos
        },
    }


def _videos(store: ReviewedStore, chosen: Iterable[StoredRecording]) -> dict[str, str]:
    """Return all videos as addresses that hold them, or none if they are too large."""
    makes = BrowserVideos(store.folder / "cache")
    files, size = {}, 0
    for one in chosen:
        file = makes.made(Path(one.path), one.topic, one.duration_s).file
        size += file.stat().st_size if file else 0
        if size > VIDEO_LIMIT:
            return {}
        if file:
            files[one.id] = file
    return {name: _address(file.read_bytes(), media_type(file)) for name, file in files.items()}


def _posters(
    recording: StoredRecording, lanes: Sequence[Mapping[str, Any]]
) -> list[tuple[float, str]]:
    """Return pictures where segments begin, with their times; none if it cannot be read."""
    wanted = _times(segment["start"] for lane in lanes for segment in lane["shown"])
    found: list[tuple[float, str]] = []
    try:
        with opened_clip(Path(recording.path), recording.topic) as source:
            for frame in source.frames():
                time_s = frame.stamp_ns / 1e9
                if len(found) < len(wanted) and time_s >= wanted[len(found)]:
                    picture = _address(jpeg(rgb(frame), _WIDTH), "image/jpeg")
                    found.append((time_s, picture))
    except SourceError:
        pass  # the states are worth showing without images
    return found


def _times(starts: Iterable[float]) -> list[float]:
    """Return the times of the pictures, evenly fewer if there are too many."""
    chosen: list[float] = []
    for time_s in sorted({0.0, *starts}):
        if not chosen or time_s - chosen[-1] >= _CLOSEST_S:
            chosen.append(time_s)
    stride = -(-len(chosen) // _MOST_PICTURES)
    return chosen[::stride]


def _page(content: Mapping[str, Any]) -> str:
    """Return the page's files and the content as one document."""
    files = {name: path.read_text("utf-8") for name, path in page_files(PAGE).items()}
    modules = {
        name: _address(_IMPORT.sub(r'from "\1"', text).encode(), _SCRIPT)
        for name, text in files.items()
        if name.endswith(".js")
    }
    # "<" could end the script in which the content stands.
    embedded = json.dumps(content, ensure_ascii=False).replace("<", "\\u003c")
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<style>\n{files['page.css']}</style>\n"
        f'<script type="application/json" id="embedded">{embedded}</script>\n'
        f'<script type="importmap">{json.dumps({"imports": modules})}</script>\n'
        '<script type="module">import "main.js";</script>'
    )
    before, after = re.split(
        r'<link rel="stylesheet".*?</script>', files["index.html"], flags=re.S
    )
    return before + head + after


def _address(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
