# SPDX-License-Identifier: Apache-2.0
"""``vljepa search``: moments of indexed recordings that fit a text."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from vljepa_ros.commands.main import CommandError
from vljepa_ros.files import new_file
from vljepa_ros.index.store import Store, StoreError
from vljepa_ros.index.stored import SearchHit
from vljepa_ros.index.text_search import TextSearch, between, date_of
from vljepa_ros.runtime.bundle import Bundle, default_bundle_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command line may hold."""
    parser.add_argument("text", help="what is looked for, such as 'the drawer is open'")
    parser.add_argument("--store", required=True, help="folder of the index")
    parser.add_argument("--bundle", type=Path, help="the one that indexed; default: the shipped")
    parser.add_argument("--query", default="", help="only answers to this query")
    parser.add_argument("--recording", default="", help="only this one: its id, or part of a path")
    when = "seconds from the first image, or a date and time (2026-05-01T14:30)"
    parser.add_argument("--from", dest="start", default="", metavar="TIME", help=when)
    parser.add_argument("--to", dest="end", default="", metavar="TIME", help=when)
    parser.add_argument("--limit", type=int, default=10, help="moments; default: %(default)s")
    parser.add_argument("--thumbnails", type=Path, metavar="DIR", help="write their pictures here")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--csv", action="store_true", help="print comma-separated values")
    kind.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Search, and print the moments; the status is 1 if there is none.

    Raises:
        CommandError: the store cannot be searched.
        BundleError: the bundle cannot be used.
        BackendError: the text encoder failed.
    """
    bundle = Bundle.load(args.bundle or default_bundle_path())
    try:
        store = Store.open(args.store)
        search = TextSearch(store, bundle)
        where = between(args.start, args.end)
        hits = search.find(args.text, args.limit, args.query, args.recording, where)
        pictures = _thumbnails(store, hits, args.thumbnails) if args.thumbnails else []
    except StoreError as error:
        raise CommandError(str(error)) from error
    _print([_row(hit) for hit in hits], pictures, args)
    if others := search.other_spaces():
        print(
            f"{len(others)} recordings are of another model and were not searched; `vljepa index "
            f"--reindex --store {args.store}` makes them searchable",
            file=sys.stderr,
        )
    return int(not hits)


def _row(hit: SearchHit) -> dict[str, object]:
    recording, segment = hit.recording, hit.segment
    return {
        "cosine": round(hit.cosine, 4),
        "recording": recording.path,
        "topic": recording.topic,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "date": date_of(recording, segment.start_ns),
        "query": segment.query,
        "text": segment.text,
        "score": round(segment.score, 4),
        "id": recording.id,
    }


def _print(
    rows: list[dict[str, object]], pictures: Sequence[Path], args: argparse.Namespace
) -> None:
    for row, picture in zip(rows, pictures, strict=False):
        row["thumbnail"] = str(picture)
    if args.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    elif args.csv:
        writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else ["cosine"])
        writer.writeheader()
        writer.writerows(rows)
    else:
        for row in rows:
            print(_line(row))


def _line(row: Mapping[str, object]) -> str:
    place = f"{row['recording']} {row['topic']}".rstrip()
    shown = f"  {row['thumbnail']}" if "thumbnail" in row else ""
    return (
        f"{row['cosine']:6.3f}  {_clock(row['start'])}-{_clock(row['end'])}  {place}  "
        f"{row['query']}: {row['text']}{shown}"
    )


def _clock(seconds: object) -> str:
    minutes, rest = divmod(float(str(seconds)), 60)
    return f"{int(minutes)}:{rest:04.1f}"


def _thumbnails(store: Store, hits: Sequence[SearchHit], folder: Path) -> list[Path]:
    """Write the picture of each moment, named by its rank."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for rank, hit in enumerate(hits, start=1):
        segment = hit.segment
        file = folder / f"{rank:03}-{hit.recording.id}-{segment.query}-{segment.seq}.jpg"
        with new_file(file) as stream:
            stream.write(store.thumbnail(hit.recording, segment.query, segment.seq))
        files.append(file)
    return files
