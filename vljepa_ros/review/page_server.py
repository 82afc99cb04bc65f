# SPDX-License-Identifier: Apache-2.0
"""The server of the review page: a small JSON interface, images and videos."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from vljepa_ros.index.store import StoreError
from vljepa_ros.recordings.source import SourceError
from vljepa_ros.review.browser_video import BrowserVideos, media_type
from vljepa_ros.review.corrections import CorrectionError, EditConflictError, parse_edit
from vljepa_ros.review.reviewed_store import ReviewedStore
from vljepa_ros.review.subtitles import FORMATS
from vljepa_ros.web.local_server import NOT_THERE, Answer, LocalServer, Visit, as_json, problem

PAGE = Path(__file__).parent / "page"
_WIDEST, _NARROW = 1280, 160


class ReviewServer(LocalServer):
    """Serves one store to one or a few people."""

    def __init__(self, store: ReviewedStore, host: str, port: int) -> None:
        """Listen; 0 is any free port.

        Raises:
            OSError: the address cannot be listened on; the text says what to do.
        """
        self.store = store
        self.videos = BrowserVideos(store.folder / "cache")
        super().__init__(_ReviewVisit, PAGE, host, port)


class _ReviewVisit(Visit):
    """Answers the requests of one connection."""

    server: ReviewServer
    statuses: ClassVar[tuple[tuple[type[Exception], HTTPStatus], ...]] = (
        (EditConflictError, HTTPStatus.CONFLICT),
        (CorrectionError, HTTPStatus.UNPROCESSABLE_ENTITY),
        (StoreError, HTTPStatus.NOT_FOUND),
        (SourceError, HTTPStatus.NOT_FOUND),
        (FileNotFoundError, HTTPStatus.NOT_FOUND),
        (OSError, HTTPStatus.INSUFFICIENT_STORAGE),
        (ValueError, HTTPStatus.BAD_REQUEST),
    )

    def get(self, words: list[str], asked: Mapping[str, str]) -> Answer:
        """Answer what the page reads."""
        match words:
            case ["api", "recordings"]:
                return as_json(self.server.store.recordings())
            case ["api", "recordings", recording]:
                return as_json(self.server.store.described(recording))
            case ["api", "revision", recording]:
                return as_json(self._revision(recording))
            case ["api", "export", name]:
                return self._export(name)
            case ["api", "search"]:
                return as_json(self.server.store.found(asked.get("text", "")))
            case ["api", "doubtful"]:
                return as_json(self.server.store.doubtful())
            case ["api", "frame", recording]:
                return self._frame(recording, asked)
            case ["api", "thumbnail", recording]:
                return self._thumbnail(recording, asked)
            case ["api", "video", recording]:
                return self._video_state(recording)
            case ["video", recording]:
                return self._video(recording)
        return NOT_THERE

    def post(self, words: list[str], content: Any) -> Answer:
        """Take corrections."""
        match words:
            case ["api", "corrections", recording]:
                return as_json(self.server.store.edit(recording, parse_edit(content)))
        return NOT_THERE

    def _revision(self, recording: str) -> dict[str, str]:
        store = self.server.store
        return {"revision": store.corrections(store.recording(recording)).revision()}

    def _export(self, name: str) -> Answer:
        recording, _, ending = name.rpartition(".")
        if ending not in FORMATS:
            return problem(f"there are {', '.join(FORMATS)}", HTTPStatus.NOT_FOUND)
        write, kind = FORMATS[ending]
        body = write(self.server.store.shown(recording)).encode()
        shown = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        headers = {"Content-Disposition": shown}
        return Answer(body, f"{kind}; charset=utf-8", headers=headers)

    def _frame(self, recording: str, asked: Mapping[str, str]) -> Answer:
        store = self.server.store
        width = int(asked.get("width", str(_WIDEST)))
        if not 1 <= width <= _WIDEST:
            raise ValueError(f"width is at most {_WIDEST}")
        return _picture(store.jpeg(store.recording(recording), _time(asked), width))

    def _thumbnail(self, recording: str, asked: Mapping[str, str]) -> Answer:
        store, time_s = self.server.store, _time(asked)
        found = store.recording(recording)
        kept = store.thumbnail(found, asked.get("query", ""), time_s)
        return _picture(kept or store.jpeg(found, time_s, _NARROW))

    def _video_state(self, recording: str) -> Answer:
        found = self.server.store.recording(recording)
        state = self.server.videos.state(Path(found.path), found.topic, found.duration_s)
        shown = {"ready": state.file is not None, "progress": state.progress}
        return as_json({**shown, "problem": state.problem})

    def _video(self, recording: str) -> Answer:
        found = self.server.store.recording(recording)
        state = self.server.videos.state(Path(found.path), found.topic, found.duration_s)
        if state.file is None:
            return problem(state.problem or "the video is being made", HTTPStatus.NOT_FOUND)
        return Answer(state.file, media_type(state.file))


def _picture(jpeg: bytes) -> Answer:
    headers = {"Cache-Control": "private, max-age=600"}
    return Answer(jpeg, "image/jpeg", headers=headers)


def _time(asked: Mapping[str, str]) -> float:
    time_s = float(asked.get("t", "0"))
    if not 0 <= time_s < 1e9:
        raise ValueError("t is seconds from the first image")
    return time_s
