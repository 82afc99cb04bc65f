# SPDX-License-Identifier: Apache-2.0
"""Embedder and describer in one process, with one executor: one interpreter less on a small robot.

Both are the nodes that also run alone, with the same names, topics and parameters.
"""

from __future__ import annotations

import sys

from vljepa_ros.nodes.common.run import run
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder


def main() -> int:
    """Run the nodes."""
    return run(Embedder, Describer)


if __name__ == "__main__":
    sys.exit(main())
