# SPDX-License-Identifier: Apache-2.0
"""What CONTRIBUTING.md says about language, as far as a test can tell."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("vljepa_ros", "benchmarks", "scripts", "launch", "test")
CODE = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
OURS = [path for path in CODE if not path.is_relative_to(ROOT / "test")]
TEXTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("vljepa_msgs/*/*.*")])

# What gives a "where" away that means "if". One that names a place follows a word that asks for a
# place, or has none of these around it.
CONDITION = re.compile(
    r"""
    (?<![.\w-])(?:None|empty|nan|nothing|false|true|none|error|0|1|-1|2)[`"']*,?\s+where\b
    | (?<![:|]\s)(?<!\band\s)(?<!\bto\s)(?<!\bsays\s)(?<!\btells\s)(?<![Kk]eep\s)\bwhere\s+(?:
        (?:there|this|these|that|those|some|none|no|not|any|only|allowed)\b
        | (?:it|they)\s+(?:do|does|has|have|had|can|cannot|could|fails?|gives?|names?)\b
        | (?:a|an|the|its|their|two|queries|memory)\s[^.,;:]*?\b
          (?:is|are|was|were|has|have|had|does|do|did|cannot|can|could|given|differs?)\b
    )
    | [.;)]\s+Where\b[^.]*,
    """,
    re.VERBOSE,
)
SPHINX_FIELD = re.compile(r":(?:param|type|returns?|rtype|raises?)\b[^:`\n]*:(?!`)")
RELATIVE_IMPORT = re.compile(r"^\s*from \.", re.MULTILINE)


def docstrings(source: str) -> Iterator[str]:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, documented) and (text := ast.get_docstring(node)):
            yield text


def comments(source: str) -> str:
    """The comments of a file as one text, which joins those that go over several lines."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    found = (token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT)
    return "\n".join(found)


def conditions(text: str) -> list[str]:
    """The places of a text at which "where" stands for "if"."""
    plain = re.sub(r"\s+(?:#\s)?", " ", text)
    return [plain[max(0, m.start() - 20) : m.end() + 20] for m in CONDITION.finditer(plain)]


def prose(path: Path) -> Iterable[str]:
    """What a file says to people."""
    text = path.read_text(encoding="utf-8")
    if "where" not in text.lower():
        return []
    return [*docstrings(text), comments(text)] if path.suffix == ".py" else [text]


def test_a_condition_begins_with_if() -> None:
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in [*OURS, *TEXTS]
        if (found := [one for text in prose(path) for one in conditions(text)])
    }
    assert wrong == {}


def test_the_rule_tells_conditions_from_places() -> None:
    wrong = [
        "None where there is none",
        "Do it. Where it fails, stop.",
        "built where that is allowed",
        "Raise ConfigError where a value is no size",
    ]
    right = [
        "Say where it is.",
        "Keep where the file is.",
        "folder: where the clips are",
        "guarded where it is used",
        "Return where a new state begins.",
    ]
    assert [text for text in wrong if not conditions(text)] == []
    assert [text for text in right if conditions(text)] == []


def test_docstrings_are_in_googles_style() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in CODE}
    fields = {path: text for path, text in texts.items() if SPHINX_FIELD.search(text)}
    wrong = {
        str(path.relative_to(ROOT)): found
        for path, text in fields.items()
        if (found := SPHINX_FIELD.findall("\n".join(docstrings(text))))
    }
    assert wrong == {}


def test_imports_are_absolute() -> None:
    relative = [
        str(path.relative_to(ROOT))
        for path in CODE
        if RELATIVE_IMPORT.search(path.read_text(encoding="utf-8"))
    ]
    assert relative == []
