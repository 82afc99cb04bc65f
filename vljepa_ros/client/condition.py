# SPDX-License-Identifier: Apache-2.0
"""What somebody waits for: a state in words, how sure, and for how long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Condition:
    """One of some texts is the state of a query.

    Nothing holds while the describer says nothing, while the images are at fault, and while the
    state is LOST or UNFAMILIAR.

    Attributes:
        texts: The texts, as the describer says them; one is enough.
        query: Name of the query that they answer; empty for any.
        min_score: Least ``StateDescription.score``, 0..1.
        for_s: How long in seconds one of them has to last with that score, on the node's clock.
    """

    texts: tuple[str, ...]
    query: str = ""
    min_score: float = 0.8
    for_s: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what can never hold.

        Raises:
            ValueError: A value cannot be used.
        """
        if not self.texts or not all(self.texts):
            raise ValueError("name at least one text to wait for, and no empty one")
        if not 0.0 <= self.min_score <= 1.0:
            raise ValueError(f"min_score must be from 0 to 1, not {self.min_score:g}")
        if not self.for_s >= 0.0:
            raise ValueError(f"for_s must be a time in seconds, not {self.for_s:g}")

    def __str__(self) -> str:
        """Say the condition to people."""
        texts = " or ".join(repr(text) for text in self.texts)
        query = f" as {self.query}" if self.query else ""
        return f"{texts}{query} at {self.min_score:.2f} or more for {self.for_s:g} s"
