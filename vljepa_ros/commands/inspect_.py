# SPDX-License-Identifier: Apache-2.0
"""``vljepa inspect``: what a checkpoint, a model directory or a bundle holds.

Weights are not read. Bundles are shown without torch.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vljepa_ros.commands.main import CommandError
from vljepa_ros.runtime.bundle import MANIFEST, Bundle
from vljepa_ros.runtime.calibration import calibrations_of
from vljepa_ros.runtime.choose_decoder import available_decoders
from vljepa_ros.runtime.unfamiliarity import KnownClips


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command line may hold."""
    parser.add_argument("path", type=Path, help="checkpoint, model directory or bundle")


def run(args: argparse.Namespace) -> int:
    """Print what is there.

    Raises:
        CommandError: nothing is there.
        BundleError: it is a damaged bundle.
        CheckpointError: it is a damaged checkpoint, or nothing that is known.
    """
    if not args.path.exists():
        raise CommandError(f"{args.path} does not exist")
    show = _bundle if (args.path / MANIFEST).exists() else _checkpoint
    print("\n".join(show(args.path)))
    return 0


def _bundle(path: Path) -> Iterator[str]:
    bundle = Bundle.load(path)
    yield f"bundle, {bundle.name} {bundle.version}"
    yield from _fields(
        {
            "space_id": bundle.space_id,
            "dimension": bundle.dimension,
            "frame": f"{bundle.frame.height} x {bundle.frame.width} pixels",
            "clip": f"{bundle.clip.frames} frames at {bundle.clip.rate_hz:g} Hz",
            "memory": _memory(bundle),
            "precision": _precision(bundle),
            "queries": ", ".join(bundle.queries),
            "decoders": ", ".join(available_decoders(bundle)),
            "known clips": _known(bundle),
            "calibration": _calibrated(bundle),
        }
    )
    for name, entry in bundle.files.items():
        yield f"  {entry.bytes / 1e6:10.1f} MB  {name}"
    yield from _licences(bundle.licences)


def _memory(bundle: Bundle) -> str:
    if bundle.memory is None:
        return "none, so whole clips are seen"
    kept = sum(math.prod(shape) for shape in bundle.memory.state.values())
    return f"of a clip, {4 * kept / 1e6:.1f} MB for each camera; each frame is seen once"


def _known(bundle: Bundle) -> str:
    known = KnownClips.from_bundle(bundle)
    if not known.are_there:
        return "none, so nothing is known to be unfamiliar"
    foreign = ", and foreign ones" if known.foreign.size else ""
    return f"{len(known.mean)} features, a scale of {len(known.scale)} recordings{foreign}"


def _calibrated(bundle: Bundle) -> str:
    found = calibrations_of(bundle)
    if not found:
        return "none, so scores are the decoder's shares"
    return "; ".join(f"{name}: {', '.join(part.lines)}" for name, part in found.items())


def _precision(bundle: Bundle) -> str:
    if bundle.lowered is None:
        return bundle.precision
    tool, cosine = bundle.lowered.tool, bundle.lowered.cosine
    graphs = ", ".join(
        f"{graph} {precision}{' (int8 on a CPU)' if graph in bundle.cpu_graphs else ''}"
        for graph, precision in bundle.lowered.graphs.items()
    )
    return f"{bundle.precision} by {tool}, cosine with fp32 at least {cosine:g}: {graphs}"


def _checkpoint(path: Path) -> Iterator[str]:
    from vljepa_ros.model.checkpoints.overview import overview

    found = overview(path)
    yield found.kind
    yield from _fields(found.dimensions)
    for group in found.groups:
        size = f"{group.parameters / 1e6:.1f} M"
        yield f"  {group.name:20} {group.tensors:5} tensors {size:>10}  {', '.join(group.types)}"
    yield from _licences(found.licences)


def _fields(values: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"  {name}: {value}" for name, value in values.items())


def _licences(values: Mapping[str, str]) -> Iterator[str]:
    yield "licences:"
    yield from _fields(values)
