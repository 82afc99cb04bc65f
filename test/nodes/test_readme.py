# SPDX-License-Identifier: Apache-2.0
"""The README's parameter table says what the nodes declare."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from vljepa_ros.nodes.parameter_tables import DESCRIBER, EMBEDDER
from vljepa_ros.nodes.replay import PARAMETERS as REPLAY
from vljepa_ros.nodes.visualizer import PARAMETERS as VISUALIZER

README = Path(__file__).resolve().parents[2] / "README.md"
TABLES = {
    "embedder": EMBEDDER,
    "describer": DESCRIBER,
    "replay": REPLAY,
    "visualizer": VISUALIZER,
}


def rows(node: str) -> dict[str, str]:
    """The README's parameters of a node, name to default as JSON."""
    found = re.findall(rf"^\| `{node}` \| `(\w+)` \| `(.*?)` \|", README.read_text(), re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("node", TABLES)
def test_the_table_lists_each_parameter_with_its_default(node: str) -> None:
    declared = {spec.name: json.dumps(spec.default) for spec in TABLES[node]}
    assert rows(node) == declared
