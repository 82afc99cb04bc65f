# SPDX-License-Identifier: Apache-2.0
"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Grade(Enum):
    """How a check ended; the value begins its line."""

    OK = "ok"
    NOTE = "note"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    Attributes:
        check: What was looked at, in a word or two.
        grade: How it ended.
        said: The facts, and the remedy if something is wrong.
    """

    check: str
    grade: Grade
    said: str

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.grade.value:<5} {self.check}: {self.said}"


def fine(check: str, said: str) -> Finding:
    """Return that all is well."""
    return Finding(check, Grade.OK, said)


def note(check: str, said: str) -> Finding:
    """Return what is no fault, and good to know."""
    return Finding(check, Grade.NOTE, said)


def fault(check: str, said: str) -> Finding:
    """Return what is wrong, and what to do."""
    return Finding(check, Grade.FAIL, said)
