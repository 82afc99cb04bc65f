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


def test_a_state_whose_embeddings_stop_is_not_seen_any_more() -> None:
    board = StateBoard()
    board.add_state("a", StateView("one", SECOND, 0.5), 2 * SECOND)
    board.add_embedding("a", 3 * SECOND)
    for now_s, unseen_s in ((4, None), (6, None), (7, 4.0), (100, 97.0)):
        assert board.view(now_s * SECOND).queries[0].unseen_s(now_s * SECOND) == unseen_s


def test_a_query_can_grow_old_beside_others() -> None:
    board = StateBoard()
    for second in range(10):
        board.add_embedding("a", second * SECOND)
    board.add_embedding("b", 9 * SECOND)
    board.add_embedding("a", 20 * SECOND)
    a, b = board.view(20 * SECOND).queries
    assert (a.unseen_s(20 * SECOND), b.unseen_s(20 * SECOND)) == (None, 11.0)


def test_a_lost_state_is_not_seen_from_its_end_on_until_another_comes() -> None:
    board = StateBoard()
    board.add_state("a", StateView("one", 0, 0.5), SECOND)
    board.lose_state("a", "one", 2 * SECOND)
    (query,) = board.view(3 * SECOND).queries
    assert query.states == (StateView("one", 0, 0.5, 2 * SECOND),)
    assert query.unseen_s(3 * SECOND) == 1.0
    board.add_state("a", StateView("one", 9 * SECOND, 0.6), 9 * SECOND)
    (query,) = board.view(9 * SECOND).queries
    assert [(state.since_ns, state.end_ns) for state in query.states] == [
        (0, 2 * SECOND),
        (9 * SECOND, None),
    ], "it is another state, though with the same words"
    assert query.unseen_s(9 * SECOND) is None


def test_a_lost_state_of_which_nothing_was_told_has_its_words() -> None:
    board = StateBoard()
    board.lose_state("a", "the door is open", SECOND)
    (state,) = board.view(0).queries[0].states
    assert (state.text, state.end_ns) == ("the door is open", SECOND)


def test_a_state_without_words_says_so() -> None:
    board = StateBoard()
    board.add_state("a", StateView("", 0, 0.1))
    assert board.view(0).queries[0].states[-1].text == "none of these"


def test_what_topics_bring_is_bounded() -> None:
    board = StateBoard()
    for number in range(500):
        board.add_state(f"{number} " + "n" * 100_000, StateView("t" * 100_000, number, 0.5))
        board.add_embedding(f"other {number}", number)
        board.lose_state(f"lost {number}", "t" * 100_000, number)
    queries = board.view(0).queries
    assert len(queries) == 64
    assert all(len(query.name) <= 64 for query in queries)
    assert all(len(state.text) <= 200 for query in queries for state in query.states)
    board.set_questions([(str(n), "q" * 100_000) for n in range(500)])
    queries = board.view(0).queries
    assert len(queries) == 64
    assert all(len(query.question) <= 200 for query in queries)


def test_states_are_not_current_while_the_describer_is_silent() -> None:
    board = StateBoard()
    board.add_state("a", StateView("one", SECOND, 0.5))
    for second in range(20):
        board.add_embedding("a", second * SECOND)
    board.untold_since_ns = 12 * SECOND
    assert board.view(20 * SECOND).queries[0].unseen_s(20 * SECOND) == 8.0
    board.untold_since_ns = None
    assert board.view(20 * SECOND).queries[0].unseen_s(20 * SECOND) is None


def test_a_query_that_was_removed_does_not_come_back_with_a_late_message() -> None:
    board = StateBoard()
    board.add_state("old", StateView("one", 0, 0.5))
    board.set_questions([("new", "New?")])
    board.add_state("old", StateView("two", SECOND, 0.5))
    board.add_embedding("old", SECOND)
    board.lose_state("old", "two", SECOND)
    assert [query.name for query in board.view(0).queries] == ["new"]


@pytest.mark.parametrize(
    ("score", "shown"), [(float("nan"), 0.0), (-1e30, 0.0), (float("inf"), 1.0), (1.0001, 1.0)]
)
def test_a_score_that_is_no_probability_is_bounded(score: float, shown: float) -> None:
    board = StateBoard()
    board.add_state("a", StateView("one", 0, score))
    assert board.view(0).queries[0].states[-1].score == shown


@pytest.mark.parametrize(
    ("text", "shown"), [("", "? lens covered"), ("it is open", "? it is open (lens covered)")]
)
def test_what_cannot_be_trusted_says_why(text: str, shown: str) -> None:
    board = StateBoard()
    board.add_state("a", StateView("it is open", 0, 0.5))
    board.add_state("a", StateView(text, SECOND, 0.0, doubt="lens covered"))
    board.add_state("a", StateView("it is open", 2 * SECOND, 0.5))
    states = board.view(3 * SECOND).queries[0].states
    assert [one.text for one in states] == ["it is open", shown, "it is open"]
