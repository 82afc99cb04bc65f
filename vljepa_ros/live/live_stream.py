# SPDX-License-Identifier: Apache-2.0
"""All that the page shows of all cameras. The node fills it, the server's threads read it."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.live.camera_history import CameraHistory, Stretch
from vljepa_ros.live.embedding_ring import EmbeddingRing, NearMoment, Source
from vljepa_ros.live.reported_health import ReportedHealth
from vljepa_ros.views.colours import StateColours

_NEAR = 4000  # embeddings that a search looks at
_FOUND = 24  # moments that it returns
_ALONE_NS = 1_000_000_000  # around an embedding of which no state was told
_NS = 1e9


class NoSuchCameraError(ValueError):
    """The page asks for a camera that is not looked at."""


@dataclass(frozen=True)
class Cursor:
    """How much of a camera a page has got: of which beginning, how many stretches and points."""

    epoch: int
    stretches: int
    points: int


class LiveStream:
    """The newest part of the stream. Whoever touches a camera holds the lock.

    Attributes:
        lock: held for short only, because the node waits for it.
        cameras: what was told of each, by its name; one empty name is the only camera.
        ring: embeddings of all of them, with a lock of its own.
        model: facts about the model, for the page.
        reports: the newest of each node, by its name.
    """

    def __init__(self, cameras: Iterable[str]) -> None:
        """Begin with nothing known of these cameras."""
        self.lock = threading.Lock()
        self.cameras = {name: CameraHistory() for name in cameras}
        self.ring = EmbeddingRing()
        self.model: Mapping[str, str] = {}
        self.reports: dict[str, ReportedHealth] = {}
        self._epoch = 0
        self._colours = StateColours()

    def set_queries(self, questions: Sequence[tuple[str, str]]) -> None:
        """Show these (name, text) queries of all cameras."""
        with self.lock:
            for camera in self.cameras.values():
                camera.set_questions(questions)

    def set_dropped(self, counts: Mapping[str, int]) -> None:
        """Take how many images the embedder dropped, by cause; a camera's begin with its name."""
        with self.lock:
            for name, camera in self.cameras.items():
                own = (count for key, count in counts.items() if key.startswith(f"{name}: "))
                camera.board.dropped = sum(own if name else counts.values())

    def camera_named(self, name: str) -> str:
        """Return the name of a camera; an empty name means the first one.

        Raises:
            NoSuchCameraError: there is no such camera.
        """
        name = name or next(iter(self.cameras))
        if name not in self.cameras:
            raise NoSuchCameraError(f"there is no camera {name[:64]!r}")
        return name

    def age_s(self, now_ns: int) -> float:
        """Return the age of the oldest camera's newest embedding; 0 if none came."""
        with self.lock:
            ages = [one.board.view(now_ns).age_s for one in self.cameras.values()]
        return max((age for age in ages if age is not None), default=0.0)

    def forget(self) -> None:
        """Forget what was told, because the clock was set back; every page begins anew."""
        with self.lock:
            for name, camera in self.cameras.items():
                self.cameras[name] = CameraHistory()
                self.cameras[name].set_questions(camera.board.questions)
            self._epoch += 1
        self.ring.clear()

    def update(self, name: str, seen: Cursor | None, now_ns: int) -> tuple[dict[str, Any], Cursor]:
        """Return what a page does not know yet of a camera, and how much it knows then.

        Args:
            name: of the camera; empty for the first one.
            seen: how much it knows; None if it has just been opened.
            now_ns: time of the node.

        Raises:
            NoSuchCameraError: there is no such camera.
        """
        with self.lock:
            name = self.camera_named(name)
            camera = self.cameras[name]
            if seen is None or seen.epoch != self._epoch:
                seen = Cursor(self._epoch, 0, 0)
            ended, points = camera.stretches(seen.stretches), camera.curves(seen.points)
            queries = list(camera.queries(now_ns))
            curves = [(one.query, one.stamp_ns / _NS, one.shares) for one in points]
            content = {
                "whole": (seen.stretches, seen.points) == (0, 0),
                "now": now_ns / _NS,
                "camera": name,
                "cameras": [self._summary(one, now_ns) for one in self.cameras],
                "queries": queries,
                "ended": [one.shown() for one in ended],
                "curves": curves,
                "colours": self._coloured(_texts(ended, queries, curves)),
                "stream": self._facts(camera, now_ns),
                "nodes": [one.shown() for one in self.reports.values()],
                "model": self.model,
            }
            return content, Cursor(self._epoch, camera.ended, camera.points)

    def found(self, vector: NDArray[np.float32], space_id: str) -> list[dict[str, Any]]:
        """Return the moments that fit a text best, each state once.

        Args:
            vector: unit vector of the text (dimension).
            space_id: of the vector.
        """
        near = self.ring.nearest(vector, space_id, _NEAR)
        with self.lock:
            lanes = _Lanes(self.cameras)
        moments: dict[Stretch, dict[str, Any]] = {}
        for one in near:
            stretch = lanes.at(one)
            if stretch not in moments:
                camera = {"recording": one.source[0], "name": one.source[0]}
                moments[stretch] = {**stretch.shown(), **camera, "value": one.cosine}
            if len(moments) == _FOUND:
                break
        return list(moments.values())

    def _summary(self, name: str, now_ns: int) -> dict[str, Any]:
        """Return whether a camera is seen and trusted."""
        camera = self.cameras[name]
        states = [one["state"] for one in camera.queries(now_ns) if one["state"]]
        doubts = (one["text"] for one in states if one["doubted"])
        seen = any(one["unseen"] is None for one in states)
        return {"name": name, "doubt": next(doubts, ""), "seen": seen}

    def _facts(self, camera: CameraHistory, now_ns: int) -> dict[str, Any]:
        view = camera.board.view(now_ns)
        return {
            "rate": view.rate_hz,
            "age": view.age_s,
            "dropped": view.dropped,
            "unfamiliarity": camera.unfamiliarity,
        }

    def _coloured(self, texts: Iterable[str]) -> dict[str, str]:
        colours = self._colours
        return {text: "#{:02x}{:02x}{:02x}".format(*colours.of(text)) for text in texts if text}


class _Lanes:
    """All stretches of all cameras by time, to find the one at a moment."""

    def __init__(self, cameras: Mapping[str, CameraHistory]) -> None:
        self._of: dict[Source, list[Stretch]] = {}
        for name, camera in cameras.items():
            for stretch in [*camera.stretches(), *camera.standing()]:
                self._of.setdefault((name, stretch.query), []).append(stretch)
        for lane in self._of.values():
            lane.sort(key=lambda one: one.start_ns)

    def at(self, moment: NearMoment) -> Stretch:
        lane, stamp_ns = self._of.get(moment.source, []), moment.stamp_ns
        place = bisect_right(lane, stamp_ns, key=lambda one: one.start_ns) - 1
        if place >= 0 and stamp_ns <= lane[place].end_ns:
            return lane[place]
        begin = stamp_ns // _ALONE_NS * _ALONE_NS
        return Stretch(moment.source[1], begin, begin + _ALONE_NS, "", None, None)


def _texts(
    ended: Iterable[Stretch], queries: Iterable[Mapping[str, Any]], curves: Iterable[Any]
) -> Iterator[str]:
    """Yield the texts that have a colour, those of a time before later ones."""
    yield from (one.text for one in sorted(ended, key=lambda one: one.start_ns) if not one.doubted)
    states = (one["state"] for one in queries if one["state"])
    yield from (one["text"] for one in states if not one["doubted"])
    for *_, shares in curves:
        yield from (text for text, _ in shares)
