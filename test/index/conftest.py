# SPDX-License-Identifier: Apache-2.0
"""What the tests of the index share."""

from __future__ import annotations

from pathlib import Path

import pytest

from vljepa_ros.commands.main import main


class Vljepa:
    """Runs ``vljepa index`` or ``vljepa search`` in this process."""

    def __init__(self, bundle: Path, store: Path) -> None:
        self.bundle, self.store = bundle, store

    def __call__(self, command: str, *words: object) -> int:
        about = ["--bundle", self.bundle, "--store", self.store]
        workers = ["--workers", 1] if command == "index" and "--workers" not in words else []
        return main([command, *map(str, [*words, *about, *workers])])


@pytest.fixture
def vljepa(colour_bundle: Path, tmp_path: Path) -> Vljepa:
    """With the colour bundle and the store "store"."""
    return Vljepa(colour_bundle, tmp_path / "store")
