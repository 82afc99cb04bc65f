# SPDX-License-Identifier: Apache-2.0
"""The folder of engines: one folder per key, each with the engine and its manifest.

Engines are made on the device, so they lie outside the bundle. Finding one needs no lock and no
right to write; whoever builds holds the lock of that key.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vljepa_ros.fields import FieldError
from vljepa_ros.files import FolderKind, locked, new_file, new_folder
from vljepa_ros.runtime.tensorrt.plan_key import PlanIdentity
from vljepa_ros.runtime.tensorrt.plan_manifest import PlanManifest
from vljepa_ros.runtime.tensorrt.tensorrt_errors import (
    BUILD,
    BUILD_AGAIN,
    PlanError,
    UnusablePlan,
    for_cameras,
)
from vljepa_ros.runtime.tensorrt.trust import Trust

STORE_VARIABLE = "VLJEPA_ENGINES"
PLAN, KERNELS, MANIFEST = "model.plan", "kernels.cache", "manifest.json"
ENGINE = FolderKind("stored engine", lambda folder: (PLAN, KERNELS, MANIFEST))
_LARGEST_MANIFEST = 1 << 20  # bytes
_PIECE = 1 << 20  # bytes
_STORE_MODE = 0o755  # everybody may read, only the owner may write


@dataclass(frozen=True)
class VerifiedPlan:
    """An engine that is what its manifest says.

    Attributes:
        graph: the graph that it runs.
        path: the file; None if it could not be stored.
        manifest: what is known about it.
        content: reads and compares it.
        kernels: reads what was compiled of it at an earlier start; empty if that is nothing.
    """

    graph: str
    path: Path | None
    manifest: PlanManifest
    content: Callable[[], bytes]
    kernels: Callable[[], bytes] = bytes

    def read(self) -> bytes:
        """Return the engine: exactly the bytes that were compared with the manifest, just now.

        It may be as large as the weights, so let go of one engine before reading the next.

        Raises:
            PlanError: the file was changed since, or is not trusted any more.
        """
        return self.content()


def default_store_path() -> Path:
    """Return the folder that VLJEPA_ENGINES names, or vljepa_ros/engines in the user's cache."""
    chosen = os.environ.get(STORE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "vljepa_ros" / "engines"


class PlanStore:
    """Engines by identity. May be used by several threads and processes at once."""

    def __init__(self, root: Path | str | None = None, *, allow_untrusted: bool = False) -> None:
        """Take the folder of engines, which need not be there yet.

        Args:
            root: the folder; None is :func:`default_store_path`.
            allow_untrusted: take engines that others could have written.
        """
        self.root = default_store_path() if root is None else Path(root).expanduser()
        self._trust = Trust(anyone=allow_untrusted)

    def find(self, identity: PlanIdentity) -> VerifiedPlan:
        """Return the engine of this identity after reading all of it.

        Raises:
            UnusablePlan: there is none, or it is damaged or another one.
            UntrustedPlan: others could have written it.
        """
        folder = self.root / identity.key
        if not os.path.lexists(folder):
            remedy = for_cameras(BUILD, identity.clips)
            raise UnusablePlan(folder, self._nothing_for(identity), remedy)
        self._trust.check_root(self.root)
        manifest = self._manifest(folder)
        wrong = identity.differences(manifest.identity)
        if wrong:
            remedy = for_cameras(BUILD_AGAIN, identity.clips)
            raise UnusablePlan(folder / MANIFEST, f"is for {', '.join(wrong)}", remedy)
        for _ in self._pieces(folder / PLAN, manifest, _PIECE):
            pass
        return self._plan(folder, manifest)

    def prepare(self) -> None:
        """Make the folder of engines.

        Raises:
            UntrustedPlan: others may write it, or everybody may write a folder above it.
            OSError: it cannot be made.
        """
        self.root.mkdir(_STORE_MODE, parents=True, exist_ok=True)
        self._trust.check_root(self.root)

    def locked(
        self, identity: PlanIdentity, waiting: Callable[[], None]
    ) -> AbstractContextManager[None]:
        """Hold the lock of one engine; ``waiting`` is called once if another process has it.

        Raises:
            OSError: the folder of engines cannot be written.
        """
        return locked(self.root / f"{identity.key}.lock", waiting)

    def save(self, manifest: PlanManifest, content: bytes) -> VerifiedPlan:
        """Store an engine in the place of one that may be there; the caller holds its lock.

        Raises:
            OccupiedError: something that is no stored engine lies in its place.
            OSError: it cannot be written, and nothing of it is left behind.
        """
        folder = self.root / manifest.identity.key
        with new_folder(folder, ENGINE) as part:
            (part / PLAN).write_bytes(content)
            (part / MANIFEST).write_bytes(manifest.to_json())
        return self._plan(folder, manifest)

    def record_parity(self, plan: VerifiedPlan, cosine: float) -> None:
        """Note in a stored engine's manifest how near its model is to ONNX Runtime's.

        Raises:
            OSError: it cannot be written.
        """
        if plan.path is None:
            return
        manifest = replace(plan.manifest, parity=cosine)
        file, lock = plan.path.with_name(MANIFEST), self.locked(manifest.identity, lambda: None)
        with lock, new_file(file) as stream:
            stream.write(manifest.to_json())

    def save_kernels(self, plan: VerifiedPlan, kernels: bytes) -> None:
        """Keep what was compiled of a stored engine for its next start.

        Raises:
            OSError: it cannot be written.
        """
        if plan.path is not None and kernels != plan.kernels():
            with new_file(plan.path.with_name(KERNELS)) as stream:
                stream.write(kernels)

    def timing_cache(self, identity: PlanIdentity) -> bytes:
        """Return what earlier builds on this machine measured; empty if that is nothing."""
        with suppress(PlanError), self._trust.opened(self._timing_file(identity)) as stream:
            return stream.read()
        return b""

    def save_timing_cache(self, identity: PlanIdentity, content: bytes) -> None:
        """Keep measurements for later builds on this machine.

        Raises:
            OSError: they cannot be written.
        """
        file = self._timing_file(identity)
        with new_file(file) as stream:
            stream.write(content)

    def _timing_file(self, identity: PlanIdentity) -> Path:
        return self.root / f"timing-{identity.machine}.cache"

    def _plan(self, folder: Path, manifest: PlanManifest) -> VerifiedPlan:
        content = partial(self._read, folder / PLAN, manifest)
        kernels = partial(self._kernels, folder / KERNELS)
        return VerifiedPlan(manifest.identity.graph, folder / PLAN, manifest, content, kernels)

    def _kernels(self, file: Path) -> bytes:
        """Read compiled kernels, which are code like the engine: whoever wrote them is checked."""
        with suppress(UnusablePlan), self._trust.opened(file) as stream:
            return stream.read()
        return b""

    def _read(self, file: Path, manifest: PlanManifest) -> bytes:
        return b"".join(self._pieces(file, manifest, manifest.plan_bytes + 1))

    def _pieces(self, file: Path, manifest: PlanManifest, size: int) -> Iterator[bytes]:
        """Yield the content in pieces of at most ``size`` bytes and compare it at the end."""
        digest, left = hashlib.sha256(), manifest.plan_bytes
        with self._trust.opened(file) as stream:
            while left >= 0 and (piece := stream.read(size)):
                digest.update(piece)
                left -= len(piece)
                yield piece
        if left:
            found = "more" if left < 0 else str(manifest.plan_bytes - left)
            cause = f"{found} bytes, but the manifest says {manifest.plan_bytes}"
            raise UnusablePlan(file, cause, BUILD_AGAIN)
        if digest.hexdigest() != manifest.plan_sha256:
            raise UnusablePlan(file, "its sha256 is not the manifest's", BUILD_AGAIN)

    def _manifest(self, folder: Path) -> PlanManifest:
        self._trust.check_folder(folder)
        file = folder / MANIFEST
        with self._trust.opened(file) as stream:
            content = stream.read(_LARGEST_MANIFEST)
        try:
            return PlanManifest.from_json(content)
        except FieldError as error:
            raise UnusablePlan(file, str(error), BUILD_AGAIN) from error

    def _nothing_for(self, identity: PlanIdentity) -> str:
        """Say that there is no engine, and how the nearest one of that graph differs."""
        differences: list[list[str]] = []
        for folder in filter(Path.is_dir, self.root.glob(f"{identity.graph}-*")):
            with suppress(PlanError):
                differences.append(identity.differences(self._manifest(folder).identity))
        nothing = f"there is no engine of {identity.graph} for this bundle and machine"
        if not differences:
            return nothing
        nearest = sorted(differences, key=len)[0]
        return f"{nothing}; the nearest one is for {', '.join(nearest)}"
