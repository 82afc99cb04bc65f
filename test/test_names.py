# SPDX-License-Identifier: Apache-2.0
"""A name means one thing, and what the documents name is there: a search finds what it looks for.

Documents are checked for the files that they name, because nothing else notices when one moves.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "vljepa_ros"
MODULES = sorted(PACKAGE.rglob("*.py"))
DOCUMENTS = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
PICTURE = ROOT / "docs" / "road.svg"
# What a path in a document may begin at.
PLACES = (ROOT, PACKAGE, PACKAGE / "recipes" / "default_model")
SOURCE_FILE = re.compile(r"(?<![\w/.-])((?:\w+/)+\w+\.(?:py|sh|yaml|xml|txt))(?![\w/])")
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)")


def twice(names: Iterator[tuple[str, Path]]) -> dict[str, list[str]]:
    """Names that stand more than once, and the files in which they stand."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, path in names:
        found[name].append(str(path.relative_to(ROOT)))
    return {name: files for name, files in found.items() if len(files) > 1}


def classes() -> Iterator[tuple[str, Path]]:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield node.name, path


def headings(document: Path) -> set[str]:
    """The anchors of a document, as GitHub makes them of its headings."""
    found = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in found}


def test_no_two_modules_have_one_name() -> None:
    named = ((path.stem, path) for path in MODULES if not path.stem.startswith("__"))
    assert twice(named) == {}


def test_no_two_classes_have_one_name() -> None:
    assert twice(classes()) == {}


@pytest.mark.parametrize("document", [*DOCUMENTS, PICTURE], ids=lambda path: path.name)
def test_documents_name_files_that_are_there(document: Path) -> None:
    named = SOURCE_FILE.findall(document.read_text(encoding="utf-8"))
    missing = [name for name in named if not any((place / name).is_file() for place in PLACES)]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    wrong = []
    for target, anchor in LINK.findall(document.read_text(encoding="utf-8")):
        path = document.parent / target if target else document
        if not path.exists() or (anchor and anchor[1:] not in headings(path)):
            wrong.append(target + anchor)
    assert wrong == []
