# SPDX-License-Identifier: Apache-2.0
"""The board keeps the queries' order, bounded histories and an honest rate."""

from __future__ import annotations

import pytest

from vljepa_ros.views.board import StateBoard, StateView

SECOND = 1_000_000_000


def test_queries_keep_the_order_in_which_they_were_announced() -> None:
    board = StateBoard()
    board.set_questions([("b", "B?"), ("a", "A?")])
    board.add_state("a", StateView("one", 0, 0.5))
    assert [query.name for query in board.view(0).queries] == ["b", "a"]


def test_a_state_of_an_unannounced_query_is_shown() -> None:
    board = StateBoard()
    board.add_state("a", StateView("one", 0, 0.5))
    (query,) = board.view(0).queries
    assert (query.name, query.question) == ("a", "")


def test_the_same_text_again_renews_the_score_and_keeps_its_beginning() -> None:
    board = StateBoard()
    board.add_state("a", StateView("one", SECOND, 0.5))
    board.add_state("a", StateView("one", 2 * SECOND, 0.9))
    assert board.view(0).queries[0].states == (StateView("one", SECOND, 0.9),)


def test_a_correction_takes_the_place_of_what_it_corrects() -> None:
    board = StateBoard()
    for text, since_s in (("waits", 0), ("lifts", 5), ("holds", 5), ("waits", 9)):
        board.add_state("action", StateView(text, since_s * SECOND, 0.5))
    (query,) = board.view(10 * SECOND).queries
    assert [(state.text, state.since_ns) for state in query.states] == [
        ("waits", 0),
        ("holds", 5 * SECOND),
        ("waits", 9 * SECOND),
    ]


def test_the_history_is_bounded() -> None:
    board = StateBoard()
    for number in range(1000):
        board.add_state("a", StateView(str(number), number, 0.5))
    states = board.view(0).queries[0].states
    assert len(states) < 20
    assert states[-1].text == "999"


def test_queries_that_were_replaced_disappear() -> None:
    board = StateBoard()
    board.add_state("old", StateView("one", 0, 0.5))
    board.set_questions([("new", "New?")])
    assert [query.name for query in board.view(0).queries] == ["new"]
    board.set_questions([("old", "Old?")])
    assert board.view(0).queries[0].states == ()


def test_the_rate_counts_stamps_not_queries() -> None:
    board = StateBoard()
    for tick in range(21):
        for query in ("a", "b", "c"):
            board.add_embedding(query, tick * SECOND // 10)
    view = board.view(2 * SECOND + SECOND // 2)
    assert view.rate_hz == pytest.approx(10.0)
    assert view.age_s == pytest.approx(0.5)


def test_a_stream_that_stopped_has_no_rate_and_grows_old() -> None:
    board = StateBoard()
    for tick in range(10):
        board.add_embedding("a", tick * SECOND // 10)
    view = board.view(60 * SECOND)
    assert view.rate_hz == 0.0
    assert view.age_s == pytest.approx(59.1)


def test_before_the_first_embedding_there_is_no_age() -> None:
    assert StateBoard().view(5).age_s is None


def test_a_clock_set_back_starts_the_rate_anew() -> None:
    board = StateBoard()
    for tick in range(10):
        board.add_embedding("a", 100 * SECOND + tick * SECOND // 10)
    for tick in range(10):
        board.add_embedding("a", tick * SECOND // 5)
    assert board.view(2 * SECOND).rate_hz == pytest.approx(5.0)
