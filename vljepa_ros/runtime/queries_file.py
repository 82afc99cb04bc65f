# SPDX-License-Identifier: Apache-2.0
"""Queries with their phrases in a YAML file, which a node that starts again reads again.

    action:                      # a query of the bundle, with its text and its phrases
    grip:                        # a question of one's own
      text: What is in the gripper?
      phrases: [a red cube is in the gripper, the gripper is empty]

The text may be left out if the bundle has a query of that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from vljepa_ros.fields import FieldError, FieldReader
from vljepa_ros.runtime.queries import (
    EVERY,
    Query,
    check_number,
    clean_phrases,
    format_entry,
    parse_queries,
)

_FIELDS = ("text", "phrases")


class QueriesFileError(ValueError):
    """A file of queries cannot be used; the message names the file, the query and the cause."""


def read_queries_file(path: Path, known: Mapping[str, str]) -> dict[str, Query]:
    """Return the queries of a YAML file by name, at least one.

    Args:
        path: the file; ``~`` is the home folder.
        known: the bundle's queries, name to text.

    Raises:
        QueriesFileError: the file cannot be read, or a query in it cannot be used.
    """
    path = path.expanduser()
    try:
        return _queries(yaml.safe_load(path.read_text(encoding="utf-8")), known)
    except OSError as error:
        raise QueriesFileError(f"cannot read queries_file {path}: {error.strerror}") from error
    except (yaml.YAMLError, RecursionError) as error:
        cause = " ".join(str(error).split())
        raise QueriesFileError(f"queries_file {path} is no YAML: {cause}") from error
    except ValueError as error:  # also what is no UTF-8, and a date that is none
        raise QueriesFileError(f"queries_file {path}: {error}") from error


def _queries(content: object, known: Mapping[str, str]) -> dict[str, Query]:
    if not isinstance(content, Mapping):
        raise FieldError("queries are written 'name: {text: ..., phrases: [...]}'")
    check_number(content)
    # An empty section is one of YAML's nulls.
    reader = FieldReader(
        {_name(name): {} if own is None else own for name, own in content.items()}
    )
    sections = [reader.section(name) for name in reader.names()]
    entries = [_entry(*one) for one in zip(reader.names(), sections, strict=True)]
    texts = parse_queries(entries, known)
    listed = {name: _phrases(one) for name, one in zip(texts, sections, strict=True)}
    phrases = clean_phrases(listed)
    return {name: Query(text, phrases[name]) for name, text in texts.items()}


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise FieldError(f"the name {name!r} must be a text; write it in quotes")
    if name.strip() == EVERY:
        raise FieldError(f"{EVERY!r} is no name of a query")
    return name


def _entry(name: str, section: FieldReader) -> str:
    for field in section.names():
        if field not in _FIELDS:
            raise FieldError(f"{section.name(field)} is no known field; use text and phrases")
    return format_entry(name, section.text("text") if "text" in section.names() else "")


def _phrases(section: FieldReader) -> list[str]:
    return section.text_list("phrases") if "phrases" in section.names() else []
