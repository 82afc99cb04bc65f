# SPDX-License-Identifier: Apache-2.0
"""What the model is asked, as a user writes it in a parameter or a service call.

Entries are ``*`` (every query of the bundle), ``action`` (the bundle's query of that name) or
``name: text`` (a question of one's own). Names and texts end up in messages, logs and RViz, so
they are cleaned and bounded here, at the door. Lists are counted before a text of them is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass

from vljepa_ros.runtime.phrases import MAX_ADDED, MAX_ADDED_PER_QUERY
from vljepa_ros.stream.clean_text import TextTooLongError, clean_text, whole_text

MAX_QUERIES = 64
MAX_NAME = 64
MAX_TEXT = 200
EVERY = "*"
_SEPARATOR = ":"


class QueryError(ValueError):
    """A query cannot be used; the message says which one and why."""


@dataclass(frozen=True)
class Query:
    """A question and the phrases that may answer it, beside those of the bundle."""

    text: str
    phrases: tuple[str, ...] = ()


def parse_queries(entries: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return the text of each query by its name, in the order of ``entries``.

    Args:
        entries: at least one, in the forms above.
        known: the bundle's queries, name to text.

    Raises:
        QueryError: an entry is empty, not known, too long or named twice, or there are too many.
    """
    check_number(entries)
    queries: dict[str, str] = {}
    for name, text in _named(entries, known):
        if name in queries:
            raise QueryError(f"query {name!r} is named twice")
        queries[name] = text
    if not queries:
        raise QueryError(f"queries must not be empty; {EVERY!r} is all of the bundle's")
    check_number(queries)
    return queries


def check_number(queries: Sized) -> None:
    """Check that there are not too many queries.

    Raises:
        QueryError: there are.
    """
    if len(queries) > MAX_QUERIES:
        raise QueryError(f"{len(queries)} queries; there may be {MAX_QUERIES}")


def clean_name(name: str) -> str:
    """Return the name of a query on one line.

    Raises:
        QueryError: it is empty or too long.
    """
    clean = _whole(name, MAX_NAME, "the name")
    if not clean:
        raise QueryError("a query has no name")
    return clean


def clean_phrases(phrases: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the phrases of each query as they are used: each once, on one line.

    Args:
        phrases: by the query's name.

    Raises:
        QueryError: there are too many, or one is empty or too long.
    """
    for name, texts in phrases.items():
        if len(texts) > MAX_ADDED_PER_QUERY:
            raise QueryError(
                f"{len(texts)} phrases for query {clean_text(name, limit=MAX_NAME)!r}; there may "
                f"be {MAX_ADDED_PER_QUERY}"
            )
    total = sum(map(len, phrases.values()))
    if total > MAX_ADDED:
        raise QueryError(f"{total} phrases; there may be {MAX_ADDED} for all queries together")
    return {
        name: tuple(dict.fromkeys(clean_phrase(name, text) for text in texts))
        for name, texts in phrases.items()
    }


def clean_phrase(query: str, text: str) -> str:
    """Return a phrase on one line.

    Raises:
        QueryError: it is empty or too long.
    """
    clean = _whole(text, MAX_TEXT, f"a phrase of query {query!r},")
    if not clean:
        raise QueryError(f"a phrase of query {query!r} is empty")
    return clean


def with_own(entries: Sequence[str], own: Mapping[str, Query]) -> list[str]:
    """Return entries in which each query of one's own stands with its text.

    Args:
        entries: in the forms above; if there are queries of one's own, ``*`` is all of these.
        own: queries of one's own by name, with their texts.

    Raises:
        QueryError: there are too many entries.
    """
    check_number(entries)
    if not own:
        return list(entries)
    written = {name: format_entry(name, query.text) for name, query in own.items()}
    expanded: list[str] = []
    for entry in entries:
        if entry.strip() == EVERY:
            expanded += written.values()
        else:
            expanded.append(written.get(entry.strip(), entry))
    return expanded


def format_entry(name: str, text: str) -> str:
    """Return the entry for a query of a service call; an empty text stands for the bundle's.

    Raises:
        QueryError: the name cannot be written as an entry.
    """
    clean = _whole(name, MAX_NAME, "the name")
    if _SEPARATOR in clean:
        raise QueryError(f"a name must not contain {_SEPARATOR!r}: {clean!r}")
    return f"{clean}{_SEPARATOR} {_whole_question(clean, text)}" if text else clean


def _named(entries: Sequence[str], known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        if entry.strip() == EVERY:
            yield from known.items()
            continue
        name, separator, text = entry.partition(_SEPARATOR)
        name = clean_name(name)
        if not separator and name not in known:
            raise QueryError(
                f"the bundle has no query {name!r}; it has {', '.join(known)}. "
                f"A question of your own is written 'name{_SEPARATOR} text'"
            )
        yield name, _clean_question(name, text) if separator else known[name]


def _clean_question(name: str, text: str) -> str:
    clean = _whole_question(name, text)
    if not clean:
        raise QueryError(f"query {name!r} has no text")
    return clean


def _whole_question(name: str, text: str) -> str:
    return _whole(text, MAX_TEXT, f"the text of query {name!r},")


def _whole(text: str, limit: int, what: str) -> str:
    try:
        return whole_text(text, limit)
    except TextTooLongError as error:
        raise QueryError(f"{what} {error}") from error
