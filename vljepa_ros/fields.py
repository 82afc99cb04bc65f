# SPDX-License-Identifier: Apache-2.0
"""Typed reading of JSON and YAML objects: each field is there, has its type, and is in range.

A file may come from another release or from an editor. A wrong field must be found here, with its
name, and not as a shape error in the middle of a robot's first frame.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

_T = TypeVar("_T")
_D = TypeVar("_D")
_HEX = frozenset("0123456789abcdef")


class FieldError(ValueError):
    """A field is missing or malformed. The text names the field; the caller adds the file."""


class FieldReader:
    """Reads the fields of one object and names each field in its errors.

    Every method that reads a field raises FieldError if it is missing or not what it should be.
    """

    def __init__(self, value: object, path: str = "") -> None:
        """Wrap an object.

        Args:
            value: as ``json.loads`` or YAML gave it.
            path: the name of the object in errors; empty for a whole file.

        Raises:
            FieldError: it is no object.
        """
        if not isinstance(value, Mapping):
            raise FieldError(f"{path or 'the content'} must be an object, not {_short(value)}")
        self._fields: Mapping[str, Any] = value
        self._path = path

    def names(self) -> tuple[str, ...]:
        """Return the names of the fields."""
        return tuple(self._fields)

    def gives(self, key: str) -> bool:
        """Tell whether field ``key`` is there and not null."""
        return self._fields.get(key) is not None

    def optional(self, key: str, read: Callable[[str], _T], default: _D) -> _T | _D:
        """Return a field as ``read``, a method of this reader, gives it.

        Args:
            key: the field.
            read: is called with ``key`` if the field is there and not null.
            default: what is returned otherwise.
        """
        return read(key) if self.gives(key) else default

    def section(self, key: str) -> FieldReader:
        """Return a reader for the object in field ``key``."""
        return FieldReader(self._get(key), self.name(key))

    def string(self, key: str) -> str:
        """Return a string, which may be empty."""
        value = self._get(key)
        if not isinstance(value, str):
            raise self._wrong(key, "a text", value)
        return value

    def text(self, key: str) -> str:
        """Return a string that is not blank."""
        value = self._get(key)
        if not _is_text(value):
            raise self._wrong(key, "a text", value)
        return str(value)

    def texts(self, key: str) -> dict[str, str]:
        """Return an object whose values are strings that are not blank."""
        section = self.section(key)
        return {name: section.text(name) for name in section.names()}

    def text_list(self, key: str) -> list[str]:
        """Return a list of strings that are not blank."""
        value = self._get(key)
        if not isinstance(value, list) or not all(map(_is_text, value)):
            raise self._wrong(key, "a list of texts", value)
        return value

    def flag(self, key: str) -> bool:
        """Return true or false."""
        value = self._get(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return value

    def integer(self, key: str) -> int:
        """Return a whole number."""
        value = self._get(key)
        if not _is_whole(value):
            raise self._wrong(key, "a whole number", value)
        return int(value)

    def whole(self, key: str, at_least: int = 1) -> int:
        """Return a whole number of at least ``at_least``."""
        value = self._get(key)
        if not _is_whole(value) or value < at_least:
            raise self._wrong(key, f"a whole number of at least {at_least}", value)
        return int(value)

    def whole_list(self, key: str, at_least: int = 1) -> list[int]:
        """Return a list of whole numbers of at least ``at_least``."""
        values = self._get(key)
        good = isinstance(values, (list, tuple)) and all(
            _is_whole(v) and v >= at_least for v in values
        )
        if not good:
            raise self._wrong(key, f"a list of whole numbers of at least {at_least}", values)
        return list(values)

    def number(self, key: str) -> float:
        """Return a finite number."""
        value = self._get(key)
        number = _finite(value)
        if number is None:
            raise self._wrong(key, "a number", value)
        return number

    def number_list(self, key: str) -> list[float]:
        """Return a list of finite numbers."""
        values = self._get(key)
        numbers = [_finite(value) for value in values] if isinstance(values, list) else [None]
        if None in numbers:
            raise self._wrong(key, "a list of numbers", values)
        return [number for number in numbers if number is not None]

    def number_or_none(self, key: str) -> float | None:
        """Return a finite number, or None if the field is null."""
        return None if self._get(key) is None else self.number(key)

    def numbers(self, key: str) -> dict[str, float]:
        """Return an object whose values are finite numbers."""
        section = self.section(key)
        return {str(name): section.number(name) for name in section.names()}

    def positive(self, key: str) -> float:
        """Return a finite number above zero."""
        value = self.number(key)
        if value <= 0:
            raise self._wrong(key, "a number above 0", value)
        return value

    def amount(self, key: str) -> float:
        """Return a finite number of at least zero."""
        value = self.number(key)
        if value < 0:
            raise self._wrong(key, "a number of at least 0", value)
        return value

    def amounts(self, key: str) -> dict[str, float]:
        """Return an object whose values are finite numbers of at least zero."""
        section = self.section(key)
        return {name: section.amount(name) for name in section.names()}

    def sha256(self, key: str) -> str:
        """Return 64 lower-case hexadecimal digits."""
        value = self.text(key)
        if len(value) != 64 or not _HEX.issuperset(value):
            raise self._wrong(key, "64 hexadecimal digits", value)
        return value

    def dataclass(self, kind: type[_T], *, complete: bool) -> _T:
        """Return the whole object as a dataclass, its fields read by their annotations.

        Annotations may be ``str``, ``int``, ``float``, ``bool``, ``tuple[int, ...]`` of numbers
        above 0, ``dict[str, float]``, dataclasses of these, and one of all that or None.

        Args:
            kind: the dataclass.
            complete: fields that have a default must be there as well.

        Raises:
            FieldError: a field is missing, unknown or malformed.
            ValueError: the dataclass refuses the values.
        """
        known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
        if unknown := sorted(set(self.names()) - set(known), key=str):
            raise FieldError(f"{self.name(unknown[0])} is no known field")
        hints = get_type_hints(kind)
        return kind(
            **{
                name: self._value(name, hints[name], complete=complete)
                for name, field in known.items()
                if complete or name in self._fields or _is_required(field)
            }
        )

    def name(self, key: str) -> str:
        """Return the name of field ``key`` in errors."""
        return f"{self._path}.{key}" if self._path else key

    def _value(self, key: str, hint: Any, *, complete: bool) -> Any:
        if get_origin(hint) in (Union, types.UnionType):
            if self._get(key) is None:
                return None
            hint, *_ = get_args(hint)
        if hint in _READERS:
            return _READERS[hint](self, key)
        return self.section(key).dataclass(hint, complete=complete)

    def _get(self, key: str) -> Any:
        if key not in self._fields:
            raise FieldError(f"{self.name(key)} is missing")
        return self._fields[key]

    def _wrong(self, key: str, expected: str, value: object) -> FieldError:
        return FieldError(f"{self.name(key)} must be {expected}, not {_short(value)}")


_READERS: Mapping[Any, Callable[[FieldReader, str], Any]] = {
    str: FieldReader.string,
    int: FieldReader.integer,
    float: FieldReader.number,
    bool: FieldReader.flag,
    tuple[int, ...]: lambda reader, key: tuple(reader.whole_list(key)),
    dict[str, float]: FieldReader.numbers,
}


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _finite(value: Any) -> float | None:
    """Return a number as a float, or None if it is none, or infinite, or beyond all floats."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _short(value: object) -> str:
    """Return what was found in a few words, however large it is."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
