# SPDX-License-Identifier: Apache-2.0
"""Files of the package are found in the checkout, else where the package is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from vljepa_ros import shipped


def test_the_checkout_comes_before_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout, prefix = tmp_path / "checkout", tmp_path / "install"
    monkeypatch.setattr(shipped, "__file__", str(checkout / "vljepa_ros" / "shipped.py"))
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'other'}:{prefix}")
    assert shipped.shipped("demo/a.txt") == checkout / "demo/a.txt"  # nowhere: the first place

    installed = prefix / "share" / "vljepa_ros" / "demo" / "a.txt"
    installed.parent.mkdir(parents=True)
    installed.touch()
    assert shipped.shipped("demo/a.txt") == installed

    own = checkout / "demo" / "a.txt"
    own.parent.mkdir(parents=True)
    own.touch()
    assert shipped.shipped("demo/a.txt") == own
