# SPDX-License-Identifier: Apache-2.0
"""How a user writes queries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vljepa_ros.runtime.queries import (
    MAX_TEXT,
    Query,
    QueryError,
    clean_phrases,
    format_entry,
    parse_queries,
    with_own,
)

KNOWN = {"action": "What is it doing?", "object": "Where is it?"}


@pytest.mark.parametrize(
    ("entries", "queries"),
    [
        (["*"], KNOWN),
        (["object"], {"object": KNOWN["object"]}),
        (["object", "action"], {"object": KNOWN["object"], "action": KNOWN["action"]}),
        (["door: Is the door open?"], {"door": "Is the door open?"}),
        (["*", "door:Open: yes or no?"], {**KNOWN, "door": "Open: yes or no?"}),
        (["action: What now?"], {"action": "What now?"}),
        ([" door : Is\tit\nopen? "], {"door": "Is it open?"}),
        (["tür: Ist die Tür offen? 🙂"], {"tür": "Ist die Tür offen? 🙂"}),
    ],
)
def test_entries_become_queries(entries: list[str], queries: dict[str, str]) -> None:
    parsed = parse_queries(entries, KNOWN)
    assert list(parsed.items()) == list(queries.items())


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        ([f"q{number}: What?" for number in range(65)], "65 queries; there may be 64"),
        ([], "must not be empty"),
        ([""], "no name"),
        ([": What?"], "no name"),
        (["door"], "the bundle has no query 'door'; it has action, object"),
        (["door:"], "query 'door' has no text"),
        (["door: \x00\n"], "query 'door' has no text"),
        (["*", "action"], "query 'action' is named twice"),
        (["door: " + "x" * (MAX_TEXT + 1)], "longer than 200 characters"),
    ],
)
def test_bad_entries_are_refused(entries: list[str], complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint.replace("*", r"\*")):
        parse_queries(entries, KNOWN)


@pytest.mark.parametrize(("name", "text"), [("action", ""), ("door", "Open: yes or no?")])
def test_an_entry_is_read_as_it_was_written(name: str, text: str) -> None:
    assert parse_queries([format_entry(name, text)], KNOWN) == {name: text or KNOWN[name]}


def test_a_name_that_would_be_read_as_another_is_refused() -> None:
    with pytest.raises(QueryError, match="must not contain"):
        format_entry("door: a", "What?")


class Unreadable(list[str]):
    """A list that may be counted but not read."""

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("a text was read before all were counted")


def test_lists_are_counted_before_they_are_read() -> None:
    endless = Unreadable(["text"] * 100_000)
    with pytest.raises(QueryError, match="100000 queries"):
        parse_queries(endless, KNOWN)
    with pytest.raises(QueryError, match="100000 queries"):
        with_own(endless, {"door": Query("Is it open?")})
    with pytest.raises(QueryError, match="100000 phrases for query 'door'; there may be 256"):
        clean_phrases({"door": endless})
    many = {f"q{number}": Unreadable(["text"] * 256) for number in range(9)}
    with pytest.raises(QueryError, match="2304 phrases; there may be 2048"):
        clean_phrases(many)


def test_phrases_are_cleaned_and_stand_once() -> None:
    cleaned = clean_phrases({"door": ["it is\nopen", "it is open", "it is shut"], "light": []})
    assert cleaned == {"door": ("it is open", "it is shut"), "light": ()}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [(" \n", "is empty"), ("x" * 201, "longer than 200")],
    ids=["blank", "long"],
)
def test_bad_phrases_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint) as raised:
        clean_phrases({"door": ["fine", text]})
    assert "query 'door'" in str(raised.value)


@pytest.mark.parametrize(
    ("entries", "queries"),
    [
        (["*"], ["door", "action"]),
        (["door"], ["door"]),
        ([" door ", "object"], ["door", "object"]),
        (["*", "object"], ["door", "action", "object"]),
        (["action"], ["action"]),
        (["door: What now?"], ["door"]),
    ],
)
def test_queries_of_one_s_own_are_picked_by_name(entries: list[str], queries: list[str]) -> None:
    own = {"door": Query("Open: yes or no?"), "action": Query("Mine?")}
    parsed = parse_queries(with_own(entries, own), KNOWN)
    assert list(parsed) == queries
    assert parsed.get("action", "Mine?") == "Mine?"
    assert parsed.get("door") in (None, "Open: yes or no?", "What now?")


def test_without_queries_of_one_s_own_entries_stay() -> None:
    assert with_own(["*", "door: What?"], {}) == ["*", "door: What?"]
