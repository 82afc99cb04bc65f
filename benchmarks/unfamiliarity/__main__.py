# SPDX-License-Identifier: Apache-2.0
"""Measure what a bundle knows of its own limits.

``python -m benchmarks.unfamiliarity --data data --real FOLDER --films FOLDER``

The threshold is that of the nodes: one known clip in a hundred is stranger, of those that were
held back when the bundle was made. All that is measured here was not used for anything before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.unfamiliarity.footage import (
    FAULTS,
    OTHER_ROBOT,
    OTHER_TASKS,
    Stream,
    films,
    labelled,
    spoilt,
    unlabelled,
)
from benchmarks.unfamiliarity.observed import Observer
from benchmarks.unfamiliarity.report import Measured, report
from vljepa_ros.runtime.calibration import Calibration
from vljepa_ros.runtime.model import VLJepa

REAL = ("droid_1k", "franka_phases", "g1_phases", "bridge_v2_page")
HELD_OUT, CAMERAS = "unseen episodes", "unseen cameras"


def main() -> None:
    """Parse the command line, measure, print the tables and draw the picture."""
    args = _arguments()
    model = VLJepa.load(args.bundle)
    if not model.known_clips.are_there:
        raise SystemExit(f"{model.bundle.root} has no statistics: nothing to measure")
    observe = Observer(model, args.data / "observed")
    groups = {}
    for name, streams in _groups(args).items():
        if streams:
            groups[name] = observe(streams, name)
        else:
            print(f"skipped: {name}, nothing of it is there")
    measured = Measured(model.known_clips, groups, groups[HELD_OUT], groups.get(CAMERAS, []))
    calibration = Calibration.from_bundle(model.bundle)
    print(report(measured, calibration, tuple(model.bundle.queries)))
    print(_cost(model))
    if args.picture:
        from benchmarks.unfamiliarity.picture import draw  # needs matplotlib

        draw(measured, args.picture)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=None, help="default: the shipped bundle")
    parser.add_argument("--data", type=Path, default=Path("data"), help="of make_data and render")
    parser.add_argument("--real", type=Path, default=Path("real"), help=f"has {', '.join(REAL)}")
    parser.add_argument("--films", type=Path, default=Path("films"), help="street, faces: mp4")
    parser.add_argument("--most", type=int, default=20, help="films of each folder")
    parser.add_argument("--picture", type=Path, default=None, help="draw it into this file")
    return parser.parse_args()


def _groups(args: argparse.Namespace) -> dict[str, Sequence[Stream]]:
    held_out = labelled(args.data, "test")
    if not held_out:
        raise SystemExit(f"{args.data}/test has no episode: run make_data, docs/training.md")
    groups: dict[str, Sequence[Stream]] = {
        HELD_OUT: held_out,
        CAMERAS: labelled(args.data, "side"),
        "unseen tasks": unlabelled(args.data / OTHER_TASKS),
        "another simulated robot": unlabelled(args.data / OTHER_ROBOT)[: args.most],
    }
    groups |= {f"real: {name}": films(args.real / name / "clips", args.most) for name in REAL}
    groups["street, faces, animation"] = films(args.films, args.most)
    return groups | {fault: spoilt(held_out[::8], fault) for fault in FAULTS}


def _cost(model: VLJepa) -> str:
    """Return what unfamiliarity and features cost beside a whole tick."""
    bundle = model.bundle
    image = np.zeros((bundle.frame.height, bundle.frame.width, 3), np.uint8)
    frames, queries = [model.encode_frame(image)] * bundle.clip.frames, [*bundle.queries.values()]
    features = model.see_clips([frames], []).features[0]

    def milliseconds(work: object, times: int) -> float:
        spent = []
        for _ in range(times):
            start = time.thread_time()
            work()  # type: ignore[operator]
            spent.append(time.thread_time() - start)
        return 1e3 * float(np.median(spent))

    def tick() -> None:
        model.encode_frame(image)
        model.embed_clips([frames], queries)

    seen = milliseconds(lambda: model.see_clips([frames], []), 200)
    compared = milliseconds(lambda: model.unfamiliarity(features), 200)
    whole = milliseconds(tick, 50)
    part = 100 * (seen + compared) / whole
    return (
        f"cost of a tick {whole:.2f} ms of CPU; of that features {seen:.3f} and unfamiliarity "
        f"{compared:.3f} ms, {part:.1f} percent"
    )


if __name__ == "__main__":
    main()
