# SPDX-License-Identifier: Apache-2.0
"""The operator's picture: the camera image with a panel of questions, states and health beside it.

The panel never covers the image, on which only a thin frame shows what the model sees of it. What
is not current any more is grey and has an age: a state that is not seen, and the picture itself if
the camera is silent. What cannot be trusted has a question mark and stripes. The layout depends
only on the image's size and on the number of queries, so nothing moves while texts and numbers
change: a text that is too long for one large line becomes two small ones in the same space, and
then ends in an ellipsis.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.views.board import UNSEEN_S, BoardView, QueryView, StateView
from vljepa_ros.views.colours import StateColours
from vljepa_ros.views.doubts import DOUBTED, hatch
from vljepa_ros.views.durations import duration
from vljepa_ros.views.picture_marks import frame_crop, grey_out
from vljepa_ros.views.text_drawing import (
    Colour,
    Font,
    ellipsize,
    paint,
    paint_right,
    wrap,
)

_BACKGROUND: Colour = (20, 22, 27)
_RULE: Colour = (48, 52, 61)
_BRIGHT: Colour = (246, 247, 249)
_PLAIN: Colour = (204, 208, 215)
_MUTED: Colour = (146, 153, 166)
_GOOD: Colour = (92, 190, 110)
_LATE: Colour = (240, 176, 60)
_BAD: Colour = (232, 92, 92)

_SMALLEST_IMAGE = 400  # pixels; smaller pictures are enlarged by a whole factor
_STALE_S = 1.0
_METER = 5  # steps of the score's meter
_MAX_HISTORY = 6
_IDEAL_ASPECT = 1.5


@dataclass(frozen=True)
class _Fonts:
    """The type sizes for one picture width."""

    small: Font
    plain: Font
    large: Font
    plain_bold: Font
    small_bold: Font

    @classmethod
    def for_width(cls, width: int) -> _Fonts:
        body = min(max(round(0.62 * width**0.5), 13), 30)
        small = max(12, round(0.82 * body))
        return cls(
            small=Font(small),
            plain=Font(body),
            large=Font(round(1.3 * body), bold=True),
            plain_bold=Font(body, bold=True),
            small_bold=Font(small, bold=True),
        )


@dataclass(frozen=True)
class _Layout:
    """The places of everything in pixels; a block is (x, y) of its top left corner."""

    width: int
    height: int
    factor: int
    fonts: _Fonts
    history: int
    block_width: int
    blocks: tuple[tuple[int, int], ...]
    status: tuple[int, int, int]


class OverlayPainter:
    """Draw overlays; keeps the colours of the states and the layout of the last picture's size."""

    def __init__(self, colours: StateColours | None = None) -> None:
        """Use `colours`, shared with a timeline if both should agree."""
        self._colours = colours or StateColours()
        self._layout: _Layout | None = None
        self._laid_out_for: tuple[int, int, int] = (0, 0, 0)

    def draw(self, image: NDArray[np.uint8], view: BoardView) -> NDArray[np.uint8]:
        """Return a new picture of `image` (H, W, 3 RGB) and the panel; both sides are even."""
        key = (image.shape[1], image.shape[0], len(view.queries))
        if self._layout is None or key != self._laid_out_for:
            self._layout, self._laid_out_for = _lay_out(*key), key
        layout = self._layout
        shown = _enlarge(image, layout.factor)
        if view.image_age_s is not None:
            text = f"no image for {duration(round(1e9 * view.image_age_s))}"
            shown = grey_out(shown, text, layout.fonts.large)
        canvas = _with_panel(shown, layout)
        if view.aspect is not None and view.image_age_s is None:
            frame_crop(canvas, shown.shape[1], shown.shape[0], view.aspect)
        for place, query in zip(layout.blocks, view.queries, strict=True):
            self._draw_query(canvas, layout, place, query, view.now_ns)
        _draw_status(canvas, layout, view)
        return canvas

    def _draw_query(
        self,
        canvas: NDArray[np.uint8],
        layout: _Layout,
        place: tuple[int, int],
        query: QueryView,
        now_ns: int,
    ) -> None:
        fonts, (x, y), width = layout.fonts, place, layout.block_width
        current = query.states[-1] if query.states else None
        bar = max(3, fonts.small.height // 4)
        height = _block_height(fonts, layout.history) - _gap(fonts)
        unseen = query.unseen_s(now_ns) is not None
        colour = self._colour_of(current) if current and not unseen else _RULE
        _mark(canvas[y : y + height, x : x + bar], current, colour)
        left, right = x + 3 * bar, x + width
        _draw_question(canvas, fonts, query, left, right, y)
        y += fonts.small.height
        _draw_current(canvas, fonts, query, now_ns, colour, left, right, y)
        y += _current_height(fonts)
        newest_first = query.states[: -layout.history - 2 : -1]
        for newer, state in pairwise(newest_first):
            until_ns = state.end_ns or newer.since_ns
            self._draw_past(canvas, fonts, state, until_ns, left, right, y)
            y += fonts.small.height

    def _draw_past(
        self,
        canvas: NDArray[np.uint8],
        fonts: _Fonts,
        state: StateView,
        until_ns: int,
        left: int,
        right: int,
        y: int,
    ) -> None:
        face = fonts.small
        dot = max(5, face.height // 2)
        top = y + (face.height - dot) // 2
        _mark(canvas[top : top + dot, left : left + dot], state, self._colour_of(state))
        column = face.width("000.0 s")
        paint_right(canvas, duration(until_ns - state.since_ns), right, y, face, _MUTED)
        room = right - column - left - 2 * dot
        paint(canvas, ellipsize(state.text, face, room), left + 2 * dot, y, face, _MUTED)

    def _colour_of(self, state: StateView) -> Colour:
        return DOUBTED if state.doubt else self._colours.of(state.text)


def _mark(area: NDArray[np.uint8], state: StateView | None, colour: Colour) -> None:
    """Fill an area with the colour of a state, in stripes if it cannot be trusted."""
    if state is not None and state.doubt:
        hatch(area, colour, _BACKGROUND)
    else:
        area[:] = colour


def _draw_question(
    canvas: NDArray[np.uint8], fonts: _Fonts, query: QueryView, left: int, right: int, y: int
) -> None:
    name = ellipsize(query.name, fonts.small_bold, (right - left) // 2)
    paint(canvas, name, left, y, fonts.small_bold, _PLAIN)
    x = left + fonts.small_bold.width(name + "  ")
    paint(canvas, ellipsize(query.question, fonts.small, right - x), x, y, fonts.small, _MUTED)


def _draw_current(
    canvas: NDArray[np.uint8],
    fonts: _Fonts,
    query: QueryView,
    now_ns: int,
    colour: Colour,
    left: int,
    right: int,
    y: int,
) -> None:
    if not query.states:
        top = y + (_current_height(fonts) - fonts.plain.height) // 2
        paint(canvas, "waiting for the first state", left, top, fonts.plain, _MUTED)
        return
    state, unseen_s = query.states[-1], query.unseen_s(now_ns)
    room = right - left - _side_width(fonts)
    ink = _MUTED if unseen_s is not None else DOUBTED if state.doubt else _BRIGHT
    _draw_words(canvas, fonts, state.text, left, room, y, ink)
    y = _score_y(fonts, y)
    if unseen_s is None:
        if state.score:
            _draw_score(canvas, fonts, state.score, right, y, colour)
        elif state.doubt:
            paint_right(canvas, "no claim", right, y, fonts.small, _LATE)
        lasted_ns = now_ns - state.since_ns
    else:
        paint_right(canvas, "not seen", right, y, fonts.small, _LATE)
        lasted_ns = round(1e9 * unseen_s)
    lasted = f"for {duration(lasted_ns)}"
    paint_right(canvas, lasted, right, y + fonts.small.height, fonts.small, _MUTED)


def _draw_words(
    canvas: NDArray[np.uint8],
    fonts: _Fonts,
    text: str,
    left: int,
    room: int,
    y: int,
    colour: Colour,
) -> None:
    face, lines = _fit(text, fonts, room)
    top = y + _current_height(fonts) // 2 - len(lines) * face.height // 2
    for line in lines:
        paint(canvas, line, left, top, face, colour)
        top += face.height


def _draw_score(
    canvas: NDArray[np.uint8], fonts: _Fonts, score: float, right: int, y: int, colour: Colour
) -> None:
    """Draw the score as a number and as a meter, so that 47 % does not look like 100 %."""
    face = fonts.small_bold
    paint_right(canvas, f"{100 * score:.0f} %", right, y, face, _PLAIN)
    step = _meter_step(fonts)
    left = right - face.width("100 % ") - _METER * step
    top, bottom = y + face.height // 4, y + face.height * 7 // 8
    for number in range(_METER):
        x = left + number * step
        lit = number < round(_METER * score)
        canvas[top:bottom, x : x + step - 2] = colour if lit else _RULE


def _score_y(fonts: _Fonts, y: int) -> int:
    return y + _current_height(fonts) // 2 - fonts.small.height


def _fit(text: str, fonts: _Fonts, room: int) -> tuple[Font, list[str]]:
    """Set `text` as large as it fits on one line of `room` pixels, or on two small lines."""
    for face in (fonts.large, fonts.plain_bold):
        if face.width(text) <= room:
            return face, [text]
    return fonts.small_bold, wrap(text, fonts.small_bold, room, 2)


def _draw_status(canvas: NDArray[np.uint8], layout: _Layout, view: BoardView) -> None:
    x, y, width = layout.status
    face = layout.fonts.small
    cv2.line(canvas, (x, y), (x + width, y), _RULE, 1)
    y += face.height // 4
    dot = face.height // 2
    centre = (x + dot // 2 + 1, y + face.height // 2)
    cv2.circle(canvas, centre, dot // 2 + 1, _health(view), -1, cv2.LINE_AA)
    x += 2 * dot
    for text, widest in _status_fields(view):
        paint(canvas, text, x, y, face, _PLAIN)
        x += face.width(widest or text) + face.height
    if doubts := _doubts(view):
        paint(canvas, ellipsize(doubts, face, layout.status[0] + width - x), x, y, face, DOUBTED)


def _status_fields(view: BoardView) -> list[tuple[str, str]]:
    """Return the texts of the status line, each with the widest that its place must hold."""
    if view.age_s is None:
        return [("no embeddings yet", "")]
    late = view.age_s >= 1
    age = duration(round(1e9 * view.age_s)) if late else f"{1000 * view.age_s:.0f} ms"
    fields = [(f"{view.rate_hz:.1f} Hz", "000.0 Hz"), (f"age {age}", "age 000.0 s")]
    if view.dropped is not None:
        fields.append((f"dropped {view.dropped}", ""))
    return fields


def _doubts(view: BoardView) -> str:
    """Return why states that are current cannot be trusted."""
    current = [one.states[-1] for one in view.queries if one.states]
    found = dict.fromkeys(one.doubt for one in current if one.doubt and one.end_ns is None)
    return f"? {', '.join(found)}" if found else ""


def _health(view: BoardView) -> Colour:
    if view.age_s is None or view.age_s > UNSEEN_S:
        return _BAD
    return _LATE if view.age_s > _STALE_S or _doubts(view) else _GOOD


def _with_panel(shown: NDArray[np.uint8], layout: _Layout) -> NDArray[np.uint8]:
    below, beside = layout.height - shown.shape[0], layout.width - shown.shape[1]
    canvas = cv2.copyMakeBorder(shown, 0, below, 0, beside, cv2.BORDER_CONSTANT, value=_BACKGROUND)
    return np.asarray(canvas, np.uint8)


def _enlarge(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    if factor == 1:
        return image
    size = (image.shape[1] * factor, image.shape[0] * factor)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _lay_out(image_width: int, image_height: int, queries: int) -> _Layout:
    """Put the panel beneath or beside the picture, whichever is nearer to a screen's shape."""
    factor = max(1, -(-_SMALLEST_IMAGE // max(image_width, 1)))
    width, height = image_width * factor, image_height * factor
    fonts = _Fonts.for_width(width)
    choices = [
        _beneath(width, height, queries, factor, fonts),
        _beside(width, height, queries, factor, fonts),
    ]
    return min(choices, key=lambda one: abs(np.log(one.width / one.height / _IDEAL_ASPECT)))


def _beneath(width: int, height: int, queries: int, factor: int, fonts: _Fonts) -> _Layout:
    margin = _gap(fonts)
    columns = max(1, min(queries, (width - margin) // (_column_width(fonts) + margin)))
    block_width = (width - margin * (columns + 1)) // columns
    step = _block_height(fonts, 1)
    blocks = tuple(
        (margin + (i % columns) * (block_width + margin), height + margin + (i // columns) * step)
        for i in range(queries)
    )
    status_y = height + margin + -(-queries // columns) * step
    total = status_y + _status_height(fonts)
    status = (margin, status_y, width - 2 * margin)
    return _Layout(_even(width), _even(total), factor, fonts, 1, block_width, blocks, status)


def _beside(width: int, height: int, queries: int, factor: int, fonts: _Fonts) -> _Layout:
    margin = _gap(fonts)
    block_width = _column_width(fonts)
    room = height - margin - _status_height(fonts)
    history = _MAX_HISTORY
    while history > 1 and queries * _block_height(fonts, history) > room:
        history -= 1
    step = _block_height(fonts, history)
    blocks = tuple((width + margin, margin + i * step) for i in range(queries))
    status_y = max(room, queries * step) + margin
    total = status_y + _status_height(fonts)
    status = (width + margin, status_y, block_width)
    return _Layout(
        _even(width + block_width + 2 * margin),
        _even(total),
        factor,
        fonts,
        history,
        block_width,
        blocks,
        status,
    )


def _gap(fonts: _Fonts) -> int:
    return max(6, fonts.small.height // 2)


def _column_width(fonts: _Fonts) -> int:
    return fonts.large.width("the robot is reaching for the mug") + _side_width(fonts)


def _side_width(fonts: _Fonts) -> int:
    """The room beside the words: duration, or meter and score."""
    meter = _METER * _meter_step(fonts) + fonts.small_bold.width("100 %   ")
    return max(fonts.small.width("for 000.0 s  "), meter)


def _meter_step(fonts: _Fonts) -> int:
    return max(4, fonts.small.height // 3)


def _current_height(fonts: _Fonts) -> int:
    return max(2 * fonts.small_bold.height, fonts.large.height) + fonts.small.height // 4


def _block_height(fonts: _Fonts, history: int) -> int:
    return fonts.small.height * (1 + history) + _current_height(fonts) + _gap(fonts)


def _status_height(fonts: _Fonts) -> int:
    return fonts.small.height * 7 // 4


def _even(pixels: int) -> int:
    return pixels + pixels % 2
