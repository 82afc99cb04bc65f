# SPDX-License-Identifier: Apache-2.0
"""The README's programs run as they stand, and the parameter table says what nodes declare."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.python_program import Program
from support.ros import DEADLINE_S, Bench
from vljepa_msgs.msg import Embedding
from vljepa_msgs.srv import EmbedText
from vljepa_ros.nodes.parameter_tables import (
    DESCRIBER,
    EMBEDDER,
    LIVE_VIEW,
    REPLAY,
    VISUALIZER,
)

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
INTERFACE = ROOT / "docs" / "interface.md"
TABLES = {
    "embedder": EMBEDDER,
    "describer": DESCRIBER,
    "replay": REPLAY,
    "visualizer": VISUALIZER,
    "live_view": LIVE_VIEW,
}


def rows(node: str) -> dict[str, str]:
    """The documented parameters of a node, name to default as JSON."""
    text = INTERFACE.read_text(encoding="utf-8")
    return dict(re.findall(rf"^\| `{node}` \| `(\w+)` \| `(.*?)` \|", text, re.MULTILINE))


def program(heading: str) -> str:
    """The first Python program below a heading of the README."""
    _, _, section = README.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    found = re.search(r"```python\n(.+?)```", section.partition("\n## ")[0], re.DOTALL)
    assert found is not None, heading
    return found[1]


@pytest.mark.parametrize("node", TABLES)
def test_the_table_lists_each_parameter_with_its_default(node: str) -> None:
    declared = {spec.name: json.dumps(spec.default) for spec in TABLES[node]}
    assert rows(node) == declared


def test_the_lines_of_python_say_what_the_readme_says(default_bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program("Five lines of Python")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    printed = re.fullmatch(r"Phrase\(text='(.+)', share=(\S+), cosine=(\S+)\)\n", done.stdout)
    assert printed is not None, done.stdout + done.stderr
    text, share, cosine = printed.groups()
    said = f"`Phrase(text='{text}', share={float(share):.2f}, cosine={float(cosine):.2f})`"
    assert said in README.read_text(encoding="utf-8")


@pytest.fixture
def watch(ros: Bench) -> Iterator[Program]:
    it = Program(program("Your own node"))
    yield it
    it.end()


def test_the_readmes_node_compares_only_what_is_of_one_space(ros: Bench, watch: Program) -> None:
    """It asks for its text when embeddings come, again if that fails, and in each new space."""
    vectors = {"old": [1.0, 0.0], "new": [0.0, 1.0]}
    asked: list[str] = []

    def embed(request: EmbedText.Request, _: EmbedText.Response) -> EmbedText.Response:
        asked.append(request.text)
        if len(asked) == 1:
            return EmbedText.Response(success=False, message="not yet")
        space = message.space_id
        return EmbedText.Response(success=True, space_id=space, data=vectors[space])

    ros.node.create_service(EmbedText, "embedder/embed_text", embed)
    publisher = ros.node.create_publisher(Embedding, "embedder/embedding", 10)
    other = Embedding(query="action", space_id="other", data=[1.0, 0.0])
    message = Embedding(query="object", space_id="old", data=[0.8, 0.6])

    def publish() -> None:
        publisher.publish(other)
        publisher.publish(message)

    timer = ros.node.create_timer(0.02, publish)
    watch.says("open 0.80")
    assert set(asked) == {"the drawer is open"}
    message = Embedding(query="object", space_id="new", data=[0.8, 0.6])
    watch.says("not open 0.60")
    timer.cancel()
