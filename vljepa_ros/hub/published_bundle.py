# SPDX-License-Identifier: Apache-2.0
"""A bundle that somebody published: whose it is, what it holds, and how it comes into a folder.

The manifest names every file with its size and SHA-256. So who vouches for the manifest, with a
signature or by telling its SHA-256, vouches for all of the bundle. Nothing that the manifest does
not name is written, but for the model card, and no file becomes longer than it says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vljepa_ros.files import check_replaceable, new_folder
from vljepa_ros.hub.bundle_place import BundlePlace
from vljepa_ros.hub.disk_space import check_space
from vljepa_ros.hub.fetch_error import FetchError
from vljepa_ros.hub.signature import SIGNATURE_BYTES, PublicKey
from vljepa_ros.runtime.bundle import BUNDLE, CARD, MANIFEST, MANIFEST_BYTES, SIGNATURE, Bundle
from vljepa_ros.runtime.bundle_files import FileEntry, verify

_CARD_BYTES = 1 << 20


@dataclass(frozen=True)
class TrustedSource:
    """What a user knows of the bundle from its publisher; at least one of the two is needed.

    Attributes:
        key: public key of the publisher.
        sha256: of its manifest.
    """

    key: PublicKey | None = None
    sha256: str | None = None


def install_bundle(
    place: BundlePlace,
    out: Path,
    trust: TrustedSource,
    accept: Callable[[Mapping[str, str]], str],
) -> None:
    """Put a bundle into the new folder ``out`` when all of it has come and is as announced.

    Args:
        place: where it comes from.
        out: a folder that is not there yet, or is empty.
        trust: who vouches for it.
        accept: is given the terms of its parts, and raises FetchError if nobody accepts them.

    Raises:
        FetchError: nobody vouches for it, or it is not what was vouched for.
        BundleError: its manifest is bad, or a file is not what the manifest says.
        OSError: the disk is full.
    """
    manifest = place.read(MANIFEST, MANIFEST_BYTES)
    signature = _check_trust(place, manifest, trust)
    if (out / MANIFEST).is_file() and (out / MANIFEST).read_bytes() == manifest:
        return  # it is here already
    check_free(out)
    with new_folder(out, BUNDLE) as part:
        (part / MANIFEST).write_bytes(manifest)
        bundle = Bundle.announced(part)
        accept(bundle.licences)
        check_space([(part, sum(entry.bytes for entry in bundle.files.values()))])
        for name, entry in bundle.files.items():
            _save(place, name, entry, part / name)
        if signature is not None:
            (part / SIGNATURE).write_bytes(signature)
        with suppress(FetchError):  # a bundle needs no card
            (part / CARD).write_bytes(place.read(CARD, _CARD_BYTES))
        check_free(out)


def check_free(out: Path) -> None:
    """Check that nothing lies at ``out``: what somebody has there is never replaced unasked.

    Raises:
        FetchError: something lies there.
        OccupiedError: nothing can be written there.
    """
    check_replaceable(out, BUNDLE)
    if out.is_dir() and any(out.iterdir()):
        raise FetchError(f"{out} holds another bundle already: name another folder with --out")


def fingerprint(manifest: bytes) -> str:
    """Return what stands for a whole bundle: the SHA-256 of its manifest."""
    return hashlib.sha256(manifest).hexdigest()


def _check_trust(place: BundlePlace, manifest: bytes, trust: TrustedSource) -> bytes | None:
    """Return the signature, if there is a key to check it with."""
    found = fingerprint(manifest)
    if trust.key is None and trust.sha256 is None:
        raise FetchError(
            f"nobody vouches for this bundle. Its SHA-256 is {found}: ask the publisher by "
            "another way whether that is right, and add --sha256 or the publisher's --key"
        )
    if trust.sha256 is not None and trust.sha256 != found:
        raise FetchError(
            f"the SHA-256 of this bundle is {found}, not {trust.sha256}: do not use it"
        )
    if trust.key is None:
        return None
    signature = place.read(SIGNATURE, SIGNATURE_BYTES)
    trust.key.verify(manifest, signature, MANIFEST)
    return signature


def _save(place: BundlePlace, name: str, entry: FileEntry, to: Path) -> None:
    if name in (MANIFEST, SIGNATURE, CARD):
        raise FetchError(f"the manifest lists {name}, which no bundle does: do not use it")
    to.parent.mkdir(parents=True, exist_ok=True)
    place.save(name, entry, to)
    verify(to, entry)
