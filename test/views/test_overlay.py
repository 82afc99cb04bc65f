# SPDX-License-Identifier: Apache-2.0
"""The overlay leaves the picture alone, holds still, and shows every figure that it promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vljepa_ros.views.board import BoardView, QueryView, StateView
from vljepa_ros.views.colours import StateColours
from vljepa_ros.views.overlay import OverlayPainter

SECOND = 1_000_000_000
SIZES = [(320, 240), (640, 480), (480, 640), (848, 480), (1280, 720), (1920, 1080)]
LONG = "the robot is pulling the drawer open by its handle " * 5


def picture(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def view(queries: int = 2, text: str = "reaching", score: float = 0.61) -> BoardView:
    shown = tuple(
        QueryView(
            f"query {number}",
            "What is the robot doing?",
            (StateView("waiting", 0, 0.5), StateView(text, 3 * SECOND, score)),
        )
        for number in range(queries)
    )
    return BoardView(10 * SECOND, shown, 10.0, 0.05, 3)


def with_state(base: BoardView, **changes: object) -> BoardView:
    query = base.queries[0]
    states = (*query.states[:-1], replace(query.states[-1], **changes))
    return replace(base, queries=(replace(query, states=states), *base.queries[1:]))


def changed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first != second).any(axis=2)


@pytest.mark.parametrize("size", [size for size in SIZES if size[0] >= 400])
@pytest.mark.parametrize("queries", [0, 1, 5])
def test_the_image_is_not_hidden(size: tuple[int, int], queries: int) -> None:
    image = picture(*size)
    drawn = OverlayPainter().draw(image, view(queries, LONG))
    assert np.array_equal(drawn[: size[1], : size[0]], image)


def test_a_small_image_is_enlarged_for_the_texts_beside_it() -> None:
    drawn = OverlayPainter().draw(np.full((160, 160, 3), 77, np.uint8), view())
    assert (drawn[:480, :480] == 77).all()


@pytest.mark.parametrize("size", [*SIZES, (161, 121), (641, 361)])
def test_the_shape_is_even_and_does_not_follow_the_texts(size: tuple[int, int]) -> None:
    painter, image = OverlayPainter(), picture(*size)
    empty = BoardView(0, tuple(QueryView(f"q{n}", "") for n in range(3)), 0.0, None, None)
    shapes = {painter.draw(image, one).shape for one in (view(3), view(3, LONG), empty)}
    assert len(shapes) == 1
    height, width, _ = shapes.pop()
    assert height % 2 == 0
    assert width % 2 == 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("queries", [1, 4])
def test_the_frame_keeps_a_screens_shape(size: tuple[int, int], queries: int) -> None:
    height, width, _ = OverlayPainter().draw(picture(*size), view(queries)).shape
    assert 0.8 < width / height < 2.4


@pytest.mark.parametrize("size", SIZES)
def test_long_texts_stay_inside_their_block(size: tuple[int, int]) -> None:
    painter, image = OverlayPainter(), picture(*size)
    short, long = (painter.draw(image, with_state(view(4), text=text)) for text in ("a", LONG))
    rows, columns = np.nonzero(changed(short, long))
    block = OverlayPainter().draw(image, view(4)).shape
    assert columns.max() < block[1] - 4
    other = painter.draw(image, with_state(view(4), text="b" + LONG))
    again = np.nonzero(changed(short, other))
    assert abs(int(rows.max()) - int(again[0].max())) <= 2


def test_a_new_digit_moves_nothing_else() -> None:
    painter, image = OverlayPainter(), picture(640, 480)
    before = painter.draw(image, with_state(view(), score=0.61))
    after = painter.draw(image, with_state(view(), score=0.68))
    rows, columns = np.nonzero(changed(before, after))
    assert np.ptp(columns) < 12
    assert np.ptp(rows) < 20


@pytest.mark.parametrize("size", [(320, 240), (1920, 1080)])
@pytest.mark.parametrize(
    "other",
    [
        with_state(view(), text="grasping"),
        with_state(view(), score=0.95),
        with_state(view(), since_ns=SECOND),
        replace(view(), rate_hz=3.0),
        replace(view(), age_s=0.9),
        replace(view(), age_s=None),
        replace(view(), dropped=17),
        replace(view(), queries=(replace(view().queries[0], question="?"), view().queries[1])),
        replace(view(), queries=(replace(view().queries[0], name="task"), view().queries[1])),
    ],
    ids=["text", "score", "since", "rate", "age", "no-age", "dropped", "question", "name"],
)
def test_every_figure_is_visible(size: tuple[int, int], other: BoardView) -> None:
    painter, image = OverlayPainter(), picture(*size)
    assert changed(painter.draw(image, view()), painter.draw(image, other)).sum() >= 10


def test_past_states_are_listed() -> None:
    painter, image = OverlayPainter(), picture(640, 480)
    with_past = view(1)
    without = replace(
        with_past,
        queries=(replace(with_past.queries[0], states=with_past.queries[0].states[-1:]),),
    )
    assert changed(painter.draw(image, with_past), painter.draw(image, without)).sum() > 50


@pytest.mark.parametrize(
    ("age_s", "channel"), [(0.05, 1), (30.0, 0), (None, 0)], ids=["fresh", "lost", "none"]
)
def test_the_light_is_green_only_while_embeddings_come(age_s: float | None, channel: int) -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    drawn = OverlayPainter().draw(image, replace(view(0), age_s=age_s)).astype(int)
    others = drawn[..., [c for c in (0, 1) if c != channel]].max(axis=2)
    assert (drawn[..., channel] - others > 60).sum() >= 30


def test_the_state_is_marked_in_its_colour() -> None:
    colours = StateColours()
    expected = colours.of("reaching")
    drawn = OverlayPainter(colours).draw(np.zeros((480, 640, 3), np.uint8), view(1))
    assert (drawn == expected).all(axis=2).sum() > 100


def test_more_texts_than_the_palette_has_still_differ() -> None:
    colours = StateColours()
    assert len({colours.of(str(number)) for number in range(60)}) == 60
