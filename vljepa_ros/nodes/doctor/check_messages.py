# SPDX-License-Identifier: Apache-2.0
"""Is vljepa_msgs built, and from the source that lies here?"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vljepa_ros.nodes.doctor.ailments import OLD_MESSAGES
from vljepa_ros.nodes.doctor.finding import Finding, fault, fine
from vljepa_ros.nodes.start import missing_messages

SOURCE = Path(__file__).resolve().parents[3] / "vljepa_msgs"  # in a checkout only
_FIELD = re.compile(r"^[\w/]+(?:\[[^\]]*\])?\s+(\w+)\s*$", re.MULTILINE)  # no constant


def check_messages(source: Path = SOURCE) -> Iterator[Finding]:
    """Compare the built types with their source, if that is here."""
    if cause := missing_messages():
        yield fault("messages", cause)
        return
    try:
        differing = sorted(_differing(source))
    except Exception as error:  # a build for another Python or ROS
        differing = [f"{type(error).__name__}: {error}"]
    if differing:
        yield fault("messages", OLD_MESSAGES.told(", ".join(differing)))
    else:
        yield fine("messages", "vljepa_msgs is built and loads")


def _differing(source: Path) -> Iterator[str]:
    """Yield the types that are not built as their source says."""
    for kind in ("msg", "srv"):
        module = importlib.import_module(f"vljepa_msgs.{kind}")
        for file in source.glob(f"{kind}/*.{kind}"):
            built = getattr(module, file.stem, None)
            if built is None or _fields(built) != _written(file):
                yield file.name
    _load_libraries()


def _load_libraries() -> None:
    """Load what the middleware needs of a type; it is another file than what Python imports."""
    from vljepa_msgs.msg import StateDescription

    StateDescription.__class__.__import_type_support__()


def _fields(built: Any) -> list[list[str]]:
    """Return the names of the fields of each part of a type: one part, or two of a service."""
    parts = [built.Request, built.Response] if hasattr(built, "Request") else [built]
    unreal = "structure_needs_at_least_one_member"
    return [[name for name in p.get_fields_and_field_types() if name != unreal] for p in parts]


def _written(file: Path) -> list[list[str]]:
    """Return the same from a source file."""
    text = re.sub(r"#.*", "", file.read_text(encoding="utf-8"))
    return [_FIELD.findall(part) for part in re.split(r"^---$", text, flags=re.MULTILINE)]
