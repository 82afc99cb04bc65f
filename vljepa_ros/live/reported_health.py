# SPDX-License-Identifier: Apache-2.0
"""What a node last said of itself on ``/diagnostics``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_SILENT_S = 3.0  # without a report, of which there is one per second


@dataclass(frozen=True)
class ReportedHealth:
    """One report.

    Attributes:
        node: full name of the node.
        level: ok, warn, error or stale.
        told: what is wrong, each with ``seen``, ``why`` and ``remedy``.
        heard_s: when it came, on the monotonic clock.
    """

    node: str
    level: str
    told: Sequence[Mapping[str, str]]
    heard_s: float = field(default_factory=time.monotonic)

    def shown(self) -> dict[str, Any]:
        """Return it for the page; a node that reports nothing any more is silent."""
        silent_s = time.monotonic() - self.heard_s
        silent = silent_s > _SILENT_S
        return {
            "node": self.node,
            "level": "silent" if silent else self.level,
            "told": [] if self.level == "ok" else list(self.told),
            "silent": silent_s if silent else None,
        }
