# SPDX-License-Identifier: Apache-2.0
"""``vljepa teach``: a bundle that knows your robot, from labelled recordings of it.

Labels that cannot be used are listed before anything is computed. Ctrl-C while the model learns
keeps the best so far; the same command continues.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from vljepa_ros.commands.main import CommandError
from vljepa_ros.interrupts import Interrupts
from vljepa_ros.model.checkpoints.tensors import CheckpointError
from vljepa_ros.model.export.export_error import ExportError
from vljepa_ros.recordings.source import SourceError
from vljepa_ros.runtime.bundle import default_bundle_path
from vljepa_ros.stream.preprocess import CROP, FITS
from vljepa_ros.teaching.check_labels import listed
from vljepa_ros.teaching.read_labels import KINDS
from vljepa_ros.teaching.teaching_plan import TeachingPlan, UnusableLabelsError, teach
from vljepa_ros.teaching.teaching_report import PAGE, TeachingReport

_WORK = ".teaching"  # what the folder of kept work is called after the bundle's name
_SETTLED = 0.05  # share of a step from which its end is estimated


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command line may hold."""
    add = parser.add_argument
    add("--bundle", type=Path, help="bundle that is taught further; default: the shipped one")
    add("--labels", type=Path, nargs="+", required=True, metavar="FILE", help=KINDS)
    add("--recordings", type=Path, required=True, help="folder of the recordings")
    add("--out", type=Path, required=True, help="bundle to write; its name is the bundle's")
    add(
        "--query",
        action="append",
        default=[],
        help="'name: question' of your own, or a name of the bundle's; the first is that of "
        "labels that name none (default: the bundle's first)",
    )
    add(
        "--group",
        default="",
        metavar="COLUMN|REGEX",
        help="recordings that belong together (a session, a room, a day): a column of the labels, "
        "or a regular expression for their paths; default: each recording is its own",
    )
    add(
        "--held-out",
        default="",
        metavar="REGEX",
        help="recordings or groups that are measured and not taught; default: about a quarter",
    )
    add("--keep", type=Path, nargs="+", default=[], metavar="DATA", help=_KEEP)
    add("--camera", default="", help="video of a LeRobot dataset; default: its first")
    add("--image-fit", choices=FITS, default=CROP, help="as the embedder's parameter image_fit")
    add("--skip-unusable", action="store_true", help="leave out labels that cannot be used")
    add("--work", type=Path, help=f"folder of what the next run needs; default: OUT{_WORK}")
    add("--threads", type=int, default=2, help="compute threads; default: %(default)s")


_KEEP = (
    "folders of other recordings with their labels, which are taught too and not measured, so "
    "that the model does not lose them"
)


def run(args: argparse.Namespace) -> int:
    """Teach, and print the figures.

    Raises:
        CommandError: the labels, a recording or the bundle cannot be used.
        ValueError: the command line does not fit the labels.
        OSError: a file cannot be read or written.
    """
    progress = _ProgressLine()
    try:
        with Interrupts() as interrupts:
            report = teach(_plan(args), progress, interrupts.event)
    except UnusableLabelsError as error:
        progress.end()
        for line in listed(error.faults):
            print(line, file=sys.stderr)
        raise CommandError(
            f"{len(error.faults)} labels cannot be used, and nothing was written: correct them, "
            "or leave them out with --skip-unusable"
        ) from error
    except (CheckpointError, ExportError, SourceError) as error:
        raise CommandError(str(error)) from error
    progress.end()
    _tell(report, args.out)
    return 0


def _plan(args: argparse.Namespace) -> TeachingPlan:
    return TeachingPlan(
        bundle=args.bundle or default_bundle_path(),
        labels=tuple(args.labels),
        recordings=args.recordings,
        out=args.out,
        work=args.work or args.out.with_name(args.out.name + _WORK),
        queries=tuple(args.query),
        group=args.group,
        held_out=args.held_out,
        camera=args.camera,
        image_fit=args.image_fit,
        keep=tuple(args.keep),
        skip_unusable=args.skip_unusable,
        threads=args.threads,
    )


def _tell(report: TeachingReport, out: Path) -> None:
    for note in report.notes:
        print(note)
    took = sum(report.took_s.values())
    print(
        f"{len(report.taught)} recordings taught, {len(report.held_out)} held out, "
        f"{took / 60:.1f} minutes\n\n{report.table()}\n\n{report.verdict}\n\n"
        f"report: {out / PAGE}\n"
        f"launch: ros2 launch vljepa_ros vljepa.launch.py bundle:={out.absolute()}"
    )


class _ProgressLine:
    """Shows the step and when it ends: one line that changes at a terminal, else one per step."""

    def __init__(self) -> None:
        self._step, self._begun, self._width = "", 0.0, 0

    def __call__(self, step: str, share: float) -> None:
        """Show a step and the share of it that is done."""
        if step != self._step:
            self.end()
            self._step, self._begun = step, time.monotonic()
            if not sys.stderr.isatty():
                print(f"{step} ...", file=sys.stderr, flush=True)
        if sys.stderr.isatty():
            line = f"{step} {share:4.0%}{self._left(share)}"
            print(f"\r{line:{self._width}}", end="", file=sys.stderr, flush=True)
            self._width = len(line)

    def end(self) -> None:
        """Leave the line as it is."""
        if self._width:
            print(file=sys.stderr)
        self._width = 0

    def _left(self, share: float) -> str:
        """Return how long the step will still take, once that can be said."""
        if not _SETTLED <= share < 1:
            return ""
        left = (time.monotonic() - self._begun) * (1 - share) / share
        return f", {int(left) // 60}:{int(left) % 60:02d} left"
