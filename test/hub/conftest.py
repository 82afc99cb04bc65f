# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a hub on loopback, and nobody's caches and tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.loopback_hub import LoopbackHub, loopback_hub, use_endpoint


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A hub that huggingface_hub takes for the real one. It reads 1 kB at a time and never waits."""
    pytest.importorskip("huggingface_hub", reason="downloads need huggingface_hub")
    from huggingface_hub import constants

    with loopback_hub() as hub:
        use_endpoint(monkeypatch, hub.endpoint)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1024)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no_token"))
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub
