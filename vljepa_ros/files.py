# SPDX-License-Identifier: Apache-2.0
"""Files and folders that appear whole or not at all, and never take the place of a stranger's.

A new file or folder is written beside its place, under a name such as
``.bundle.0123456789abcdef.part``, and gets its own name when all of it is on the disk. Its writer
holds a lock on it, so that the next writer knows what a killed one left behind, and removes that.

A folder cannot be replaced in one step. The old one is renamed (``.bundle.0123456789abcdef.old``),
the new one gets the name, and then the old one goes, file by file, only what is known to be ours.
If the program dies in between, the next writer puts the old one back.

Links are followed: what they lead to is replaced, and the link stays.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

_FOLDER_MODE, _FILE_MODE = 0o755, 0o644  # everybody may read, only the owner may write
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.(part|old)", re.DOTALL)
_SHOWN = 4  # names in a refusal


class OccupiedError(FileExistsError):
    """The place is taken by something that must not be replaced; the text names it."""


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder that is written, and replaced, as a whole.

    Attributes:
        name: what a user calls it, such as "bundle".
        parts: given a folder, returns the names of all files that it may hold, relative and with
            "/"; the file that tells the kind comes last. Returns nothing if the folder is of
            another kind. Never raises.
    """

    name: str
    parts: Callable[[Path], Sequence[str]]


@contextmanager
def new_file(file: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the place of an older one when the block ends well.

    Several writers do not disturb each other; the last one to end wins.

    Raises:
        OccupiedError: something that is no regular file has the name.
        OSError: it cannot be written; nothing is left behind and an older file stays. The error
            names the file, if the block's own does not name another.
    """
    target = _followed(file)
    if target.exists() and not target.is_file():
        raise OccupiedError(f"{file} is no regular file, so it is not replaced by one")
    _remove_abandoned(target)
    with _errors_name(file), ExitStack() as undo:
        part, descriptor = _begin(file, target, _make_file, os.O_RDWR)
        undo.callback(part.unlink, missing_ok=True)
        stream = undo.enter_context(os.fdopen(descriptor, "wb"))
        yield stream
        stream.flush()
        os.fsync(descriptor)
        part.replace(target)
        _sync_folder(target.parent)


@contextmanager
def new_folder(folder: Path, kind: FolderKind) -> Iterator[Path]:
    """Yield an empty folder that takes the place of an older one when the block ends well.

    Folders above it are made. All files in it get the same rights.

    Raises:
        OccupiedError: the place is taken by something other than a folder of this kind.
        OSError: it cannot be written; nothing is left behind and an older folder stays. The error
            names the folder, if the block's own does not name a file.
    """
    target = _followed(folder)
    _put_back(target, kind)
    check_replaceable(folder, kind)
    _remove_abandoned(target)
    with _errors_name(folder), ExitStack() as undo:
        undo.callback(_remove_empty, [one for one in target.parents if not one.exists()])
        target.parent.mkdir(parents=True, exist_ok=True)
        part, descriptor = _begin(folder, target, _make_folder, os.O_RDONLY | os.O_DIRECTORY)
        undo.callback(os.close, descriptor)
        undo.callback(shutil.rmtree, part, ignore_errors=True)
        yield part
        _sync_tree(part)
        _take_place(part, folder, target, kind)


def check_replaceable(folder: Path, kind: FolderKind) -> None:
    """Check that a folder of this kind may be written here; call it before a long computation.

    The place is free, an empty folder, or a folder with nothing but files of this kind.

    Raises:
        OccupiedError: it is something else; the text names what was found.
    """
    refusal = _refusal(_followed(folder), kind)
    if refusal is not None:
        found, advice = refusal
        raise OccupiedError(f"{folder} {found}. Nothing was changed: {advice}")


def is_temporary(path: Path) -> bool:
    """Whether a file or folder has the name of one that is being written or removed."""
    return _TEMPORARY.fullmatch(path.name) is not None


@contextmanager
def locked(file: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a lock that ends with the process at the latest, however that ends.

    Args:
        file: is made, and stays: who removed it would let two processes in.
        waiting: called once if another process holds it.

    Raises:
        OSError: the file cannot be made.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(file, flags, _FILE_MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _errors_name(path: Path) -> Iterator[None]:
    """Let an error of writing name what was written; a full disk alone names nothing."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.strerror is not None:
            error.filename = str(path)
        raise


def _followed(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _refusal(target: Path, kind: FolderKind) -> tuple[str, str] | None:
    """Return why this place may not be taken and what to do, or None if it may."""
    while True:
        before = _inode(target)
        if before is None:
            return None
        with suppress(FileNotFoundError):
            refusal = _obstacle(target, kind.name) or _strange(target, kind)
            if refusal is None or _inode(target) == before:
                return refusal
        # another writer exchanged the folder while we looked


def _obstacle(target: Path, kind: str) -> tuple[str, str] | None:
    """Return why nothing may take this place, whatever lies in it, or None."""
    if not target.is_dir():
        return f"is no folder, and a {kind} is one", "choose another name"
    if target.is_mount():
        return f"is where a disk begins and cannot become a {kind}", "name a folder in it"
    if _working_folder().is_relative_to(target):
        return "is the folder that you work in, or one above it", "name a folder in it"
    if not os.access(target, os.R_OK | os.W_OK | os.X_OK):
        return "may not be changed", "check its permissions"
    return None


def _strange(target: Path, kind: FolderKind) -> tuple[str, str] | None:
    """Return what a folder holds that one of this kind does not, or None."""
    parts = kind.parts(target)
    names = [*_strangers(target, parts)]
    if not names:
        return None
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    found = ", ".join(names[:_SHOWN]) + more
    if parts and (target / parts[-1]).exists():
        what = f"is a {kind.name}, but it also holds {found}"
        return what, "move that out of it, or name another folder"
    return f"is no {kind.name}, it holds {found}", "name another folder"


def _strangers(target: Path, parts: Sequence[str]) -> Iterator[str]:
    """Yield what a folder holds beside ``parts``; of a strange folder only its name."""
    above = {str(parent) for name in parts for parent in PurePosixPath(name).parents}
    for path, folders, files in os.walk(target, onerror=_raise):
        here = PurePosixPath(Path(path).relative_to(target).as_posix())
        known = [n for n in folders if str(here / n) in above and not Path(path, n).is_symlink()]
        yield from sorted(f"{here / name}/" for name in folders if name not in known)
        yield from sorted(
            str(here / name)
            for name in files
            if str(here / name) not in parts and not is_temporary(Path(name))
        )
        folders[:] = known


def _raise(error: OSError) -> None:
    raise error


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:  # somebody removed it
        return Path("/")


def _take_place(part: Path, folder: Path, target: Path, kind: FolderKind) -> None:
    replaced = []
    while True:
        check_replaceable(folder, kind)  # it may have changed since
        old = _move_away(target)
        replaced += [] if old is None else [old]
        try:
            part.rename(target)
            break
        except OSError as error:
            if old is not None and not os.path.lexists(target):
                old.rename(target)
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            # another writer was faster, and now its folder is the old one
    _sync_folder(target.parent)
    for old in replaced:
        _remove(old, kind)


def _move_away(target: Path) -> Path | None:
    old = _temporary(target, "old")
    try:
        target.rename(old)
    except FileNotFoundError:
        return None
    return old


def _put_back(target: Path, kind: FolderKind) -> None:
    """Undo what a killed writer left half done; finish what it left nearly done."""
    for old in sorted(_left_behind(target, "old"), key=_changed, reverse=True):
        if os.path.lexists(target):
            _remove(old, kind)
        else:
            with suppress(OSError):  # another writer does the same
                old.rename(target)


def _remove(old: Path, kind: FolderKind) -> None:
    """Remove a folder that was replaced, unless something strange lies in it by now."""
    with suppress(OSError):
        parts = kind.parts(old)
        if any(_strangers(old, parts)):
            return
        for here, _, files in os.walk(old, topdown=False):
            for file in (Path(here, name) for name in files):
                if is_temporary(file) or file.relative_to(old).as_posix() in parts[:-1]:
                    file.unlink(missing_ok=True)
            if here != str(old):
                os.rmdir(here)
        for part in parts[-1:]:  # it tells the kind, should we be killed before
            (old / part).unlink(missing_ok=True)
        old.rmdir()


def _changed(path: Path) -> float:
    with suppress(OSError):
        return path.lstat().st_ctime
    return 0.0


def _begin(
    wanted: Path, target: Path, make: Callable[[Path], None], flags: int
) -> tuple[Path, int]:
    """Make a file or folder beside ``target`` and open it with a lock on it.

    Raises:
        OSError: it cannot be made; the error names ``wanted``.
    """
    while True:
        part = _temporary(target, "part")
        try:
            make(part)
        except OSError as error:
            error.filename = str(wanted)
            raise
        with suppress(FileNotFoundError):  # another writer took it for abandoned: once more
            descriptor = os.open(part, flags)
            with suppress(OSError):  # a network disk without locks: nothing is removed there
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            if part.exists():
                return part, descriptor
            os.close(descriptor)


def _make_file(path: Path) -> None:
    path.touch(_FILE_MODE, exist_ok=False)


def _make_folder(path: Path) -> None:
    path.mkdir(_FOLDER_MODE)


def _temporary(target: Path, state: str) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(8)}.{state}")


def _left_behind(target: Path, state: str) -> list[Path]:
    pattern = re.compile(re.escape(f".{target.name}.") + rf"[0-9a-f]{{16}}\.{state}")
    try:
        names = os.listdir(target.parent)
    except OSError:
        return []
    return [target.with_name(name) for name in names if pattern.fullmatch(name)]


def _remove_abandoned(target: Path) -> None:
    """Remove what writers of ``target`` that are gone left half written."""
    for part in _left_behind(target, "part"):
        with suppress(OSError):  # somebody holds it, or it is gone
            descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(part) if part.is_dir() else part.unlink()
            finally:
                os.close(descriptor)


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # it is in use
            folder.rmdir()


def _sync_tree(folder: Path) -> None:
    """Give all files the rights of the folder, and wait until all is on the disk."""
    mode = stat.S_IMODE(folder.stat().st_mode) & 0o666
    for path, _, names in os.walk(folder, topdown=False):
        for name in sorted(names):
            with Path(path, name).open("rb") as stream:
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
        _sync_folder(Path(path))


def _sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, if it is a disk that can tell."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
