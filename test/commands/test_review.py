# SPDX-License-Identifier: Apache-2.0
"""``vljepa review`` from the command line."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import lancedb
import pyarrow as pa
import pytest

from support.review_site import small_review
from vljepa_ros.commands.main import main
from vljepa_ros.index import tables

ROOT = Path(__file__).resolve().parents[2]


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    status = main(["review", *map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out + printed.err


def test_it_serves_until_ctrl_c(tmp_path: Path, colour_bundle: Path) -> None:
    store = small_review(tmp_path, colour_bundle)
    command = [
        sys.executable,
        "-m",
        "vljepa_ros",
        "review",
        "--store",
        store.folder,
        "--port",
        "0",
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as review:
        assert review.stdout is not None
        address = review.stdout.readline().strip()
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert b"vljepa review" in answer.read()
        review.send_signal(signal.SIGINT)
        assert review.wait(timeout=30) == 130


def test_a_page_is_exported(
    tmp_path: Path, colour_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, page = small_review(tmp_path, colour_bundle), tmp_path / "page.html"
    status, text = said(capsys, "--store", store.folder, "--export", page)
    assert (status, text) == (0, f"{page} is written\n")
    assert page.stat().st_size > 10_000
    status, text = said(capsys, "--store", store.folder, "--export", page, "--recording", "nobody")
    assert status == 1
    assert "nobody" in text


def test_a_folder_without_an_index_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = said(capsys, "--store", tmp_path)
    assert status == 1
    assert "vljepa index" in text


def test_a_store_of_a_later_release_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = pa.schema([("id", pa.string())], metadata={tables.FORMAT_KEY: b"999"})
    lancedb.connect(tmp_path).create_table(tables.RECORDINGS, schema=schema)
    status, text = said(capsys, "--store", tmp_path)
    assert status == 1
    assert "later release" in text


def test_a_store_elsewhere_cannot_take_corrections(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "vljepa_ros.commands.review.Store.open", lambda location: _Elsewhere(location)
    )
    status, text = said(capsys, "--store", "s3://bucket/index")
    assert status == 1
    assert "copy the store here" in text


class _Elsewhere:
    """A store at an address, which a test cannot reach."""

    folder = None

    def __init__(self, location: str) -> None:
        self.location = location
