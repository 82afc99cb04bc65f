# SPDX-License-Identifier: Apache-2.0
"""The timeline shows the right colour at the right time, and any run that there may be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vljepa_ros.views import timeline as timeline_module
from vljepa_ros.views.colours import StateColours
from vljepa_ros.views.doubts import DOUBTED
from vljepa_ros.views.timeline import Timeline, TimelineSegment, Track, draw_timeline

RED = (214, 68, 68)


def track(truth: bool = True) -> Track:
    return Track(
        "action",
        "What is the robot doing?",
        (TimelineSegment(0.0, 6.0, "reaching"), TimelineSegment(6.0, 10.0, "lifting")),
        (TimelineSegment(0.0, 5.0, "reaching"), TimelineSegment(5.0, 10.0, "lifting"))
        if truth
        else (),
        tuple((0.1 * tick, 0.002 * tick) for tick in range(100)),
    )


def timeline(*tracks: Track, duration: float = 10.0) -> Timeline:
    return Timeline("title", "subtitle", duration, tracks)


def drawn(one: Timeline, *texts: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the picture and, for each text, where its colour is."""
    colours = StateColours()
    wanted = [colours.of(text) for text in texts]
    image = draw_timeline(one, colours=colours)
    return image, [(image == colour).all(axis=2) for colour in wanted]


def test_strips_are_as_long_as_the_states() -> None:
    _, (reaching, lifting) = drawn(timeline(track()), "reaching", "lifting")
    strips = [mask.sum(axis=1).max() for mask in (reaching, lifting)]
    assert strips[0] / strips[1] == pytest.approx(6 / 5, abs=0.1)


def test_a_red_line_marks_where_truth_and_states_differ() -> None:
    image, _ = drawn(timeline(track()))
    marks = (image == RED).all(axis=2).sum(axis=1).max()
    strip = 1600 - 2 * 24 - 120
    assert marks == pytest.approx(strip / 10, abs=3)


def test_without_truth_there_is_one_strip_and_no_red() -> None:
    with_truth, _ = drawn(timeline(track()))
    image, (reaching,) = drawn(timeline(track(truth=False)), "reaching")
    assert image.shape[0] < with_truth.shape[0]
    assert not (image == RED).all(axis=2).any()
    assert reaching.any()


def test_a_long_run_is_broken_into_rows() -> None:
    long = replace(track(), states=(TimelineSegment(0.0, 200.0, "reaching"),), truth=())
    image, (reaching,) = drawn(timeline(long, duration=200.0), "reaching")
    full = reaching.sum(axis=1) > 1000
    starts = np.flatnonzero(np.diff(full.astype(int)) == 1)
    assert len(starts) == 3
    assert image.shape[0] > draw_timeline(timeline(track())).shape[0]


@pytest.mark.parametrize(
    "one",
    [
        timeline(),
        timeline(duration=0.0),
        timeline(Track("a", "A?", ())),
        timeline(replace(track(), distance=((1.0, 0.0),))),
        timeline(replace(track(), states=(TimelineSegment(3.0, 3.0, "blink"),))),
        timeline(track(), duration=100_000.0),
        timeline(
            replace(track(), question="long " * 100, states=(TimelineSegment(0, 9, "x" * 500),))
        ),
    ],
    ids=["nothing", "no time", "no states", "one point", "instant", "a day", "long texts"],
)
def test_odd_runs_are_drawn_too(one: Timeline) -> None:
    image = draw_timeline(one)
    assert image.dtype == np.uint8
    assert image.shape[1:] == (1600, 3)
    assert image.shape[0] < 8000
    assert (image < 128).any()


def test_nothing_touches_the_edges() -> None:
    image = draw_timeline(timeline(track(), track()))
    edges = (image[:8], image[-8:], image[:, :8], image[:, -8:])
    assert all((edge == 255).all() for edge in edges)


def test_episodes_are_named_above_the_queries() -> None:
    plain = timeline(track())
    banded = replace(plain, episodes=(TimelineSegment(0.0, 10.0, "opening the drawer"),))
    assert draw_timeline(banded).shape[0] > draw_timeline(plain).shape[0]


def hour(seconds: float = 3600.0) -> Timeline:
    """A run of short states of five texts."""
    starts = np.arange(0.0, seconds, 1.5)
    states = tuple(
        TimelineSegment(float(t), float(t) + 1.5, f"state {n % 5}") for n, t in enumerate(starts)
    )
    return timeline(Track("action", "What?", states), duration=seconds)


def test_an_hour_of_short_states_is_drawn_in_pieces_and_not_as_confetti() -> None:
    image, (first,) = drawn(hour(), "state 0")
    edges = np.abs(np.diff(first.astype(int), axis=1)).sum(axis=1)
    assert edges.max() < 2 * 1432 / 20, "a piece is at least some 20 pixels wide"
    assert first.sum() > 0.1 * 12 * 26 * 1432, "and every text has its share"
    assert image.shape[0] < 4000


def test_each_row_has_its_legend() -> None:
    one = hour(600.0)
    _, (first,) = drawn(one, "state 0")
    boxed = first[:, 145:150].all(axis=1).astype(int)
    edges = np.flatnonzero(np.diff(boxed, prepend=0, append=0)).reshape(-1, 2)
    assert (np.diff(edges) == 17).sum() == 7, "boxes of the height of a legend's"


def test_long_runs_have_a_clock_on_their_axis() -> None:
    sheet = timeline_module._Sheet
    labels = {
        duration: sheet(timeline(duration=duration), 1600, StateColours())._clock(65.0)
        for duration in (100.0, 600.0, 7200.0)
    }
    assert labels == {100.0: "65 s", 600.0: "1:05", 7200.0: "0:01:05"}


def test_while_nothing_is_seen_the_strip_has_no_colour() -> None:
    seen = replace(track(truth=False), distance=())
    lost = replace(seen, states=(seen.states[0], replace(seen.states[1], text="")))
    image, (lifting,) = drawn(timeline(lost), "lifting")
    assert not lifting.any()
    pale = (image == timeline_module._PALE).all(axis=2).sum(axis=1).max()
    assert pale > 400


def test_what_cannot_be_trusted_is_striped() -> None:
    plain = TimelineSegment(6.0, 10.0, "? unfamiliar scene")
    found = []
    for last in (plain, replace(plain, is_doubted=True)):
        states = (TimelineSegment(0.0, 6.0, "reaching"), last)
        image, _ = drawn(timeline(replace(track(), states=states)))
        marks = (image[:, 1200:1500] == DOUBTED).all(axis=2)
        found.append(int(np.count_nonzero(marks[:, 1:] != marks[:, :-1], axis=1).max()))
    assert found[0] == 0
    assert found[1] > 50, "stripes, which show without colours"
