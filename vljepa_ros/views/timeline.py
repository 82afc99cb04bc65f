# SPDX-License-Identifier: Apache-2.0
"""A run as one picture: for every query its states against ground truth, over a time axis.

A state that is too short for its text shows the number under which the legend of its row names it,
so the picture can be read without colours too. What cannot be trusted is striped. Long runs are
broken into several rows, and states that are too short even for a number are drawn as shares of
the time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.views.colours import StateColours, ink_on
from vljepa_ros.views.doubts import DOUBTED, hatch
from vljepa_ros.views.strip_pieces import Piece, pieces
from vljepa_ros.views.text_drawing import Colour, Font, ellipsize, paint, paint_right

_PAPER: Colour = (255, 255, 255)
_INK: Colour = (28, 31, 38)
_GREY: Colour = (108, 114, 126)
_RULE: Colour = (206, 210, 217)
_PALE: Colour = (240, 242, 245)
_CURVE: Colour = (70, 90, 130)
_MISS: Colour = (214, 68, 68)

_MARGIN = 24
_GUTTER = 120  # room for the names of the strips, left of them
_STRIP = 26
_CURVE_HEIGHT = 38
_ROW_SECONDS = 90.0
_CLOCK_FROM_S = 120.0  # from this duration on the axis shows minutes and seconds
_MAX_ROWS = 12
_MOST_NAMED = 12  # texts in the legend of a row
_TIP = 8  # pixels, width of the triangle at a change

_TITLE, _HEAD, _TEXT, _LABEL = Font(22, bold=True), Font(15, bold=True), Font(14), Font(13)


@dataclass(frozen=True)
class TimelineSegment:
    """A stretch of time in one state; seconds from the beginning of the run.

    The text is empty while nothing was seen, or nothing that there are words for. If what was seen
    cannot be trusted, it begins with a question mark and says why.
    """

    start: float
    end: float
    text: str
    is_doubted: bool = False


@dataclass(frozen=True)
class Track:
    """One query: what was published, what was true (may be empty), and the distances in between.

    `distance` holds (seconds, cosine distance to the embedding of the current state), 0..2.
    """

    name: str
    question: str
    states: tuple[TimelineSegment, ...]
    truth: tuple[TimelineSegment, ...] = ()
    distance: tuple[tuple[float, float], ...] = ()
    remark: str = ""


@dataclass(frozen=True)
class Timeline:
    """Everything that the picture shows; `episodes` are drawn as a band above the queries."""

    title: str
    subtitle: str
    duration: float
    tracks: tuple[Track, ...]
    episodes: tuple[TimelineSegment, ...] = ()


def draw_timeline(
    timeline: Timeline, width: int = 1600, colours: StateColours | None = None
) -> NDArray[np.uint8]:
    """Return the picture, uint8 RGB (height, width, 3); its height follows from what it shows."""
    return _Sheet(timeline, width, colours or StateColours()).draw()


class _Sheet:
    """One picture in the making; the next thing goes to `_y`."""

    def __init__(self, timeline: Timeline, width: int, colours: StateColours) -> None:
        self._timeline = timeline
        self._width = width
        self._colours = colours
        self._numbers = {track.name: _numbers(track) for track in timeline.tracks}
        self._doubted = {
            one.text for track in timeline.tracks for one in track.states if one.is_doubted
        }
        self._prefixes = {
            name: _shared_words(texts.keys() - self._doubted)
            for name, texts in self._numbers.items()
        }
        self._image = np.empty((self._needed_height(), width, 3), np.uint8)
        self._image[:] = _PAPER
        self._y = _MARGIN

    def draw(self) -> NDArray[np.uint8]:
        """Draw everything from the top down."""
        paint(self._image, self._timeline.title, _MARGIN, self._y, _TITLE, _INK)
        self._y += _TITLE.height + 2
        paint(self._image, self._timeline.subtitle, _MARGIN, self._y, _TEXT, _GREY)
        self._y += _TEXT.height + 14
        for start, end in self._rows():
            self._draw_row(_Axis(start, end, _MARGIN + _GUTTER, self._width - _MARGIN))
        paint(self._image, self._key(), _MARGIN + _GUTTER, self._y, _LABEL, _GREY)
        return self._image

    def _key(self) -> str:
        tracks = self._timeline.tracks
        parts = ["triangle: a new state was published"] if tracks else []
        parts += ["layers: shares of several short states"] if tracks else []
        if any(track.truth for track in tracks):
            parts.append("red line: differs from the truth")
        if self._doubted:
            parts.append("stripes: not to be trusted")
        if any(track.distance for track in tracks):
            parts.append("distance: cosine distance to the embedding of the current state")
        return "     ".join(parts)

    def _rows(self) -> list[tuple[float, float]]:
        duration = max(self._timeline.duration, 1.0)
        rows = min(int(np.ceil(duration / _ROW_SECONDS)), _MAX_ROWS)
        edges = np.linspace(0.0, duration, rows + 1)
        return [(float(a), float(b)) for a, b in pairwise(edges)]

    def _needed_height(self) -> int:
        tracks = self._timeline.tracks
        head = 2 * _MARGIN + _TITLE.height + _TEXT.height + 16
        row = 44 + (_STRIP + 10 if self._timeline.episodes else 0)
        row += sum(_track_height(track) for track in tracks)
        legends = sum(
            _legend_height(len(self._named(track, start, end)), self._width)
            for start, end in self._rows()
            for track in tracks
        )
        return head + row * len(self._rows()) + legends + _LABEL.height

    def _named(self, track: Track, start: float, end: float) -> list[str]:
        """Return the texts for the legend of a row: those that stood longest, by number."""
        lasted: defaultdict[str, float] = defaultdict(float)
        for one in (*track.truth, *track.states):
            if one.text and one.end > start and one.start < end:
                lasted[one.text] += min(one.end, end) - max(one.start, start)
        longest = nlargest(_MOST_NAMED, lasted, key=lambda text: lasted[text])
        return sorted(longest, key=lambda text: self._numbers[track.name][text])

    def _draw_row(self, axis: _Axis) -> None:
        top = self._y
        if self._timeline.episodes:
            self._draw_episodes(axis)
        for track in self._timeline.tracks:
            self._draw_track(axis, track)
        self._draw_axis(axis, top)

    def _draw_episodes(self, axis: _Axis) -> None:
        self._name_strip("episode")
        for left, right, segment in axis.cut(self._timeline.episodes):
            _box(self._image, left, self._y, right, _STRIP, _PALE)
            cv2.rectangle(self._image, (left, self._y), (right, self._y + _STRIP), _RULE, 1)
            label = ellipsize(segment.text, _LABEL, right - left - 10)
            paint(self._image, label, left + 6, self._y + 4, _LABEL, _GREY)
        self._y += _STRIP + 10

    def _draw_track(self, axis: _Axis, track: Track) -> None:
        paint(self._image, track.name, _MARGIN, self._y, _HEAD, _INK)
        paint(self._image, track.question, axis.left, self._y, _TEXT, _GREY)
        paint_right(self._image, track.remark, axis.right, self._y, _TEXT, _INK)
        self._y += _HEAD.height + 4
        if track.truth:
            self._draw_strip(axis, track, "truth", track.truth)
            self._draw_agreement(axis, track)
        self._draw_strip(axis, track, "VL-JEPA", track.states)
        self._draw_changes(axis, track)
        self._draw_legend(axis, track)
        if track.distance:
            self._draw_distance(axis, track)
        self._y += 16

    def _draw_strip(
        self, axis: _Axis, track: Track, name: str, segments: Sequence[TimelineSegment]
    ) -> None:
        self._name_strip(name)
        _box(self._image, axis.left, self._y, axis.right, _STRIP, _PALE)
        cuts = axis.cut(segments)
        for piece in pieces((left, right, segment.text) for left, right, segment in cuts):
            self._draw_piece(track, piece)
        self._y += _STRIP

    def _draw_piece(self, track: Track, piece: Piece) -> None:
        left, right = piece.left, piece.right
        for text, first, end in piece.layers(_STRIP):
            top, room = self._y + first, right - left
            self._fill(text, left, top, right, end - first)
            if end - first >= _LABEL.height:
                label = self._label(track, text, room, alone=len(piece.texts) == 1)
                self._write(text, label, left + 5, top + (end - first - _LABEL.height) // 2)
        cv2.line(self._image, (left, self._y), (left, self._y + _STRIP - 1), _PAPER, 1)

    def _colour_of(self, text: str) -> Colour:
        if text in self._doubted:
            return DOUBTED
        return self._colours.of(text) if text else _PALE

    def _fill(self, text: str, left: int, top: int, right: int, height: int) -> None:
        """Fill a box with the colour of a text, in stripes if it is not to be trusted."""
        if text in self._doubted:
            hatch(self._image[top : top + height, left:right], DOUBTED, _PALE)
        else:
            _box(self._image, left, top, right, height, self._colour_of(text))

    def _write(self, text: str, label: str, x: int, y: int) -> None:
        """Write on the box of a text."""
        ink = ink_on(self._colour_of(text)) if text else _GREY
        if text in self._doubted:  # letters on stripes cannot be read
            width = _LABEL.width(label)
            _box(self._image, x - 2, y, x + width + 2, _LABEL.height, _PAPER)
            ink = _INK
        paint(self._image, label, x, y, _LABEL, ink)

    def _label(self, track: Track, text: str, width: int, *, alone: bool) -> str:
        """Return what fits into `width` pixels: number and text, or the number, or nothing."""
        if not text:
            return ellipsize("no state", _LABEL, width - 8)
        prefix = "" if text in self._doubted else self._prefixes[track.name]
        number, rest = self._numbers[track.name][text], text[len(prefix) :]
        return _label(number, rest if alone else "", width)

    def _draw_agreement(self, axis: _Axis, track: Track) -> None:
        """Draw a thin red line between the strips if they differ."""
        for start, end in _differences(track):
            for left, right, _ in axis.cut([TimelineSegment(start, end, "")]):
                _box(self._image, left, self._y + 1, right, 3, _MISS)
        self._y += 5

    def _draw_changes(self, axis: _Axis, track: Track) -> None:
        free = axis.left - _TIP  # tips that would overlap are left out
        for segment in track.states:
            if axis.start <= segment.start < axis.end and axis.x(segment.start) >= free:
                x = axis.x(segment.start)
                free = x + _TIP
                tip = np.array([(x, self._y + 1), (x - 4, self._y + 8), (x + 4, self._y + 8)])
                cv2.fillPoly(self._image, [tip.astype(np.int32)], _INK, cv2.LINE_AA)
        self._y += 10

    def _draw_distance(self, axis: _Axis, track: Track) -> None:
        top, bottom = self._y, self._y + _CURVE_HEIGHT
        highest = max(max(d for _, d in track.distance), 0.05)
        _box(self._image, axis.left, top, axis.right, _CURVE_HEIGHT, _PALE)
        points = [
            (axis.x(t), bottom - 2 - round((_CURVE_HEIGHT - 4) * max(d, 0.0) / highest))
            for t, d in track.distance
            if axis.start <= t <= axis.end
        ]
        if len(points) > 1:
            line = [np.array(points, np.int32)]
            cv2.polylines(self._image, line, False, _CURVE, 1, cv2.LINE_AA)
        paint_right(self._image, "distance", axis.left - 10, top, _LABEL, _GREY)
        paint_right(self._image, f"0..{highest:.2f}", axis.left - 10, top + 17, _LABEL, _GREY)
        self._y = bottom

    def _draw_axis(self, axis: _Axis, top: int) -> None:
        y = self._y
        cv2.line(self._image, (axis.left, y), (axis.right, y), _GREY, 1)
        for seconds in axis.ticks():
            x = axis.x(seconds)
            cv2.line(self._image, (x, y), (x, y + 5), _GREY, 1)
            label = self._clock(seconds)
            paint(self._image, label, x - _LABEL.width(label) // 2, y + 7, _LABEL, _GREY)
            _dotted(self._image, x, top, y)
        self._y = y + 44

    def _clock(self, seconds: float) -> str:
        """Return seconds as a label of the axis, like a player shows them in a long run."""
        if self._timeline.duration < _CLOCK_FROM_S:
            return f"{seconds:g} s"
        minutes, rest = divmod(round(seconds), 60)
        if self._timeline.duration < 3600:
            return f"{minutes}:{rest:02}"
        return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"

    def _draw_legend(self, axis: _Axis, track: Track) -> None:
        columns, column = _legend_columns(self._width)
        named = self._named(track, axis.start, axis.end)
        for position, text in enumerate(named):
            x = _MARGIN + _GUTTER + position % columns * column
            y = self._y + position // columns * 22
            self._fill(text, x, y + 1, x + 26, 17)
            label = str(self._numbers[track.name][text])
            self._write(text, label, x + 13 - _LABEL.width(label) // 2, y + 1)
            paint(self._image, ellipsize(text, _LABEL, column - 44), x + 34, y + 1, _LABEL, _INK)
        self._y += _legend_height(len(named), self._width)

    def _name_strip(self, name: str) -> None:
        paint_right(self._image, name, _MARGIN + _GUTTER - 10, self._y + 5, _LABEL, _GREY)


@dataclass(frozen=True)
class _Axis:
    """The part of the time that one row shows, and the pixels that it has for it."""

    start: float
    end: float
    left: int
    right: int

    def x(self, seconds: float) -> int:
        """Return the pixel column of `seconds`."""
        share = (seconds - self.start) / (self.end - self.start)
        return self.left + round(share * (self.right - self.left))

    def cut(self, segments: Iterable[TimelineSegment]) -> list[tuple[int, int, TimelineSegment]]:
        """Return the visible segments as (left, right, segment), at least one pixel wide."""
        shown = []
        for one in segments:
            if one.end > self.start and one.start < self.end:
                left, right = self.x(max(one.start, self.start)), self.x(min(one.end, self.end))
                shown.append((left, max(right, left + 1), one))
        return shown

    def ticks(self) -> list[float]:
        """Return round seconds, some 100 pixels apart."""
        least = 100 * (self.end - self.start) / (self.right - self.left)
        steps = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
        step = next((one for one in steps if one >= least), steps[-1])
        first = np.ceil(self.start / step) * step
        return [float(t) for t in np.arange(first, self.end + 1e-9, step)]


def _numbers(track: Track) -> dict[str, int]:
    """Number the texts of a query in the order in which they appear, truth first."""
    segments = (*track.truth, *track.states)
    seen = dict.fromkeys(segment.text for segment in segments if segment.text)
    return {text: number for number, text in enumerate(seen, start=1)}


def _shared_words(texts: Iterable[str]) -> str:
    """Return the words with which all texts begin ("the robot is "), not worth repeating."""
    split = [text.split(" ") for text in texts]
    if len(split) < 2:
        return ""
    shared = 0
    while (
        all(len(words) > shared + 1 for words in split)
        and len({words[shared] for words in split}) == 1
    ):
        shared += 1
    return "".join(f"{word} " for word in split[0][:shared])


def _label(number: int, text: str, width: int) -> str:
    """Return what fits into `width` pixels: number and text, or the number, or nothing."""
    room = width - 8
    full = ellipsize(f"{number}  {text}".rstrip(), _LABEL, room)
    if len(full) > len(f"{number}  ") + 5 or full.endswith(text):
        return full
    return str(number) if _LABEL.width(str(number)) <= room else ""


def _differences(track: Track) -> list[tuple[float, float]]:
    """Return the stretches of time in which truth and states name different texts."""
    segments = (*track.truth, *track.states)
    edges = sorted({edge for one in segments for edge in (one.start, one.end)})
    return [
        (start, end)
        for start, end in pairwise(edges)
        if (true := _text_at(track.truth, start)) is not None
        and true != _text_at(track.states, start)
    ]


def _text_at(segments: Sequence[TimelineSegment], seconds: float) -> str | None:
    return next((one.text for one in segments if one.start <= seconds < one.end), None)


def _track_height(track: Track) -> int:
    truth = _STRIP + 5 if track.truth else 0
    curve = _CURVE_HEIGHT if track.distance else 0
    return _HEAD.height + 4 + truth + _STRIP + 10 + curve + 16


def _legend_columns(width: int) -> tuple[int, int]:
    room = width - 2 * _MARGIN - _GUTTER
    columns = max(1, room // 340)
    return columns, room // columns


def _legend_height(texts: int, width: int) -> int:
    return 22 * -(-texts // _legend_columns(width)[0]) + 8


def _box(
    image: NDArray[np.uint8], left: int, top: int, right: int, height: int, colour: Colour
) -> None:
    image[top : top + height, left:right] = colour


def _dotted(image: NDArray[np.uint8], x: int, top: int, bottom: int) -> None:
    """Draw a faint vertical guide that does not hide what it crosses."""
    column = image[top:bottom:4, x].astype(np.int32)
    image[top:bottom:4, x] = (3 * column + np.array(_GREY, np.int32)) // 4
