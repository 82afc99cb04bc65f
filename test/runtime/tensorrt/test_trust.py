# SPDX-License-Identifier: Apache-2.0
"""Engines that somebody else could have written are refused, whatever is in them (fault 22)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from support.plans import CONTENT, IDENTITY, stored
from vljepa_ros.runtime.tensorrt.plan_store import PlanStore
from vljepa_ros.runtime.tensorrt.tensorrt_errors import UntrustedPlan
from vljepa_ros.runtime.tensorrt.trust import Trust


def test_a_folder_of_ones_own_is_trusted(private_folder: Path) -> None:
    store = PlanStore(stored(private_folder / "engines").root)
    assert store.find(IDENTITY).read() == CONTENT
    store.prepare()


def test_a_store_that_is_a_link_to_a_folder_of_ones_own_is_trusted(private_folder: Path) -> None:
    stored(private_folder / "disk")
    (private_folder / "engines").symlink_to(private_folder / "disk")
    assert PlanStore(private_folder / "engines").find(IDENTITY).read() == CONTENT


@pytest.mark.parametrize("sticky", [0, stat.S_ISVTX])
def test_a_shared_folder_is_refused_and_named(tmp_path: Path, sticky: int) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777 | sticky)
    stored(shared / "engines")
    store = PlanStore(shared / "engines")
    for refused in (store.prepare, lambda: store.find(IDENTITY)):
        with pytest.raises(UntrustedPlan, match=f"lies in {shared}, .*VLJEPA_ENGINES"):
            refused()


def test_a_link_into_a_shared_folder_is_refused(private_folder: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    stored(shared / "engines")
    (private_folder / "engines").symlink_to(shared / "engines")
    with pytest.raises(UntrustedPlan, match=f"lies in {shared}"):
        PlanStore(private_folder / "engines").find(IDENTITY)


@pytest.mark.parametrize("others", [stat.S_IWGRP, stat.S_IWOTH])
@pytest.mark.parametrize("name", [".", "KEY", "KEY/model.plan", "KEY/manifest.json"])
def test_what_others_may_write_is_refused(private_folder: Path, name: str, others: int) -> None:
    store = PlanStore(stored(private_folder / "engines").root)
    path = store.root / name.replace("KEY", IDENTITY.key)
    path.chmod(stat.S_IMODE(path.stat().st_mode) | others)
    with pytest.raises(UntrustedPlan, match=r"may be written by others \(mode"):
        store.find(IDENTITY)


@pytest.mark.parametrize("name", ["KEY", "KEY/model.plan", "KEY/manifest.json"])
def test_a_link_elsewhere_is_refused(private_folder: Path, name: str) -> None:
    store = PlanStore(stored(private_folder / "engines").root)
    path = store.root / name.replace("KEY", IDENTITY.key)
    path.rename(private_folder / "elsewhere")
    path.symlink_to(private_folder / "elsewhere")
    with pytest.raises(UntrustedPlan, match="is a link"):
        store.find(IDENTITY)


def test_another_users_engine_is_refused(
    private_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PlanStore(stored(private_folder / "engines").root)
    plan = store.root / IDENTITY.key / "model.plan"
    if os.geteuid() == 0:
        os.chown(plan, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(UntrustedPlan, match=r"belongs to another user \(uid \d+\)"):
        store.find(IDENTITY)


def test_an_engine_that_others_may_write_after_it_was_found_is_refused(
    private_folder: Path,
) -> None:
    store = PlanStore(stored(private_folder / "engines").root)
    plan = store.find(IDENTITY)
    assert plan.path is not None
    plan.path.chmod(0o666)
    with pytest.raises(UntrustedPlan, match="may be written by others"):
        plan.read()


def test_measurements_that_others_may_write_are_not_used(private_folder: Path) -> None:
    store = PlanStore(stored(private_folder / "engines").root)
    store.save_timing_cache(IDENTITY, b"measured")
    assert store.timing_cache(IDENTITY) == b"measured"
    (cache,) = store.root.glob("timing-*.cache")
    cache.chmod(0o666)
    assert store.timing_cache(IDENTITY) == b""


def test_all_of_it_is_taken_where_that_is_explicitly_allowed(tmp_path: Path) -> None:
    stored(tmp_path / "disk")
    for path in (tmp_path / "disk").rglob("*"):
        path.chmod(0o777)
    (tmp_path / "engines").symlink_to(tmp_path / "disk")
    store = PlanStore(tmp_path / "engines", allow_untrusted=True)
    assert store.find(IDENTITY).read() == CONTENT


def test_a_store_is_made_so_that_nobody_else_may_write_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = stored(tmp_path / "engines")
    finally:
        os.umask(before)
    for path in (store.root, *store.root.rglob("*")):
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH), path
    Trust().check_folder(store.root)
