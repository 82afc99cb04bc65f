# SPDX-License-Identifier: Apache-2.0
"""How a user writes queries."""

from __future__ import annotations

import pytest

from vljepa_ros.runtime.queries import MAX_TEXT, QueryError, format_entry, parse_queries

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
