# SPDX-License-Identifier: Apache-2.0
"""``vljepa review``: show an indexed store in the browser and take corrections."""

from __future__ import annotations

import argparse
import os
import webbrowser
from pathlib import Path

from vljepa_ros.commands.main import CommandError
from vljepa_ros.index.store import Store, StoreError
from vljepa_ros.review.page_file import write_page
from vljepa_ros.review.page_server import ReviewServer
from vljepa_ros.review.reviewed_store import ReviewedStore

_PORT = 8746


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to show, and to whom."""
    parser.add_argument("--store", required=True, help="folder that `vljepa index` filled")
    parser.add_argument("--bundle", type=Path, help="for the search; default: the shipped bundle")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; any but this machine's own asks visitors for a token",
    )
    parser.add_argument("--port", type=int, default=_PORT, help="0 is any free one")
    parser.add_argument(
        "--export", type=Path, metavar="FILE.html", help="write a read-only page and serve nothing"
    )
    parser.add_argument("--recording", help="id or path of the only recording to export")


def run(args: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C, or write it to a file.

    Raises:
        CommandError: the store cannot be shown.
        OSError: the address cannot be listened on, or the file cannot be written.
    """
    try:
        store = ReviewedStore(Store.open(args.store), args.bundle)
        if args.export:
            write_page(store, args.export, args.recording or "")
            print(f"{args.export} is written")
            return
    except StoreError as error:
        raise CommandError(str(error)) from error
    with ReviewServer(store, args.host, args.port) as server:
        print(f"{server.address}\nCtrl-C ends it", flush=True)
        if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
            webbrowser.open(server.address)
        server.serve_forever()
