# SPDX-License-Identifier: Apache-2.0
"""What a layout calls the parameters of a stack of blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """Our names and a layout's, without the endings ``weight`` and ``bias``.

    Attributes:
        block: the layout's name of a block, before its number.
        inside: what lies in a block. Some of our parameters are several of the layout's.
        around: what lies around the blocks.
        first: the layout's number of our block 0.
    """

    block: str
    inside: Mapping[str, tuple[str, ...]]
    around: Mapping[str, str]
    first: int = 0

    def of(self, parameter: str) -> list[str]:
        """Return what the layout calls a parameter."""
        owner, _, kind = parameter.rpartition(".")
        if not owner.startswith("blocks."):
            return [f"{self.around[owner]}.{kind}"] if owner else [self.around[kind]]
        _, number, name = owner.split(".", 2)
        block = f"{self.block}.{int(number) + self.first}"
        return [f"{block}.{theirs}.{kind}" for theirs in self.inside[name]]
