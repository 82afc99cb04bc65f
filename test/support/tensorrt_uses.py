# SPDX-License-Identifier: Apache-2.0
"""Finds what source code uses of TensorRT, and what of that a release does not have.

Where an object comes from is not worked out. What is reached from the module itself (``trt.X.Y``)
must be there. Of everything else, an attribute counts that some release knows in the classes at
hand: then every release must have it and take the arguments of the call. A name that no release
knows is not found here; it fails in the tests, because the fake has no name of its own.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from support.real_bindings import Bindings, Member

ROOTS = frozenset({"trt", "tensorrt", "_tensorrt"})
_PYTHONS = frozenset(  # d.update(x) is not ITimingCache's
    name
    for kind in (dict, list, set, str, bytes, Path, type(hashlib.sha256()))
    for name in dir(kind)
)


@dataclass(frozen=True)
class Use:
    """An attribute, and the arguments where it is called; ``rooted`` ones begin at the module."""

    name: str
    line: int
    rooted: bool
    arguments: tuple[int, frozenset[str]] | None


def uses(source: str) -> list[Use]:
    """Return every attribute that the source looks up."""
    return list(_walk(ast.parse(source), None))


def missing(
    source: str, release: Bindings, others: Iterable[Bindings], classes: frozenset[str]
) -> list[str]:
    """Say which uses ``release`` does not have.

    ``others`` are all releases: an attribute counts where one of them has it in ``classes``.
    """
    complaints = []
    for use in uses(source):
        if use.rooted:
            known = _at(release, use)
        elif _may_be_tensorrt(use.name, others, classes):
            known = release.having(use.name, classes)
        else:
            continue
        if not known:
            complaints.append(f"line {use.line}: {release.version} has no {use.name}")
        elif use.arguments is not None and not any(_takes(it, *use.arguments) for it in known):
            complaints.append(f"line {use.line}: {release.version} calls {use.name} otherwise")
    return complaints


def _at(release: Bindings, use: Use) -> list[Member]:
    """Return what a dotted name is; who calls a class calls its __init__."""
    found = release.members.get(use.name)
    if found is not None and found.kind == "class" and use.arguments is not None:
        found = release.members.get(f"{use.name}.__init__", found)
    return [] if found is None else [found]


def _may_be_tensorrt(name: str, releases: Iterable[Bindings], classes: frozenset[str]) -> bool:
    return name not in _PYTHONS and any(it.having(name, classes) for it in releases)


def _walk(node: ast.AST, call: ast.Call | None) -> Iterator[Use]:
    if isinstance(node, ast.Attribute):
        path = _path(node)
        if path is not None:
            yield Use(path, node.lineno, True, _arguments(call, path))
            return
        yield Use(node.attr, node.lineno, False, _arguments(call, node.attr))
    for child in ast.iter_child_nodes(node):
        called = isinstance(node, ast.Call) and child is node.func
        yield from _walk(child, node if called else None)  # type: ignore[arg-type]


def _path(node: ast.expr) -> str | None:
    """Return the dotted name within the module, or None where the node begins elsewhere."""
    if not isinstance(node, ast.Attribute):
        return None
    owner = node.value
    if isinstance(owner, ast.Name) and owner.id in ROOTS:
        return node.attr
    if isinstance(owner, ast.Attribute) and owner.attr in ROOTS:
        return node.attr
    before = _path(owner)
    return None if before is None else f"{before}.{node.attr}"


def _arguments(call: ast.Call | None, name: str) -> tuple[int, frozenset[str]] | None:
    if call is None or any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    keywords = frozenset(keyword.arg for keyword in call.keywords if keyword.arg is not None)
    explicit_self = name.endswith(".__init__")
    return len(call.args) - explicit_self, keywords


def _takes(member: Member, positional: int, keywords: frozenset[str]) -> bool:
    return not member.signatures or any(
        signature.accepts(positional, keywords) for signature in member.signatures
    )
