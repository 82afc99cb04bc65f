# SPDX-License-Identifier: Apache-2.0
"""A field of a JSON or YAML object has its type, or the error names it and what it must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from vljepa_ros.fields import FieldError, FieldReader

Read = Callable[[FieldReader, str], object]


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (FieldReader.string, "", ""),
        (FieldReader.text, " a ", " a "),
        (FieldReader.texts, {"a": "b"}, {"a": "b"}),
        (FieldReader.text_list, ["a", "b"], ["a", "b"]),
        (FieldReader.flag, False, False),
        (FieldReader.integer, -3, -3),
        (FieldReader.whole, 3, 3),
        (FieldReader.whole_list, [1, 2], [1, 2]),
        (FieldReader.number, 3, 3.0),
        (FieldReader.number_list, [1, -0.5], [1.0, -0.5]),
        (FieldReader.number_or_none, None, None),
        (FieldReader.number_or_none, -0.5, -0.5),
        (FieldReader.numbers, {"a": -1}, {"a": -1.0}),
        (FieldReader.positive, 0.5, 0.5),
        (FieldReader.amount, 0, 0.0),
        (FieldReader.amounts, {"a": 0}, {"a": 0.0}),
        (FieldReader.sha256, "0a" * 32, "0a" * 32),
    ],
)
def test_a_field_of_the_right_kind_is_read(read: Read, value: object, expected: object) -> None:
    assert read(FieldReader({"x": value}), "x") == expected


def test_an_optional_field_may_be_missing_or_null_and_nothing_else() -> None:
    reader = FieldReader({"given": 3, "null": None, "wrong": "3"})
    found = [reader.optional(key, reader.whole, None) for key in ("given", "null", "missing")]
    assert found == [3, None, None]
    assert reader.optional("missing", reader.whole, 7) == 7
    with pytest.raises(FieldError, match="^wrong must be a whole number of at least 1, not '3'$"):
        reader.optional("wrong", reader.whole, 7)


@pytest.mark.parametrize(
    ("read", "value", "text"),
    [
        (FieldReader.string, 3, "x must be a text, not 3"),
        (FieldReader.text, "  ", "x must be a text, not '  '"),
        (FieldReader.texts, {"a": 1}, "x.a must be a text, not 1"),
        (FieldReader.text_list, "abc", "x must be a list of texts, not 'abc'"),
        (FieldReader.text_list, ["a", ""], "x must be a list of texts"),
        (FieldReader.flag, 1, "x must be true or false, not 1"),
        (FieldReader.integer, 3.0, "x must be a whole number, not 3.0"),
        (FieldReader.integer, True, "x must be a whole number, not True"),
        (FieldReader.whole, 0, "x must be a whole number of at least 1, not 0"),
        (FieldReader.whole_list, [1, 0], "x must be a list of whole numbers of at least 1"),
        (FieldReader.number, "3", "x must be a number, not '3'"),
        (FieldReader.number, True, "x must be a number, not True"),
        (FieldReader.number, float("inf"), "x must be a number, not inf"),
        (FieldReader.number, float("nan"), "x must be a number, not nan"),
        (FieldReader.number, 10**400, "x must be a number, not 1000"),
        (FieldReader.number_list, [1, None], "x must be a list of numbers, not [1, None]"),
        (FieldReader.number_list, 1, "x must be a list of numbers, not 1"),
        (FieldReader.numbers, ["a"], "x must be an object, not ['a']"),
        (FieldReader.positive, 0, "x must be a number above 0, not 0"),
        (FieldReader.amount, -1, "x must be a number of at least 0, not -1"),
        (FieldReader.sha256, "0A" * 32, "x must be 64 hexadecimal digits"),
        (FieldReader.section, None, "x must be an object, not None"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(read: Read, value: object, text: str) -> None:
    with pytest.raises(FieldError) as caught:
        read(FieldReader({"x": value}), "x")
    assert str(caught.value).startswith(text)
    assert len(str(caught.value)) < 200


def test_a_missing_field_is_named_with_the_way_to_it() -> None:
    reader = FieldReader({"a": {"b": {}}}, "the file of words")
    with pytest.raises(FieldError, match=r"^the file of words\.a\.b\.c is missing$"):
        reader.section("a").section("b").text("c")


@pytest.mark.parametrize("value", [None, [], 3, "text"])
def test_what_is_no_object_is_said_so(value: object) -> None:
    with pytest.raises(FieldError, match="^the content must be an object, not "):
        FieldReader(value)


@dataclass(frozen=True)
class Part:
    size: int
    rate: float = 1.0


@dataclass(frozen=True)
class Whole:
    name: str
    part: Part
    good: bool = True
    other: Part | None = None
    shares: dict[str, float] = field(default_factory=dict)


def test_a_dataclass_is_read_by_its_annotations() -> None:
    values = {"name": "", "part": {"size": 2, "rate": 3}, "good": False, "other": None}
    reader = FieldReader(values | {"shares": {"a": 1, 2: 0.5}})
    expected = Whole("", Part(2, 3.0), False, None, {"a": 1.0, "2": 0.5})
    assert reader.dataclass(Whole, complete=True) == expected
    least = FieldReader({"name": "x", "part": {"size": 2}, "other": {"size": 3}})
    assert least.dataclass(Whole, complete=False) == Whole("x", Part(2), other=Part(3))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"part": {"size": "2"}}, "part.size must be a whole number, not '2'"),
        ({"part": {}}, "part.size is missing"),
        ({"part": {"size": 2, "sise": 3, 4: 5}}, "part.4 is no known field"),
        ({"other": 3}, "other must be an object, not 3"),
        ({"good": None}, "good must be true or false, not None"),
    ],
)
def test_a_field_that_a_dataclass_cannot_take_is_named(
    change: dict[str, object], text: str
) -> None:
    values = {"name": "x", "part": {"size": 2}} | change
    with pytest.raises(FieldError, match=f"^{text}$"):
        FieldReader(values).dataclass(Whole, complete=False)


def test_a_complete_dataclass_has_no_defaults() -> None:
    with pytest.raises(FieldError, match="^part.rate is missing$"):
        FieldReader({"name": "x", "part": {"size": 2}}).dataclass(Whole, complete=True)
