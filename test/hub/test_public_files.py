# SPDX-License-Identifier: Apache-2.0
"""Files of public models over HTTP: what comes is complete and right, or does not come."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub", reason="downloads need huggingface_hub")

from huggingface_hub import constants, hf_hub_download

from support.full_disk import full_disk
from support.loopback_hub import LoopbackHub, use_endpoint
from vljepa_ros.hub import servers
from vljepa_ros.hub.catalogue import CatalogueFile, PublicModel, PublicPart
from vljepa_ros.hub.fetch_error import FetchError
from vljepa_ros.hub.public_files import RECORD, PublicFiles

REPO, WEIGHTS, CONFIG = "meta/encoder", bytes(range(256)) * 40, b'{"width": 4}'
HALF = len(WEIGHTS) // 2


def part(name="encoder", **changes):
    files = tuple(CatalogueFile(each, None, None) for each in ("config.json", "weights.bin"))
    made = PublicPart(name, REPO, None, None, files, {})
    return replace(made, **changes)


def public(*parts: PublicPart) -> PublicModel:
    return PublicModel("m", "about", "", "open-vljepa", None, None, None, {}, parts or (part(),))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "downloads"


@pytest.fixture
def stocked(hub: LoopbackHub) -> LoopbackHub:
    hub.repos[REPO] = {"config.json": CONFIG, "weights.bin": WEIGHTS, "unneeded.bin": WEIGHTS}
    return hub


def fetch(here: Path, *parts: PublicPart):
    return PublicFiles(public(*parts), here).fetch()


def test_only_what_is_needed_comes_and_is_compared(stocked: LoopbackHub, here: Path) -> None:
    files = PublicFiles(public(), here)
    assert files.bytes_to_come == len(WEIGHTS) + len(CONFIG)
    records = files.fetch()
    assert (here / "encoder/weights.bin").read_bytes() == WEIGHTS
    assert (here / "encoder/config.json").read_bytes() == CONFIG
    assert not [path for _, path, _ in stocked.asked if "unneeded" in path]
    record = records["encoder/weights.bin"]
    assert record.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert record.revision == stocked.commit(REPO)
    assert {each.compared_with for each in records.values()} == {("the hub",)}
    assert {each.name for each in here.iterdir()} == {"encoder", RECORD}


def test_a_second_fetch_downloads_nothing_and_stays_at_its_revision(
    stocked: LoopbackHub, here: Path
) -> None:
    first = fetch(here)
    stocked.asked.clear()
    files = PublicFiles(public(), here)
    assert files.bytes_to_come == 0
    again = files.fetch()
    assert stocked.bytes_asked("weights.bin") == []
    assert again["encoder/weights.bin"].compared_with == ("the hub", "the earlier fetch")
    assert {each.revision for each in again.values()} == {each.revision for each in first.values()}
    stocked.repos[REPO]["weights.bin"] = WEIGHTS[::-1]  # somebody pushed: another commit
    with pytest.raises(FetchError, match="no such revision any more"):
        fetch(here)


def test_a_transfer_that_breaks_goes_on_where_it_was(stocked: LoopbackHub, here: Path) -> None:
    stocked.broken_after["/cdn/"] = HALF
    fetch(here)
    assert (here / "encoder/weights.bin").read_bytes() == WEIGHTS
    assert stocked.bytes_asked("weights.bin") == [None, f"bytes={HALF}-"]


def test_ctrl_c_keeps_what_has_come(
    stocked: LoopbackHub, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(url, stream, **options):
        stream.write(WEIGHTS[:HALF])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(servers, "http_get", stopped)
        with pytest.raises(KeyboardInterrupt):
            servers.download(servers.hub_file(REPO, "weights.bin", "main"), "weights.bin", here)
    files = PublicFiles(public(), here)
    assert files.bytes_to_come == HALF + len(CONFIG)
    files.fetch()
    assert stocked.bytes_asked("weights.bin") == [f"bytes={HALF}-"]
    assert (here / "encoder/weights.bin").read_bytes() == WEIGHTS


def test_the_rest_of_another_content_is_not_put_behind_it(
    stocked: LoopbackHub, here: Path
) -> None:
    here.mkdir()
    old = servers.hub_file(REPO, "weights.bin", "main")
    servers._part(old, here).write_bytes(WEIGHTS[:HALF])
    stocked.repos[REPO]["weights.bin"] = WEIGHTS[::-1]
    fetch(here)
    assert (here / "encoder/weights.bin").read_bytes() == WEIGHTS[::-1]


def test_a_content_that_is_not_what_the_hub_announced(stocked: LoopbackHub, here: Path) -> None:
    stocked.announced["weights.bin"] = "ab" * 32
    with pytest.raises(FetchError, match="not what it should be: the hub says abababababababab"):
        fetch(here)
    assert not (here / "encoder/weights.bin").exists()
    del stocked.announced["weights.bin"]
    fetch(here)  # and the wrong one does not stay
    assert (here / "encoder/weights.bin").read_bytes() == WEIGHTS


def test_a_small_file_is_compared_with_its_git_hash(stocked: LoopbackHub, here: Path) -> None:
    stocked.announced["config.json"] = "cd" * 20
    with pytest.raises(
        FetchError, match="config.json is not what it should be: the hub says cdcd"
    ):
        fetch(here)


def test_a_hub_that_contradicts_the_catalogue_is_told_before_the_download(
    stocked: LoopbackHub, here: Path
) -> None:
    pinned = part(files=(CatalogueFile("weights.bin", None, "ef" * 32),))
    with pytest.raises(FetchError, match="has changed: the hub announces .* Nothing was downl"):
        PublicFiles(public(pinned), here)
    assert stocked.bytes_asked("weights.bin") == []


def test_a_file_that_was_changed_on_this_disk_is_noticed(stocked: LoopbackHub, here: Path) -> None:
    fetch(here)
    (here / "encoder/weights.bin").write_bytes(WEIGHTS[:-1] + b"x")
    with pytest.raises(FetchError, match="not what it should be"):
        fetch(here)
    fetch(here)
    assert (here / "encoder/weights.bin").read_bytes() == WEIGHTS


def test_the_token_goes_to_the_hub_and_to_nobody_else(
    stocked: LoopbackHub, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked.gated.add(REPO)
    with pytest.raises(FetchError, match="is gated: open .*/meta/encoder, accept the terms"):
        fetch(here)
    monkeypatch.setenv("HF_TOKEN", "secret")
    fetch(here)
    elsewhere = [headers for _, path, headers in stocked.asked if "/cdn/" in path]
    assert elsewhere and all(headers["Authorization"] is None for headers in elsewhere)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"repo": "meta/unknown"}, "no such repository, or it is private"),
        ({"revision": "ab" * 20}, "no such revision any more"),
        ({"files": (CatalogueFile("gone.bin", None, None),)}, "gone.bin is not there"),
    ],
)
def test_what_the_hub_does_not_have(stocked: LoopbackHub, here: Path, change, said) -> None:
    with pytest.raises(FetchError, match=said):
        fetch(here, part(**change))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "log in with"),
        (403, "the server answers 403: log in"),
        (404, "the server answers 404"),
        (429, "too many requests .429.: wait some minutes"),
        (503, "the server answers 503: try again later"),
    ],
)
def test_a_server_that_refuses_the_bytes(stocked: LoopbackHub, here: Path, status, said) -> None:
    stocked.refusals["/cdn/"] = [status] * 40
    with pytest.raises(FetchError, match=said):
        fetch(here)


def test_a_busy_server_is_asked_again(stocked: LoopbackHub, here: Path) -> None:
    stocked.refusals["/cdn/"] = [429]
    fetch(here)
    assert len(stocked.bytes_asked("weights.bin")) == 2


def test_a_fetch_that_goes_on_stays_at_its_revision(stocked: LoopbackHub, here: Path) -> None:
    stocked.refusals["/cdn/"] = [503] * 40
    with pytest.raises(FetchError, match="503"):
        fetch(here)
    stocked.refusals.clear()
    stocked.repos[REPO]["config.json"] = b'{"width": 5}'  # somebody pushed in between
    with pytest.raises(FetchError, match="no such revision any more"):
        fetch(here)


def test_a_full_disk(stocked: LoopbackHub, here: Path) -> None:
    with full_disk(HALF), pytest.raises(OSError, match="File too large"):
        fetch(here)
    fetch(here)
    assert (here / "encoder/weights.bin").read_bytes() == WEIGHTS


def test_without_a_network_the_hubs_cache_is_enough(
    stocked: LoopbackHub, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("config.json", "weights.bin"):
        hf_hub_download(REPO, name, cache_dir=constants.HF_HUB_CACHE, endpoint=stocked.endpoint)
    use_endpoint(monkeypatch, "http://127.0.0.1:9")  # nobody is there
    records = fetch(here)
    assert (here / "encoder/weights.bin").read_bytes() == WEIGHTS
    assert (here / "encoder/weights.bin").is_symlink()  # it is not there twice
    assert records["encoder/weights.bin"].compared_with == ()


def test_without_a_network_and_a_cache(
    stocked: LoopbackHub, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_endpoint(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(
        FetchError, match="config.json cannot be reached .*: check network and proxies"
    ):
        fetch(here)


def test_files_of_an_ordinary_web_server(hub: LoopbackHub, here: Path) -> None:
    hub.web["encoder.pt"] = WEIGHTS
    hub.broken_after["/web/"] = HALF
    file = CatalogueFile("encoder.pt", None, None)
    official = part(repo=None, url=f"{hub.endpoint}/web/", files=(file,))
    records = fetch(here, official)
    assert (here / "encoder/encoder.pt").read_bytes() == WEIGHTS
    assert (
        records["encoder/encoder.pt"].compared_with == ()
    )  # it says no hash, and none is made up
    assert hub.bytes_asked("encoder.pt") == [None, f"bytes={HALF}-"]


def test_a_server_that_sends_more_than_it_announced(hub: LoopbackHub, here: Path) -> None:
    hub.web["encoder.pt"] = WEIGHTS
    remote = replace(servers.web_file(f"{hub.endpoint}/web/encoder.pt"), bytes=HALF)
    with pytest.raises(FetchError, match=f"longer than the {HALF} bytes announced"):
        servers.download(remote, "encoder.pt", here)
    assert sum(each.stat().st_size for each in here.iterdir()) <= HALF


def test_a_damaged_record(stocked: LoopbackHub, here: Path) -> None:
    here.mkdir()
    (here / RECORD).write_text(json.dumps({"encoder/config.json": {"source": 1}}))
    with pytest.raises(FetchError, match="sources.json is damaged .* remove it"):
        fetch(here)
