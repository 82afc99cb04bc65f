# SPDX-License-Identifier: Apache-2.0
"""``vljepa export``: make a bundle for the nodes out of a model directory.

Every graph is compared with torch on real frames; if one differs, no bundle is written.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.commands.main import CommandError
from vljepa_ros.evaluation.labelled_clips import NoLabelledClipsError, labelled_clips
from vljepa_ros.fields import FieldReader
from vljepa_ros.files import check_replaceable
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.directory import ModelDirectory, load_model, open_directory
from vljepa_ros.model.export.contents import Choices, Contents
from vljepa_ros.model.export.export_bundle import export_bundle
from vljepa_ros.model.export.export_error import ExportError
from vljepa_ros.model.export.precision import COMPARED_CLIPS, PRECISIONS, LowPrecision
from vljepa_ros.model.y_decoder_files import load_decoder
from vljepa_ros.recordings.clips import ShortSourceError, read_clips
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.source import SourceError
from vljepa_ros.runtime.bundle import BUNDLE, Bundle
from vljepa_ros.runtime.queries_file import read_queries_file
from vljepa_ros.runtime.statistics import add_statistics
from vljepa_ros.runtime.unfamiliarity import TooFewClipsError
from vljepa_ros.shipped import shipped

WITHOUT_STATISTICS = (
    "no statistics of known clips: unfamiliarity will be unknown (NaN). "
    "Export with --known FOLDER, the clips that the model was trained on"
)
WITHOUT_CALIBRATION = (
    "no calibration: scores will be the decoder's shares. "
    "Export with --known and --unseen FOLDER, annotated clips that the model was not trained on"
)

RECORDING = shipped("demo/recording.mp4")
_YAML = (".yaml", ".yml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command line may hold."""
    parser.add_argument("--model", type=Path, required=True, help="model directory")
    parser.add_argument("--out", type=Path, required=True, help="bundle to write")
    parser.add_argument(
        "--queries-file",
        type=Path,
        help="JSON: {name: question}; or YAML with the phrases too, as the nodes read it",
    )
    parser.add_argument("--phrases-file", type=Path, help="JSON: {name: [phrases]}")
    parser.add_argument("--frames", type=int, help="frames of a clip, if not the model's")
    parser.add_argument("--clip-rate", type=float, metavar="HZ", help="their rate")
    parser.add_argument("--query-tokens", type=int, help="tokens of a query, if not the model's")
    parser.add_argument(
        "--without-text-encoder",
        action="store_true",
        help="leave the Y-Encoder out: the robot embeds no new texts",
    )
    parser.add_argument(
        "--query-table",
        action="store_true",
        help="add the table of query tokens: the robot may ask anything",
    )
    parser.add_argument(
        "--int8-weights",
        action="store_true",
        help="store the Y-Encoder's weights as int8, if they were rounded before training",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", *PRECISIONS),
        default="fp32",
        help="of the visual graphs: int8 for CPUs and TensorRT, fp16 and fp8 for TensorRT; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--modelopt-python",
        type=Path,
        default=Path(sys.executable),
        help="the Python that has nvidia-modelopt, which makes fp16 and fp8",
    )
    parser.add_argument(
        "--video",
        type=Path,
        nargs="+",
        default=[RECORDING],
        help="real frames for the comparison with torch and for the ranges of int8 and fp8, from "
        "all of these recordings alike; default: the shipped recording",
    )
    parser.add_argument(
        "--known",
        type=Path,
        metavar="FOLDER",
        help="clips that the model was trained on, with annotations.jsonl as for training: the "
        "robot tells from them what looks unfamiliar",
    )
    parser.add_argument(
        "--unseen",
        type=Path,
        metavar="FOLDER",
        help="such clips that it was not trained on: they tell how often answers are right",
    )
    parser.add_argument(
        "--foreign",
        type=Path,
        metavar="FOLDER",
        help="clips about which the phrases say nothing, of other places or robots: needed if the "
        "known ones look so different from each other that nothing else looks strange",
    )


def run(args: argparse.Namespace) -> int:
    """Export, and print the error of every graph.

    Raises:
        CommandError: the model cannot be exported as asked, or a graph differs from torch.
        CheckpointError: the model directory cannot be used.
        OccupiedError: the place is taken by something other than a bundle.
    """
    check_replaceable(args.out, BUNDLE)
    if (args.unseen or args.foreign) and not args.known:
        raise CommandError(
            "--unseen and --foreign need --known: scores depend on what looks unfamiliar"
        )
    directory = open_directory(args.model)
    config = _config(directory.config, args)
    choices = Choices(
        text_encoder=not args.without_text_encoder,
        query_table=args.query_table,
        int8_weights=args.int8_weights,
        precision=_precision(args),
    )
    try:
        clips = _clips(args.video, config, COMPARED_CLIPS[args.precision])
        model = load_model(args.model)
        model.config = config
        bundle = export_bundle(
            model, args.out, _contents(directory, args), clips, choices, partial(_with_known, args)
        )
    except (ExportError, SourceError, TooFewClipsError, NoLabelledClipsError) as error:
        raise CommandError(str(error)) from error
    for name in sorted(bundle.graphs):
        print(f"{name}: differs from torch by {bundle.parity[name]:.1e}")
    if bundle.lowered is not None:
        tool, cosine = bundle.lowered.tool, bundle.lowered.cosine
        print(f"{bundle.precision} by {tool}: cosine with fp32 at least {cosine:.6f}")
    if not bundle.has_statistics:
        print(WITHOUT_STATISTICS)
    if not bundle.has_calibration:
        print(WITHOUT_CALIBRATION)
    size = sum(entry.bytes for entry in bundle.files.values())
    print(f"{args.out}: {bundle.name} {bundle.version}, {size / 1e6:.0f} MB")
    return 0


def _with_known(args: argparse.Namespace, bundle: Bundle) -> Bundle:
    """Return the bundle with what the annotated clips of the command line tell about it."""
    if args.known is None:
        return bundle
    folders = (args.known, args.unseen, args.foreign)
    return add_statistics(
        bundle, *(labelled_clips(folder, bundle) if folder else () for folder in folders)
    )


def _precision(args: argparse.Namespace) -> LowPrecision | None:
    if args.precision == "fp32":
        return None
    return LowPrecision(args.precision, args.modelopt_python)


def _config(config: ModelConfig, args: argparse.Namespace) -> ModelConfig:
    """Return the model's configuration with what the command line changes about clips."""
    tokens = args.query_tokens or config.predictor.max_query_tokens
    return replace(
        config,
        clip_frames=args.frames or config.clip_frames,
        clip_rate_hz=args.clip_rate or config.clip_rate_hz,
        predictor=replace(config.predictor, max_query_tokens=tokens),
    )


def _contents(directory: ModelDirectory, args: argparse.Namespace) -> Contents:
    queries, phrases = directory.queries, directory.phrases
    if args.queries_file and args.queries_file.suffix in _YAML:
        read = read_queries_file(args.queries_file, known=queries)
        queries = {name: query.text for name, query in read.items()}
        phrases = {name: list(query.phrases) for name, query in read.items()}
    elif args.queries_file:
        queries = _read(args.queries_file, FieldReader.text)
    if args.phrases_file:
        phrases = _read(args.phrases_file, FieldReader.text_list)
    if not queries or not phrases:
        raise CommandError(
            f"{directory.root} has no queries.json or no phrases.json: "
            "give --queries-file and --phrases-file"
        )
    decoder = directory.decoder
    return Contents(
        queries=queries,
        phrases=phrases,
        text_tokenizer=directory.text_tokenizer,
        query_tokenizer=directory.query_tokenizer,
        licences=directory.licences,
        decoder=None if decoder is None else load_decoder(directory.root, decoder),
    )


def _read(file: Path, kind: Any) -> dict[str, Any]:
    reader = FieldReader(json.loads(file.read_text(encoding="utf-8")), str(file))
    return {name: kind(reader, name) for name in reader.names()}


def _clips(videos: Sequence[Path], config: ModelConfig, count: int) -> NDArray[np.uint8]:
    """Return some ``count`` clips, equally many of each video; a short one gives fewer or none.

    Raises:
        ShortSourceError: no video is as long as a clip.
        SourceError: one cannot be read.
    """
    clips: list[NDArray[np.uint8]] = []
    short: list[ShortSourceError] = []
    for video in videos:
        try:
            clips.append(_clips_of(video, config, math.ceil(count / len(videos))))
        except ShortSourceError as error:
            short.append(error)
    if not clips:
        raise short[0]
    for why in short:
        print(f"left out: {why}", file=sys.stderr)
    return np.concatenate(clips)


def _clips_of(video: Path, config: ModelConfig, count: int) -> NDArray[np.uint8]:
    with open_source(str(video)) as source:
        return read_clips(
            source,
            count=count,
            frames=config.clip_frames,
            rate_hz=config.clip_rate_hz,
            height=config.frame_pixels,
            width=config.frame_pixels,
        )
