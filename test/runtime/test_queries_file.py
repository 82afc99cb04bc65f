# SPDX-License-Identifier: Apache-2.0
"""A file of queries with their phrases, and what is said of one that cannot be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vljepa_ros.runtime.queries import Query
from vljepa_ros.runtime.queries_file import QueriesFileError, read_queries_file

KNOWN = {"action": "What is it doing?", "object": "Where is it?"}
GOOD = """
grip:
  text: "What is in\tthe gripper?"
  phrases:
    - a red cube
    - the gripper is empty
    - a  red cube
action:
object: {phrases: [on the table]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "queries.yaml"


def test_queries_are_read_with_their_phrases(file: Path) -> None:
    file.write_text(GOOD, encoding="utf-8")
    assert read_queries_file(file, KNOWN) == {
        "grip": Query("What is in the gripper?", ("a red cube", "the gripper is empty")),
        "action": Query("What is it doing?"),
        "object": Query("Where is it?", ("on the table",)),
    }


def test_the_home_folder_may_be_a_tilde(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("action:", encoding="utf-8")
    monkeypatch.setenv("HOME", str(file.parent))
    assert list(read_queries_file(Path("~/queries.yaml"), KNOWN)) == ["action"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "queries are written 'name:"),
        ("[grip]", "queries are written 'name:"),
        ("{}", "queries must not be empty"),
        ("grip: [", "is no YAML"),
        ("[" * 5000, "is no YAML"),
        ("when: 2001-99-99", "month must be in"),
        ("grip:", "no query 'grip'; it has action, object"),
        ("grip: {text: ' '}", "grip.text must be a text"),
        ("grip: {text: 5}", "grip.text must be a text, not 5"),
        ("grip: What?", "grip must be an object, not 'What?'"),
        ("grip: {text: Why, phrase: [a]}", "grip.phrase is no known field; use text and phrases"),
        ("action: {phrases: yes}", "action.phrases must be a list of texts"),
        ("action: {phrases: [yes]}", r"action.phrases must be a list of texts, not [True]"),
        ("on: {text: Why}", "the name True must be a text; write it in quotes"),
        ("'*': {text: Why}", "'*' is no name"),
        ("'a: b': {text: Why}", "a name must not contain ':'"),
        ("' a': {text: Why}\na: {text: Why}", "query 'a' is named twice"),
        (f"action: {{phrases: [{', '.join('x' * 257)}]}}", "257 phrases for query 'action'"),
        (
            f"action: {{phrases: [{'x' * 201}]}}",
            "xxx'... is longer than 200",
        ),
        ("\n".join(f"q{n}: {{text: Why}}" for n in range(65)), "65 queries; there may be 64"),
    ],
    ids=lambda value: value[:24],
)
def test_a_bad_file_is_named_with_the_cause(file: Path, content: str, complaint: str) -> None:
    file.write_text(content, encoding="utf-8")
    with pytest.raises(QueriesFileError, match=re.escape(complaint)) as raised:
        read_queries_file(file, KNOWN)
    assert f"queries_file {file}" in str(raised.value)
    assert len(str(raised.value)) < 500


def test_a_file_that_cannot_be_read_is_named(file: Path) -> None:
    with pytest.raises(QueriesFileError, match=f"{file}: No such file"):
        read_queries_file(file, KNOWN)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(QueriesFileError, match=f"queries_file {file}"):
        read_queries_file(file, KNOWN)
