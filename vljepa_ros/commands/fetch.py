# SPDX-License-Identifier: Apache-2.0
"""``vljepa fetch``: download a public model and make a bundle of it, or fetch a bundle.

Terms are shown first, and somebody has to accept them. What was downloaded is compared with every
hash that is known, and a download that was stopped goes on from there.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from vljepa_ros.commands.main import CommandError
from vljepa_ros.commands.public_model import AUTO, make_bundle, run_shown, say_launch
from vljepa_ros.hub.bundle_place import bundle_place, usual_name
from vljepa_ros.hub.catalogue import CATALOGUE, read_catalogue
from vljepa_ros.hub.catalogue_table import table
from vljepa_ros.hub.consent import FLAG, accept
from vljepa_ros.hub.fetch_error import FetchError
from vljepa_ros.runtime.bundle_files import BundleError

_SHA256 = re.compile(r"[0-9a-f]{64}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command line may hold."""
    parser.add_argument(
        "what",
        nargs="?",
        metavar="WHAT",
        help="a name of --list; or a bundle: URL of a .tar or of a folder, OWNER/NAME[@REVISION] "
        "on the hub, or a .tar on this disk",
    )
    parser.add_argument("--list", action="store_true", help="show what public models there are")
    parser.add_argument("--out", type=Path, help="folder to write; default: named after WHAT")
    parser.add_argument(FLAG, action="store_true", help="accept the terms that are shown")
    parser.add_argument("--key", help="bundle: public key (minisign) of its publisher, or a file")
    parser.add_argument("--sha256", help="bundle: SHA-256 of its manifest, as `publish` prints it")
    parser.add_argument(
        "--catalogue", type=Path, default=CATALOGUE, help="a copy of config/public_models.yaml"
    )
    parser.add_argument(
        "--precision",
        choices=(AUTO, "fp32", "fp16", "int8", "fp8"),
        default=AUTO,
        help="of the bundle (docs/export.md); default: what suits this machine",
    )
    parser.add_argument(
        "--modelopt-python", type=Path, help="the Python that has nvidia-modelopt, if another one"
    )


def run(args: argparse.Namespace) -> int:
    """List, or fetch and say how to launch it.

    Raises:
        CommandError: it cannot be fetched; the text says why.
        BundleError: a published bundle is damaged.
        OSError: a file cannot be written.
    """
    try:
        return _list(args) if args.list else _fetch(args)
    except FetchError as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt:
        print("\nWhat was downloaded stays: the same command goes on from there.", file=sys.stderr)
        raise


def _list(args: argparse.Namespace) -> int:
    print("\n".join(table(read_catalogue(args.catalogue).values())))
    return 0


def _fetch(args: argparse.Namespace) -> int:
    if args.what is None:
        raise CommandError("say what to fetch; --list shows what there is")
    catalogue = read_catalogue(args.catalogue)
    if args.what in catalogue:
        make_bundle(catalogue[args.what], args)
    else:
        _published_bundle(args, catalogue)
    return 0


def _published_bundle(args: argparse.Namespace, names: Iterable[str]) -> None:
    from vljepa_ros.hub.published_bundle import TrustedSource, install_bundle
    from vljepa_ros.hub.signature import public_key

    if args.sha256 is not None and not _SHA256.fullmatch(args.sha256):
        raise CommandError("--sha256 takes 64 characters 0-9 and a-f, as `vljepa publish` prints")
    trust = TrustedSource(public_key(args.key) if args.key else None, args.sha256)
    out = args.out or Path(usual_name(args.what))
    downloads = out.with_name(f".{out.name}.downloads")
    place = bundle_place(args.what, downloads, names)
    consent = partial(accept, given=args.accept_licences)
    try:
        install_bundle(place, out, trust, consent)
    except BundleError:
        shutil.rmtree(downloads, ignore_errors=True)  # or the wrong file would stay
        raise
    shutil.rmtree(downloads, ignore_errors=True)
    run_shown("verify", out)
    say_launch(out)
