# SPDX-License-Identifier: Apache-2.0
"""What nodes tell is shown once, and never floods the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from vljepa_ros.demo.notices import Notices


def test_every_text_of_a_node_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    notices = Notices(Path("out/nodes"))
    for node, text in [("replay", "a"), ("replay", "a"), ("embedder", "a"), ("replay", "b")]:
        notices.show(node, text)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["replay: a", "embedder: a", "replay: b"]


def test_what_a_warning_says_of_the_log_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    Notices(Path("out")).show("embedder", "refused (logged once; /diagnostics counts 'refused')")
    assert capsys.readouterr().out.strip() == "embedder: refused"


def test_too_much_is_cut_off_and_the_log_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    notices = Notices(Path("out/nodes"))
    for n in range(1000):
        notices.show("replay", f"gap {n}")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 41
    assert "more is in out/nodes" in lines[-1]
