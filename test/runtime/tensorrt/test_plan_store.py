# SPDX-License-Identifier: Apache-2.0
"""An engine comes out of the store whole and as it was put in, or not at all (faults 20, 21)."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from support.plan_processes import (
    DEADLINE_S,
    PROCESSES,
    exit_status,
    hold_lock,
    save_on_a_full_disk,
    save_until_killed,
    start,
)
from support.plans import CONTENT, IDENTITY, identity, manifest_of, stored
from vljepa_ros import files
from vljepa_ros.files import OccupiedError
from vljepa_ros.runtime.tensorrt.plan_store import PlanStore, default_store_path
from vljepa_ros.runtime.tensorrt.tensorrt_errors import UnusablePlan


def folder_of(store: PlanStore) -> Path:
    return store.root / IDENTITY.key


def edit_manifest(store: PlanStore, change: Callable[[dict], None]) -> None:
    file = folder_of(store) / "manifest.json"
    fields = json.loads(file.read_text())
    change(fields)
    file.write_text(json.dumps(fields))


def test_what_was_stored_is_found(tmp_path: Path) -> None:
    plan = stored(tmp_path / "engines").find(IDENTITY)
    assert plan.read() == CONTENT
    assert plan.manifest == manifest_of()
    assert plan.path == tmp_path / "engines" / IDENTITY.key / "model.plan"


def test_a_missing_engine_says_how_to_build_one(tmp_path: Path) -> None:
    store = PlanStore(tmp_path / "none", allow_untrusted=True)
    with pytest.raises(UnusablePlan, match="no engine of predictor.*vljepa_ros build_engine"):
        store.find(IDENTITY)


@pytest.mark.parametrize(
    ("field", "value"),
    [("tensorrt", "10.7.0"), ("precision", "fp16"), ("compute_capability", "8.9")],
)
def test_a_missing_engine_says_what_the_nearest_one_is_for(
    tmp_path: Path, field: str, value: str
) -> None:
    store = stored(tmp_path)
    needed = f"{field} {getattr(IDENTITY, field)} instead of {value}"
    with pytest.raises(UnusablePlan, match=f"the nearest one is for {needed}"):
        store.find(identity(**{field: value}))


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "0 bytes, but the manifest says 2097152"),
        (CONTENT[:20], "20 bytes"),
        (CONTENT + b"x", "more bytes"),
        (CONTENT[:-1] + b"x", "sha256"),
        (os.urandom(len(CONTENT)), "sha256"),
    ],
    ids=["empty", "truncated", "longer", "one byte", "random"],
)
def test_a_damaged_engine_is_refused(tmp_path: Path, content: bytes, cause: str) -> None:
    store = stored(tmp_path)
    (folder_of(store) / "model.plan").write_bytes(content)
    with pytest.raises(UnusablePlan, match=f"{cause}.*build it again"):
        store.find(IDENTITY)


def test_an_engine_that_changes_after_it_was_found_is_refused(tmp_path: Path) -> None:
    store = stored(tmp_path)
    plan = store.find(IDENTITY)
    (folder_of(store) / "model.plan").write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(UnusablePlan, match="sha256"):
        plan.read()


@pytest.mark.parametrize("name", ["model.plan", "manifest.json"])
def test_half_an_engine_is_refused(tmp_path: Path, name: str) -> None:
    store = stored(tmp_path)
    (folder_of(store) / name).unlink()
    with pytest.raises(UnusablePlan, match=f"{name}: the file is missing"):
        store.find(IDENTITY)


def test_a_pipe_in_the_place_of_an_engine_holds_nobody_up(tmp_path: Path) -> None:
    store = stored(tmp_path)
    (folder_of(store) / "model.plan").unlink()
    os.mkfifo(folder_of(store) / "model.plan")
    with pytest.raises(UnusablePlan, match="not a regular file"):
        store.find(IDENTITY)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda m: m["identity"].update(tensorrt="10.7.0"), "tensorrt 10.7.0 instead of 10.3.0"),
        (lambda m: m["identity"].update(device="Thor"), "device Thor instead of Orin with 8"),
        (lambda m: m["identity"].update(space_id="x"), "space_id x instead of colour-1"),
        (lambda m: m["identity"].update(more="x"), "identity: "),
        (lambda m: m["identity"].pop("cuda"), "identity: "),
        (lambda m: m.update(format=1), "format 1"),
        (lambda m: m.update(plan_sha256="f" * 64), "sha256"),
        (lambda m: m.update(plan_bytes=10**30), "bytes"),
        (lambda m: m.update(parity="good"), "parity must be a number"),
        (lambda m: m["inputs"].update(x={"dtype": "FLOAT", "shape": [0.5]}), "inputs.x.shape"),
        (lambda m: m["outputs"].update(x=3), "outputs.x must be"),
    ],
)
def test_an_edited_manifest_is_refused(
    tmp_path: Path, change: Callable[[dict], None], cause: str
) -> None:
    store = stored(tmp_path)
    edit_manifest(store, change)
    with pytest.raises(UnusablePlan, match=cause):
        store.find(IDENTITY)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"[" * 100_000])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    store = stored(tmp_path)
    (folder_of(store) / "manifest.json").write_bytes(content)
    with pytest.raises(UnusablePlan, match=r"manifest.json: .*build it again"):
        store.find(IDENTITY)


def test_a_new_engine_takes_the_place_of_a_damaged_one(tmp_path: Path) -> None:
    store = stored(tmp_path)
    (folder_of(store) / "model.plan").write_bytes(b"")
    store.save(manifest_of(b"new"), b"new")
    assert store.find(IDENTITY).read() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == [IDENTITY.key]


def test_something_else_in_the_place_of_an_engine_is_not_removed(tmp_path: Path) -> None:
    store = stored(tmp_path)
    (folder_of(store) / "thesis.tex").touch()
    with pytest.raises(OccupiedError, match="is a stored engine, but it also holds thesis.tex"):
        store.save(manifest_of(b"new"), b"new")
    assert store.find(IDENTITY).read() == CONTENT


def test_the_parity_is_noted_beside_the_engine(tmp_path: Path) -> None:
    store = stored(tmp_path)
    store.record_parity(store.find(IDENTITY), 0.9995)
    plan = store.find(IDENTITY)
    assert plan.manifest.parity == 0.9995
    assert plan.read() == CONTENT


def test_measurements_are_kept_per_machine(tmp_path: Path) -> None:
    store = stored(tmp_path)
    assert store.timing_cache(IDENTITY) == b""
    store.save_timing_cache(IDENTITY, b"measured")
    assert store.timing_cache(identity(graph="x_encoder")) == b"measured"
    assert store.timing_cache(identity(tensorrt="10.7.0")) == b""


def test_the_store_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLJEPA_ENGINES", "~/somewhere")
    assert default_store_path() == Path.home() / "somewhere"
    monkeypatch.delenv("VLJEPA_ENGINES")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_store_path() == Path.home() / ".cache/vljepa_ros/engines"


def test_a_full_disk_leaves_the_old_engine_and_nothing_else(tmp_path: Path) -> None:
    store = stored(tmp_path, b"old")
    assert exit_status(save_on_a_full_disk, tmp_path) == 3
    assert_only_engine(store, b"old")


def test_a_kill_at_any_moment_leaves_a_whole_engine_or_none(tmp_path: Path) -> None:
    """A process that saves is killed before each of its changes to the disk, in turn."""
    store, kills = stored(tmp_path, b"old"), 0
    while (status := exit_status(save_until_killed, tmp_path, kills)) != 0:
        assert status == -signal.SIGKILL
        assert_whole_or_missing(store)
        store.save(manifest_of(b"old"), b"old")
        assert_only_engine(store, b"old")
        kills += 1
    assert kills >= 6  # at least: folder, two files, both renames, the old folder
    assert_only_engine(store, CONTENT)


def test_an_engine_is_on_the_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut takes what was not flushed, which no killed process shows."""
    flushed = []

    def note(descriptor: int) -> None:
        file = Path(os.readlink(f"/proc/self/fd/{descriptor}")).relative_to(tmp_path)
        flushed.append((file.suffix, file.name, (tmp_path / IDENTITY.key).exists()))

    monkeypatch.setattr(os, "fsync", note)
    PlanStore(tmp_path, allow_untrusted=True).save(manifest_of(), CONTENT)
    *files, (suffix, _, there), named = flushed
    assert files == [(".json", "manifest.json", False), (".plan", "model.plan", False)]
    assert (suffix, there) == (".part", False)
    assert named == ("", "", True)


def assert_whole_or_missing(store: PlanStore) -> None:
    try:
        assert store.find(IDENTITY).read() in (b"old", CONTENT)
    except UnusablePlan as error:
        assert "there is no engine" in str(error)


def assert_only_engine(store: PlanStore, content: bytes) -> None:
    assert store.find(IDENTITY).read() == content
    assert [path.name for path in store.root.iterdir()] == [IDENTITY.key]


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    held, waited = PROCESSES.Event(), []
    process = start(hold_lock, tmp_path / "lock", held)
    assert held.wait(DEADLINE_S)

    def kill() -> None:
        waited.append(True)
        process.kill()

    with files.locked(tmp_path / "lock", waiting=kill):
        assert waited == [True]
    process.join(DEADLINE_S)
