# SPDX-License-Identifier: Apache-2.0
"""The overlay leaves the picture alone, holds still, and shows every figure that it promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vljepa_ros.views.board import BoardView, QueryView, StateView
from vljepa_ros.views.colours import StateColours
from vljepa_ros.views.doubts import DOUBTED
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


def test_colours_are_kept_for_a_bounded_number_of_texts() -> None:
    colours = StateColours()
    first = colours.of("first")
    for number in range(5000):
        colours.of(str(number))
        assert colours.of("4999") is not None
    assert len(colours._known) <= 1002
    assert first == StateColours().of("first")


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "silent"])
def test_a_state_that_is_not_seen_loses_its_colour_and_gets_an_age(lost: bool) -> None:
    colours = StateColours()
    expected = colours.of("reaching")
    base = replace(view(1), now_ns=60 * SECOND)
    fresh = replace(base, queries=(replace(base.queries[0], seen_ns=60 * SECOND),))
    if lost:
        old = with_state(fresh, end_ns=48 * SECOND)
    else:
        old = replace(fresh, queries=(replace(fresh.queries[0], seen_ns=48 * SECOND),))
    painter, image = OverlayPainter(colours), np.zeros((480, 640, 3), np.uint8)
    shown = [(painter.draw(image, one) == expected).all(axis=2).sum() for one in (fresh, old)]
    assert shown[0] > 100
    assert shown[1] == 0
    later = painter.draw(image, replace(old, now_ns=70 * SECOND))
    assert changed(painter.draw(image, old), later).sum() >= 10, "the age grows"


def test_a_silent_cameras_last_picture_is_grey_and_says_for_how_long() -> None:
    painter, image = OverlayPainter(), picture(640, 480)
    drawn = [painter.draw(image, replace(view(), image_age_s=age)) for age in (5.0, 6.0)]
    below = drawn[0][100:480, :640].astype(int)
    assert np.ptp(below, axis=2).max() == 0
    assert below.max() < 128
    assert changed(*drawn)[:100, :640].sum() >= 10


@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (480, 640)])
@pytest.mark.parametrize("level", [0, 255])
def test_a_frame_shows_what_the_model_sees(size: tuple[int, int], level: int) -> None:
    image = np.full((size[1], size[0], 3), level, np.uint8)
    side, (left, top) = min(size), ((size[0] - min(size)) // 2, (size[1] - min(size)) // 2)
    drawn = OverlayPainter().draw(image, replace(view(), aspect=1.0))
    rows, columns = np.nonzero(changed(drawn[: size[1], : size[0]], image))
    assert (rows.min(), rows.max() + 1) == pytest.approx((top, top + side), abs=2)
    assert (columns.min(), columns.max() + 1) == pytest.approx((left, left + side), abs=2)
    inside = drawn[top + 3 : top + side - 3, left + 3 : left + side - 3]
    assert (inside == level).all()


def test_a_picture_that_is_seen_whole_has_no_frame() -> None:
    image = picture(640, 480)
    drawn = OverlayPainter().draw(image, replace(view(), aspect=4 / 3))
    assert np.array_equal(drawn[:480, :640], image)


def test_a_low_score_lights_less_of_the_meter() -> None:
    colours = StateColours()
    expected = colours.of("reaching")
    painter, image = OverlayPainter(colours), np.zeros((480, 640, 3), np.uint8)
    lit = [
        (painter.draw(image, with_state(view(1), score=score)) == expected).all(axis=2).sum()
        for score in (0.05, 0.47, 1.0)
    ]
    assert lit[1] - lit[0] == pytest.approx(2 / 5 * (lit[2] - lit[0]))
    assert lit[2] > lit[0] + 50


def stripes(drawn: np.ndarray) -> int:
    """How often a column of the panel changes to and from the colour of a doubt."""
    marks = (drawn == DOUBTED).all(axis=2)
    return int(np.count_nonzero(marks[1:] != marks[:-1], axis=0).max())


@pytest.mark.parametrize(("text", "score"), [("", 0.0), ("reaching", 0.3)])
def test_what_cannot_be_trusted_is_striped(text: str, score: float) -> None:
    painter, image = OverlayPainter(), np.zeros((480, 640, 3), np.uint8)
    plain = painter.draw(image, view(1, "reaching"))
    doubted = painter.draw(image, with_state(view(1, text, score), doubt="lens covered"))
    assert stripes(plain) == 0
    assert stripes(doubted) > 10
    assert np.array_equal(doubted[:480, :640], image), "the picture stays as it is"


def test_the_status_line_says_why_nothing_can_be_trusted() -> None:
    painter, image = OverlayPainter(), np.zeros((480, 640, 3), np.uint8)
    base = with_state(view(1), doubt="lens covered")
    other = with_state(view(1), doubt="images frozen")
    bottom = [painter.draw(image, one)[-30:] for one in (view(1), base, other)]
    assert changed(bottom[0], bottom[1]).sum() >= 100
    assert changed(bottom[1], bottom[2]).sum() >= 10
    ended = with_state(base, end_ns=9 * SECOND)  # it is not seen, and that is shown
    assert not (painter.draw(image, ended)[-30:] == DOUBTED).all(axis=2).any()
