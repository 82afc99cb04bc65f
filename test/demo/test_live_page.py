# SPDX-License-Identifier: Apache-2.0
"""The demo opens the live view for those who have a screen."""

from __future__ import annotations

import queue
from pathlib import Path
from urllib.request import urlopen

import pytest

pytest.importorskip("rclpy", reason="the live view is a node of ROS 2")

from vljepa_ros.demo.live_page import live_view


def test_the_page_is_opened_once_it_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr("webbrowser.open", opened.put)
    with live_view("/demo", tmp_path, wanted=True), urlopen(opened.get(timeout=60)) as page:
        assert b"vljepa live" in page.read()


def test_nothing_is_started_without_a_screen(tmp_path: Path) -> None:
    with live_view("/demo", tmp_path, wanted=False):
        assert list(tmp_path.iterdir()) == []
