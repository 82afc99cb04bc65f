# SPDX-License-Identifier: Apache-2.0
"""``vljepa publish``: make an archive or a folder of a bundle that others can fetch."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from vljepa_ros.commands.main import CommandError
from vljepa_ros.files import new_folder
from vljepa_ros.hub.bundle_archive import SUFFIX, write_archive
from vljepa_ros.hub.fetch_error import FetchError
from vljepa_ros.hub.published_bundle import check_free, fingerprint
from vljepa_ros.hub.signature import SigningKey, new_signing_key, signing_key
from vljepa_ros.runtime.bundle import BUNDLE, CARD, MANIFEST, SIGNATURE, Bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command line may hold."""
    parser.add_argument("bundle", type=Path, help="folder of the bundle")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="NAME.tar for one file, or a new folder, for the hub or a web server",
    )
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument("--key", type=Path, help="secret key (minisign, without password) to sign")
    keys.add_argument("--new-key", type=Path, help="make this key and FILE.pub, and sign with it")


def run(args: argparse.Namespace) -> int:
    """Publish, and say what others need to fetch it.

    Raises:
        CommandError: the place is taken, or the key cannot be used.
        BundleError: the bundle is damaged.
        OSError: a file cannot be written.
    """
    try:
        return _publish(args)
    except FetchError as error:
        raise CommandError(str(error)) from error


def _publish(args: argparse.Namespace) -> int:
    bundle = Bundle.load(args.bundle)
    archive = args.out.suffix == SUFFIX
    if archive and args.out.exists():
        raise CommandError(f"{args.out} is there already: name another file, or move it away")
    if not archive:
        check_free(args.out)
    manifest = (bundle.root / MANIFEST).read_bytes()
    with TemporaryDirectory() as folder:
        members = dict(_members(bundle))
        key = _key(args)
        if key is not None:
            signature = Path(folder) / SIGNATURE
            signature.write_bytes(key.sign(manifest, _comment(bundle)))
            members[SIGNATURE] = signature
        if archive:
            write_archive(members.items(), args.out)
        else:
            _copy(members, args.out)
    _report(args.out, bundle, manifest, key, signed=SIGNATURE in members)
    return 0


def _key(args: argparse.Namespace) -> SigningKey | None:
    if args.new_key:
        return new_signing_key(args.new_key)
    return signing_key(args.key) if args.key else None


def _comment(bundle: Bundle) -> str:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return f"{bundle.name} {bundle.version}, space {bundle.space_id}, signed {now}"


def _members(bundle: Bundle) -> Iterator[tuple[str, Path]]:
    """Yield name and place of each file; a signature that the user made beside them is one."""
    yield MANIFEST, bundle.root / MANIFEST
    for name in (SIGNATURE, CARD):
        if (bundle.root / name).is_file():
            yield name, bundle.root / name
    yield from ((name, bundle.root / name) for name in bundle.files)


def _copy(members: dict[str, Path], out: Path) -> None:
    with new_folder(out, BUNDLE) as part:
        for name, file in members.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, part / name)


def _report(
    out: Path, bundle: Bundle, manifest: bytes, key: SigningKey | None, *, signed: bool
) -> None:
    print(f"{out}: {bundle.name} {bundle.version}. Its terms, which go with it:")
    for part, terms in bundle.licences.items():
        print(f"  {part}: {terms}")
    print(f"SHA-256 of its manifest: {fingerprint(manifest)}")
    if not signed:
        print("It is not signed: --new-key FILE makes a key, and signs with it.")
    trust = f"--key {key.public}" if key else f"--sha256 {fingerprint(manifest)}"
    print("Put it on a server. Others fetch it with:")
    print(f"  vljepa fetch {'URL' if out.suffix == SUFFIX else 'URL-OR-OWNER/NAME'} {trust}")
