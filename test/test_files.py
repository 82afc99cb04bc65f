# SPDX-License-Identifier: Apache-2.0
"""Files and folders appear whole or not at all, and nothing of a user's is ever replaced."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from support.sudden_death import die_before_change
from vljepa_ros.files import (
    FolderKind,
    OccupiedError,
    check_replaceable,
    is_temporary,
    new_file,
    new_folder,
)


def parts(folder: Path) -> Sequence[str]:
    """Return what a pantry may hold: the list says it."""
    try:
        return (*json.loads((folder / "list.json").read_text()), "list.json")
    except (OSError, ValueError):
        return ()


PANTRY = FolderKind("pantry", parts)


def fill(folder: Path, **goods: str) -> Path:
    """Write a pantry that holds these goods; "__" in a name begins a folder in it."""
    with new_folder(folder, PANTRY) as part:
        names = {name: name.replace("__", "/") for name in goods}
        for name, content in goods.items():
            (part / names[name]).parent.mkdir(exist_ok=True)
            (part / names[name]).write_text(content)
        (part / "list.json").write_text(json.dumps([*names.values()]))
    return folder


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def write(file: Path, content: bytes = b"new") -> None:
    with new_file(file) as stream:
        stream.write(content)


def in_a_process(work: Callable[[], object]) -> int:
    """Do ``work`` in a child process and return its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Files


def test_a_new_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"old")
    with new_file(file) as stream:
        stream.write(b"new")
        stream.flush()
        assert file.read_bytes() == b"old"
        assert [is_temporary(path) for path in tmp_path.iterdir()].count(True) == 1
    assert file.read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "a", b"old")
    with pytest.raises(ZeroDivisionError), new_file(tmp_path / "a") as stream:
        stream.write(b"half")
        raise ZeroDivisionError
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def full_disk(_descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_old_file_and_folder_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a", b"old")
    fill(tmp_path / "pantry", rice="old")
    monkeypatch.setattr(os, "fsync", full_disk)
    for path, begin in (
        (tmp_path / "a", lambda: write(tmp_path / "a")),
        (tmp_path / "pantry", lambda: fill(tmp_path / "pantry", rice="new")),
    ):
        with pytest.raises(OSError, match="No space left") as caught:
            begin()
        assert caught.value.filename == str(path)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert contents(tmp_path / "pantry")["rice"] == "old"
    assert names(tmp_path) == ["a", "pantry"]


def test_a_file_is_on_the_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append((tmp_path / "a").exists()))
    write(tmp_path / "a")
    assert seen == [False, True]  # the file, and then the folder with its name


def test_several_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    with new_file(tmp_path / "a") as first, new_file(tmp_path / "a") as second:
        first.write(b"first")
        second.write(b"second")
    assert (tmp_path / "a").read_bytes() == b"first"  # it ended last
    assert names(tmp_path) == ["a"]


def test_a_link_to_a_file_stays_and_leads_to_the_new_one(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "disk" / "b")
    write(tmp_path / "a")  # the link leads to nothing yet
    write(tmp_path / "a", b"newer")
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "disk" / "b").read_bytes() == b"newer"
    assert names(tmp_path / "disk") == ["b"]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_not_replaced_by_one(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "a")
    with pytest.raises(OccupiedError, match="a is no regular file"):
        write(tmp_path / "a")
    assert names(tmp_path) == ["a"]


def test_a_missing_folder_is_named_as_it_was_given(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing/a'$"):
        write(tmp_path / "missing" / "a")


def test_a_file_may_be_read_by_all_and_written_by_its_owner(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write(tmp_path / "a")
        fill(tmp_path / "pantry", rice="")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in sorted(tmp_path.rglob("*"))]
    assert modes == [0o644, 0o755, 0o644, 0o644]


def test_what_a_killed_writer_left_is_removed_and_what_is_being_written_is_not(
    tmp_path: Path,
) -> None:
    def die() -> None:
        with new_file(tmp_path / "a"):
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_a_process(die) == -signal.SIGKILL
    (left,) = names(tmp_path)
    with new_file(tmp_path / "a") as stream:
        stream.write(b"slow")
        write(tmp_path / "a", b"fast")
        assert left not in names(tmp_path)
        assert len(names(tmp_path)) == 2
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"slow"


def test_files_of_similar_names_are_left_alone(tmp_path: Path) -> None:
    similar = [".a.part", ".a.0123456789abcdef.part.txt", ".ab.0123456789abcdef.part", "a.part"]
    for name in similar:
        (tmp_path / name).touch()
    write(tmp_path / "a")
    fill(tmp_path / "a2")
    assert names(tmp_path) == sorted([*similar, "a", "a2"])


# Folders


def test_a_folder_appears_when_it_is_whole_with_the_folders_above_it(tmp_path: Path) -> None:
    folder = tmp_path / "above" / "pantry"
    with new_folder(folder, PANTRY) as part:
        (part / "rice").write_text("1 kg")
        assert not folder.exists()
    assert contents(folder) == {"rice": "1 kg"}
    assert names(tmp_path / "above") == ["pantry"]


def test_the_same_kind_is_replaced_as_a_whole(tmp_path: Path) -> None:
    fill(tmp_path / "pantry", rice="old", cellar__wine="red")
    fill(tmp_path / "pantry", beans="new")
    assert contents(tmp_path / "pantry") == {"beans": "new", "list.json": '["beans"]'}
    assert names(tmp_path) == ["pantry"]


def test_an_empty_folder_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "pantry").mkdir()
    fill(tmp_path / "pantry", rice="1 kg")
    assert names(tmp_path) == ["pantry"]


@pytest.mark.parametrize("above", ["", "above/"])
def test_a_writer_that_fails_leaves_what_was_there(tmp_path: Path, above: str) -> None:
    fill(tmp_path / "kept", rice="old")
    for folder in ("kept", f"{above}new"):
        with pytest.raises(ZeroDivisionError), new_folder(tmp_path / folder, PANTRY) as part:
            (part / "rice").write_text("half")
            raise ZeroDivisionError
    assert contents(tmp_path / "kept")["rice"] == "old"
    assert names(tmp_path) == ["kept"]


def refused(folder: Path, text: str) -> None:
    """Check that the folder is refused, by the check and by the writer."""
    with pytest.raises(OccupiedError, match=text):
        check_replaceable(folder, PANTRY)
    with pytest.raises(OccupiedError, match=text):
        fill(folder, rice="new")


def test_a_folder_of_something_else_is_refused_and_its_content_named(tmp_path: Path) -> None:
    for name in ("thesis.tex", "run.bag", "b.txt", "c.txt", "d.txt", "e.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "photos").mkdir()
    before = contents(tmp_path)
    refused(tmp_path, "is no pantry, it holds photos/, b.txt, c.txt, d.txt and 3 more")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["thesis.tex", ".git", "cellar/thesis.tex", "rice.txt"])
def test_a_stranger_in_a_folder_of_the_kind_is_named_and_stays(tmp_path: Path, name: str) -> None:
    folder = fill(tmp_path / "pantry", rice="old", cellar__wine="red")
    (folder / name).write_text("years of work")
    refused(folder, f"is a pantry, but it also holds {name}")
    assert (folder / name).read_text() == "years of work"
    assert (folder / "rice").read_text() == "old"
    assert names(tmp_path) == ["pantry"]


def test_a_stranger_that_comes_while_the_new_one_is_written_stays(tmp_path: Path) -> None:
    folder = fill(tmp_path / "pantry", rice="old")
    with (
        pytest.raises(OccupiedError, match="also holds thesis.tex"),
        new_folder(folder, PANTRY),
    ):
        (folder / "thesis.tex").touch()
    assert names(folder) == ["list.json", "rice", "thesis.tex"]
    assert names(tmp_path) == ["pantry"]


@pytest.mark.parametrize("name", ["rice", "cellar", "photos"])
def test_a_link_to_a_folder_inside_is_a_stranger_and_not_followed(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "wine").write_text("mine")
    folder = fill(tmp_path / "pantry", rice="old", cellar__wine="red")
    if (folder / name).exists():
        (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "mine")
    refused(folder, f"also holds {name}/")
    assert (tmp_path / "mine" / "wine").read_text() == "mine"


def test_links_to_files_go_and_the_files_stay(tmp_path: Path) -> None:
    """A build tool may install nothing but links."""
    source = fill(tmp_path / "source", rice="mine")
    (tmp_path / "pantry").mkdir()
    for file in source.iterdir():
        (tmp_path / "pantry" / file.name).symlink_to(file)
    fill(tmp_path / "pantry", rice="new")
    assert contents(source)["rice"] == "mine"
    assert contents(tmp_path / "pantry")["rice"] == "new"


@pytest.mark.parametrize("make", [Path.touch, os.mkfifo])
def test_what_is_no_folder_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "pantry")
    refused(tmp_path / "pantry", "pantry is no folder, and a pantry is one")


def test_a_link_to_a_folder_stays_and_leads_to_the_new_one(tmp_path: Path) -> None:
    fill(tmp_path / "disk" / "v1", rice="old")
    (tmp_path / "latest").symlink_to("disk/v1")
    fill(tmp_path / "latest", rice="new")
    assert (tmp_path / "latest").is_symlink()
    assert contents(tmp_path / "disk" / "v1")["rice"] == "new"
    assert names(tmp_path / "disk") == ["v1"]


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pantry").symlink_to("pantry")
    refused(tmp_path / "pantry", "is no folder")


@pytest.mark.parametrize("where", [".", "..", "../pantry", "empty/.."])
def test_the_folder_that_one_works_in_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    folder = fill(tmp_path / "pantry", rice="old")
    (folder / "empty").mkdir()
    monkeypatch.chdir(folder)
    refused(Path(where), "is the folder that you work in, or one above it")


@pytest.mark.parametrize("place", ["/", "/proc", "/dev/shm"])
def test_where_a_disk_begins_is_refused(place: str) -> None:
    if not Path(place).is_mount():
        pytest.skip(f"nothing is mounted at {place} here")
    refused(Path(place), "is where a disk begins.*name a folder in it")


def test_a_file_above_the_place_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        fill(tmp_path / "file" / "pantry")
    assert names(tmp_path) == ["file"]


def as_nobody(work: Callable[[], object]) -> None:
    if os.geteuid() == 0:  # whom nothing is forbidden
        os.setgid(65534)
        os.setuid(65534)
    work()


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """Return a folder that another user reaches, with a pantry in it."""
    for folder in (tmp_path, *tmp_path.parents):
        if stat.S_IMODE(folder.stat().st_mode) == 0o700:  # pytest's own are closed to others
            folder.chmod(0o755)
    (tmp_path / "own").mkdir()
    (tmp_path / "own").chmod(0o777)
    fill(tmp_path / "own" / "pantry", rice="old")
    return tmp_path / "own"


def test_a_folder_that_may_not_be_changed_is_refused(open_folder: Path) -> None:
    (open_folder / "pantry").chmod(0o555)

    def work() -> None:
        refused(open_folder / "pantry", "may not be changed.*: check its permissions")

    assert in_a_process(lambda: as_nobody(work)) == 0
    assert contents(open_folder / "pantry")["rice"] == "old"


def test_a_place_that_may_not_be_written_is_named(open_folder: Path) -> None:
    open_folder.chmod(0o555)

    def work() -> None:
        with pytest.raises(PermissionError, match="own/new'$"):
            fill(open_folder / "new")
        with pytest.raises(PermissionError, match="own/file'$"):
            write(open_folder / "file")

    assert in_a_process(lambda: as_nobody(work)) == 0
    assert names(open_folder) == ["pantry"]


def killed_replacing(folder: Path, change: int) -> bool:
    """Replace a pantry and be killed before a change; return whether there was one so late."""

    def work() -> None:
        die_before_change(change)
        fill(folder, beans="new")

    status = in_a_process(work)
    assert status in (0, -signal.SIGKILL)
    return status != 0


def test_a_kill_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    """The old or the new folder has the name, or the next writer puts the old one back."""
    folder, kills = fill(tmp_path / "pantry", rice="old", cellar__wine="red"), 0
    old = contents(folder)
    while killed_replacing(folder, kills):
        with pytest.raises(ZeroDivisionError), new_folder(folder, PANTRY):
            raise ZeroDivisionError
        assert contents(folder) in (old, {"beans": "new", "list.json": '["beans"]'})
        assert names(tmp_path) == ["pantry"]
        fill(folder, rice="old", cellar__wine="red")
        kills += 1
    assert kills >= 8  # at least: folder, two files, both renames, two old files, the old folder
    assert names(tmp_path) == ["pantry"]


def test_a_stranger_in_what_a_killed_writer_left_stays(tmp_path: Path) -> None:
    fill(tmp_path / "pantry", rice="new")
    fill(tmp_path / "left", rice="old")
    left = (tmp_path / "left").rename(tmp_path / ".pantry.0123456789abcdef.old")
    (left / "thesis.tex").touch()
    fill(tmp_path / "pantry", rice="newer")
    assert names(left) == ["list.json", "rice", "thesis.tex"]


def test_a_rename_that_fails_puts_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(tmp_path / "pantry", rice="old")
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.suffix == ".part":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="No space left"):
        fill(folder, rice="new")
    assert contents(folder)["rice"] == "old"
    assert names(tmp_path) == ["pantry"]


def test_many_writers_leave_one_whole_folder(tmp_path: Path) -> None:
    folder, failed = tmp_path / "pantry", []

    def work(number: int) -> None:
        try:
            for _ in range(10):
                fill(folder, **{f"good{number}": str(number), "same": str(number)})
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    number = contents(folder)["same"]
    assert set(contents(folder)) == {f"good{number}", "same", "list.json"}
    assert names(tmp_path) == ["pantry"]
