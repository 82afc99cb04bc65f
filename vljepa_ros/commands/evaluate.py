# SPDX-License-Identifier: Apache-2.0
"""``vljepa evaluate``: measure a bundle on a folder of clips with a small annotation file."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vljepa_ros.commands.main import CommandError
from vljepa_ros.evaluation import measures
from vljepa_ros.evaluation.report import Report
from vljepa_ros.recordings.annotations import read_captions, read_labels, read_questions
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.bundle_files import BundleError
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.queries import parse_queries
from vljepa_ros.runtime.tasks import PLACE

TASKS = {
    "classify": "open-vocabulary classification: 'label' per line",
    "retrieve": "text-to-video retrieval: 'caption' or 'captions' per line",
    "vqa": "questions with candidate answers: 'question', 'answers' and 'answer' per line",
    "caption": "CIDEr of the bank's nearest sentence: 'caption' or 'captions' per line",
}
READERS: dict[str, Callable[[Path], list[Any]]] = {
    "classify": read_labels,
    "retrieve": read_captions,
    "vqa": read_questions,
    "caption": read_captions,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one subcommand for each task."""
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    for task, summary in TASKS.items():
        options = tasks.add_parser(task, help=summary, description=summary)
        _add_shared(options)
        if task != "vqa":
            options.add_argument(
                "--query",
                help="name of a query of the bundle, or 'name: text'; default: the bundle's first",
            )
    tasks.choices["classify"].add_argument(
        "--template", default=PLACE, help=f"what a label is put into, e.g. 'a person is {PLACE}'"
    )
    tasks.choices["caption"].add_argument(
        "--bank", type=Path, help="sentences to choose from, one per line; default: the bundle's"
    )


def run(args: argparse.Namespace) -> None:
    """Measure, print the table, and write the JSON file if one is asked for.

    Raises:
        CommandError: the bundle or the bank cannot be used, or the model failed.
        ValueError: the annotations cannot be used, or no clip can be read.
        OSError: a file cannot be read or written.
    """
    items = READERS[args.task](args.annotations)
    sentences = _sentences(args.bank) if args.task == "caption" and args.bank else []
    try:
        model = VLJepa.load(args.bundle, threads=args.threads)
        query, text = ("", "") if args.task == "vqa" else _query(args.query, model)
        report = _measure(args, model, items, (query, text), sentences)
    except (BundleError, BackendError) as error:
        raise CommandError(str(error)) from error
    bundle = model.bundle
    asked = f", asked {text!r}" if text else ""
    print(f"{args.task} with {bundle.name} {bundle.version}{asked}\n{report.table()}")
    if args.json:
        about = {"bundle": bundle.name, "version": bundle.version, "space_id": bundle.space_id}
        report.write_json(args.json, **about, query=text)


def _add_shared(options: argparse.ArgumentParser) -> None:
    options.add_argument("--bundle", type=Path, help="folder of the bundle; default: the shipped")
    options.add_argument("--clips", type=Path, required=True, help="folder that holds the clips")
    options.add_argument("--annotations", type=Path, required=True, help="JSON lines")
    options.add_argument(
        "--json", type=Path, help="write the figures and the result of each clip to this file"
    )
    options.add_argument(
        "--stream",
        action="store_true",
        help="see every clip that a robot sees in each span, at the model's own rate, as `vljepa "
        "teach` trains and measures; without it images are spread over the span, for whole clips",
    )
    options.add_argument("--threads", type=int, default=1, help="compute threads")


def _query(entry: str | None, model: VLJepa) -> tuple[str, str]:
    known = model.bundle.queries
    queries = parse_queries([entry or next(iter(known))], known)
    if len(queries) > 1:
        raise CommandError("--query takes one query: name it or write 'name: text'")
    return next(iter(queries.items()))


def _measure(
    args: argparse.Namespace,
    model: VLJepa,
    items: list[Any],
    query: tuple[str, str],
    sentences: list[str],
) -> Report:
    name, text = query
    if args.task == "classify":
        return measures.classification(
            model, args.clips, items, text, args.template, stream=args.stream
        )
    if args.task == "retrieve":
        return measures.retrieval(model, args.clips, items, text, stream=args.stream)
    if args.task == "vqa":
        return measures.question_answering(model, args.clips, items, stream=args.stream)
    bank = measures.sentence_bank(model, name, sentences) if sentences else None
    return measures.captioning(model, args.clips, items, name, text, bank, stream=args.stream)


def _sentences(file: Path) -> list[str]:
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    sentences = list(dict.fromkeys(line for line in lines if line))
    if not sentences:
        raise CommandError(f"{file} holds no sentence: one per line is expected")
    return sentences
