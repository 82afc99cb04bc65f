# SPDX-License-Identifier: Apache-2.0
"""What the model is asked, as a user writes it in a parameter or a service call.

Entries are ``*`` (every query of the bundle), ``action`` (the bundle's query of that name) or
``name: text`` (a question of one's own). Names and texts end up in messages, logs and RViz, so
they are cleaned and bounded here, at the door.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from vljepa_ros.stream.clean_text import clean_text

MAX_QUERIES = 64
MAX_NAME = 64
MAX_TEXT = 200
_ALL = "*"
_SEPARATOR = ":"


class QueryError(ValueError):
    """A query cannot be used; the message says which one and why."""


def parse_queries(entries: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return the text of each query by its name, in the order of ``entries``.

    Args:
        entries: at least one, in the forms above.
        known: the bundle's queries, name to text.

    Raises:
        QueryError: an entry is empty, not known, too long or named twice, or there are too many.
    """
    queries: dict[str, str] = {}
    for name, text in _named(entries, known):
        if name in queries:
            raise QueryError(f"query {name!r} is named twice")
        queries[name] = text
    if not queries:
        raise QueryError(f"queries must not be empty; {_ALL!r} is all of the bundle's")
    if len(queries) > MAX_QUERIES:
        raise QueryError(f"{len(queries)} queries; there may be {MAX_QUERIES}")
    return queries


def format_entry(name: str, text: str) -> str:
    """Return the entry for a query of a service call; an empty text stands for the bundle's.

    Raises:
        QueryError: the name cannot be written as an entry.
    """
    clean = clean_text(name, limit=MAX_NAME + 1)
    if _SEPARATOR in clean:
        raise QueryError(f"a name must not contain {_SEPARATOR!r}: {clean!r}")
    return f"{clean}{_SEPARATOR} {clean_text(text, limit=MAX_TEXT + 1)}" if text else clean


def _named(entries: Sequence[str], known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        if entry.strip() == _ALL:
            yield from known.items()
            continue
        name, separator, text = entry.partition(_SEPARATOR)
        name = _clean_name(name)
        if not separator and name not in known:
            raise QueryError(
                f"the bundle has no query {name!r}; it has {', '.join(known)}. "
                f"A question of your own is written 'name{_SEPARATOR} text'"
            )
        yield name, _clean_question(name, text) if separator else known[name]


def _clean_name(name: str) -> str:
    clean = clean_text(name, limit=MAX_NAME + 1)
    if not clean:
        raise QueryError("a query has no name")
    if len(clean) > MAX_NAME:
        raise QueryError(f"the name {clean[:16]!r}... is longer than {MAX_NAME} characters")
    return clean


def _clean_question(name: str, text: str) -> str:
    clean = clean_text(text, limit=MAX_TEXT + 1)
    if not clean:
        raise QueryError(f"query {name!r} has no text")
    if len(clean) > MAX_TEXT:
        raise QueryError(f"the text of query {name!r} is longer than {MAX_TEXT} characters")
    return clean
