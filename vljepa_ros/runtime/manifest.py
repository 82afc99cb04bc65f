# SPDX-License-Identifier: Apache-2.0
"""Typed reading of a JSON manifest: each field is there, has its type, and is in range.

A manifest may come from another release or from an editor. A wrong field must be found here, with
its name, and not as a shape error in the middle of a robot's first frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_EXPORT_AGAIN = "export the bundle again"
_HEX = frozenset("0123456789abcdef")


class ManifestError(ValueError):
    """A field is missing or malformed."""

    def __init__(self, cause: str, remedy: str = _EXPORT_AGAIN) -> None:
        """Keep what is wrong and what to do about it."""
        super().__init__(f"{cause}; {remedy}")
        self.cause = cause
        self.remedy = remedy


class FieldReader:
    """Reads the fields of one JSON object and names each field in its errors."""

    def __init__(self, value: Any, path: str = "") -> None:
        """Wrap ``value``, which was found at ``path`` of the manifest."""
        if not isinstance(value, dict):
            raise ManifestError(f"{path or 'the manifest'} must be a JSON object")
        self._fields: Mapping[str, Any] = value
        self._path = path

    def names(self) -> tuple[str, ...]:
        """Return the names of the fields."""
        return tuple(self._fields)

    def section(self, key: str) -> FieldReader:
        """Return a reader for the object in field ``key``."""
        return FieldReader(self._get(key), self._name(key))

    def text(self, key: str) -> str:
        """Return a string that is not empty."""
        value = self._get(key)
        if not isinstance(value, str) or not value.strip():
            raise ManifestError(f"{self._name(key)} must be a text, not {value!r}")
        return value

    def texts(self, key: str) -> dict[str, str]:
        """Return an object whose values are strings."""
        section = self.section(key)
        return {name: section.text(name) for name in section.names()}

    def text_list(self, key: str) -> list[str]:
        """Return a list of strings that are not empty."""
        value = self._get(key)
        if not isinstance(value, list) or not all(isinstance(v, str) and v.strip() for v in value):
            raise ManifestError(f"{self._name(key)} must be a list of texts")
        return value

    def whole(self, key: str, at_least: int = 1) -> int:
        """Return an integer of at least ``at_least``."""
        value = self._get(key)
        if not _is_whole(value, at_least):
            raise ManifestError(
                f"{self._name(key)} must be a whole number of at least {at_least}, not {value!r}"
            )
        return int(value)

    def whole_list(self, key: str, at_least: int = 1) -> list[int]:
        """Return a list of integers of at least ``at_least``."""
        values = self._get(key)
        if not isinstance(values, list) or not all(_is_whole(value, at_least) for value in values):
            raise ManifestError(
                f"{self._name(key)} must be a list of whole numbers of at least {at_least}, "
                f"not {values!r}"
            )
        return values

    def number_or_none(self, key: str) -> float | None:
        """Return a finite number, or None where the field is null."""
        return None if self._get(key) is None else self._finite(key)

    def positive(self, key: str) -> float:
        """Return a finite number above zero."""
        value = self._finite(key)
        if value <= 0:
            raise ManifestError(f"{self._name(key)} must be a number above 0, not {value!r}")
        return value

    def amount(self, key: str) -> float:
        """Return a finite number of at least zero."""
        value = self._finite(key)
        if value < 0:
            raise ManifestError(f"{self._name(key)} must be a number of at least 0, not {value!r}")
        return value

    def amounts(self, key: str) -> dict[str, float]:
        """Return an object whose values are finite numbers of at least zero."""
        section = self.section(key)
        return {name: section.amount(name) for name in section.names()}

    def sha256(self, key: str) -> str:
        """Return 64 lower-case hexadecimal digits."""
        value = self.text(key)
        if len(value) != 64 or not _HEX.issuperset(value):
            raise ManifestError(f"{self._name(key)} must be 64 hexadecimal digits, not {value!r}")
        return value

    def _finite(self, key: str) -> float:
        value = self._get(key)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise ManifestError(f"{self._name(key)} must be a number, not {value!r}")
        return float(value)

    def _get(self, key: str) -> Any:
        if key not in self._fields:
            raise ManifestError(f"{self._name(key)} is missing")
        return self._fields[key]

    def _name(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def _is_whole(value: Any, at_least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= at_least
