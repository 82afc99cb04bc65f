# SPDX-License-Identifier: Apache-2.0
"""What the tests of the index share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vljepa_ros.commands.main import main

Vljepa = Callable[..., int]


@pytest.fixture
def vljepa(colour_bundle: Path, tmp_path: Path) -> Vljepa:
    """Runs ``vljepa index`` or ``vljepa search`` with the colour bundle and the store "store"."""

    def run(command: str, *words: object) -> int:
        about = ["--bundle", colour_bundle, "--store", tmp_path / "store"]
        workers = ["--workers", 1] if command == "index" and "--workers" not in words else []
        return main([command, *map(str, [*words, *about, *workers])])

    return run
