# SPDX-License-Identifier: Apache-2.0
"""Reads SROS 2 policies: includes resolved, names in full."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

FOLDER = Path(__file__).resolve().parents[2] / "config" / "sros2"
_INCLUDE = "{http://www.w3.org/2001/XInclude}include"
_RULES = {
    "topics": ("topic", ("publish", "subscribe")),
    "services": ("service", ("reply", "request")),
}


@dataclass
class Profile:
    """What one node may do; names in full.

    Attributes:
        allowed: Names by rule: publish, subscribe, reply, request.
    """

    node: str
    allowed: dict[str, list[str]] = field(default_factory=dict)

    def covers(self, rule: str, name: str) -> bool:
        """Whether a rule allows a name, as DDS compares them: ``*`` takes slashes too."""
        return any(fnmatch.fnmatchcase(name, one) for one in self.allowed.get(rule, []))


def read_policy(file: Path) -> tuple[str, list[Profile]]:
    """Return the path of the only enclave in a policy, and its profiles.

    Raises:
        AssertionError: it is not formed as sros2's schema wants it.
    """
    policy = _included(ElementTree.parse(file).getroot(), file.parent)
    assert (policy.tag, policy.attrib) == ("policy", {"version": "0.2.0"}), file
    ((enclaves,), (enclave,)) = list(policy), list(policy[0])
    assert (enclaves.tag, enclave.tag, list(enclave.attrib)) == ("enclaves", "enclave", ["path"])
    (profiles,) = enclave
    assert profiles.tag == "profiles"
    return enclave.attrib["path"], [_profile(one) for one in profiles]


def _profile(element: ElementTree.Element) -> Profile:
    assert element.tag == "profile" and set(element.attrib) == {"ns", "node"}
    namespace, node = element.attrib["ns"].rstrip("/"), element.attrib["node"]
    profile = Profile(f"{namespace}/{node}")
    for rules in element:
        entry, kinds = _RULES[rules.tag]
        ((kind, verdict),) = rules.attrib.items()
        assert kind in kinds and verdict == "ALLOW" and len(rules)
        for one in rules:
            assert one.tag == entry and one.text and not len(one) and not one.attrib
            profile.allowed.setdefault(kind, []).append(_in_full(one.text, namespace, node))
    return profile


def _in_full(name: str, namespace: str, node: str) -> str:
    if name.startswith("/"):
        return name
    if name.startswith("~"):
        return f"{namespace}/{node}{name[1:]}"
    return f"{namespace}/{name}"


def _included(element: ElementTree.Element, folder: Path) -> ElementTree.Element:
    """Replace each include by the elements that its XPointer names, as XInclude does."""
    children = []
    for child in element:
        if child.tag == _INCLUDE:
            other = ElementTree.parse(folder / child.attrib["href"]).getroot()
            path = child.attrib["xpointer"].removeprefix("xpointer(").removesuffix(")")
            assert path.startswith(f"/{other.tag}/")
            inner = other.findall(path.removeprefix(f"/{other.tag}/"))
            children += [_included(one, folder) for one in inner]
        else:
            children.append(_included(child, folder))
    element[:] = children
    return element
