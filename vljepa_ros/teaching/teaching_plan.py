# SPDX-License-Identifier: Apache-2.0
"""From labels and recordings to a bundle with a report: all steps, one after the other."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Event

import torch

from vljepa_ros.files import check_replaceable, new_folder
from vljepa_ros.model.from_bundle import agreement, model_from_bundle
from vljepa_ros.runtime.bundle import BUNDLE, CARD, Bundle, ClipShape
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.queries import parse_queries
from vljepa_ros.stream.preprocess import CROP
from vljepa_ros.stream.sampling import ROUNDING_S
from vljepa_ros.teaching.advice import moments_to_label, needs, verdict
from vljepa_ros.teaching.check_labels import CheckedLabels, check_labels, listed
from vljepa_ros.teaching.copies import copies_together
from vljepa_ros.teaching.hold_out import group_by, split_lessons
from vljepa_ros.teaching.known_scenes import add_known_scenes, calibrations, strange_share
from vljepa_ros.teaching.label_row import LabelFault
from vljepa_ros.teaching.lessons import Seen, make_lessons
from vljepa_ros.teaching.material import Material, part_of, unlabelled
from vljepa_ros.teaching.measured_recording import MeasuredRecording, measure
from vljepa_ros.teaching.method import Fitted, fit
from vljepa_ros.teaching.query_figures import query_figures
from vljepa_ros.teaching.read_labels import label_rows
from vljepa_ros.teaching.recordings_folder import RecordingsFolder
from vljepa_ros.teaching.report_page import report_page
from vljepa_ros.teaching.taught_bundle import sealed, write_taught
from vljepa_ros.teaching.taught_recording import Lessons, TaughtRecording
from vljepa_ros.teaching.teaching_report import (
    NOT_LABELLED,
    PAGE,
    REPORT,
    TeachingReport,
)
from vljepa_ros.teaching.watch import Progress, Watch

_STOPPED = "learning was stopped early: the same command continues, and may find a better model"


class UnusableLabelsError(ValueError):
    """Labels cannot be used; ``faults`` lists them."""

    def __init__(self, faults: Sequence[LabelFault]) -> None:
        """Keep the faults."""
        super().__init__(f"{len(faults)} labels cannot be used")
        self.faults = tuple(faults)


@dataclass(frozen=True)
class TeachingPlan:
    """What is to be taught.

    Attributes:
        bundle: what is taught further.
        labels: files and folders of labels.
        recordings: folder of the recordings that they name.
        out: folder of the bundle to write; its name is the bundle's.
        work: folder of what is kept for the next run.
        queries: queries of one's own as ``name: text``, or names of the bundle's. The first one is
            that of labels that name none; without any it is the bundle's first.
        group: what recordings are held out together (:func:`~.hold_out.group_by`).
        held_out: which of them (:func:`~.hold_out.split_lessons`).
        camera: key of the video of a LeRobot dataset.
        image_fit: how images are brought to the model's size.
        keep: folders with labels and recordings that are taught and not measured.
        skip_unusable: whether labels that cannot be used are left out.
        threads: compute threads.
    """

    bundle: Path
    labels: tuple[Path, ...]
    recordings: Path
    out: Path
    work: Path
    queries: tuple[str, ...] = ()
    group: str = ""
    held_out: str = ""
    camera: str = ""
    image_fit: str = CROP
    keep: tuple[Path, ...] = ()
    skip_unusable: bool = False
    threads: int = 1


def teach(plan: TeachingPlan, on_progress: Progress, stop: Event) -> TeachingReport:
    """Do all of it, and write the bundle when everything is there.

    Args:
        plan: what is to be taught.
        on_progress: told how far it is.
        stop: if it is set while the model learns, the best model so far is taken; before that
            nothing is written.

    Raises:
        UnusableLabelsError: labels cannot be used; nothing was written.
        CheckpointError: the bundle cannot be taught.
        SourceError: a recording can no longer be read.
        OccupiedError: the place of the bundle is taken by something else.
        KeyboardInterrupt: it was stopped before the model began to learn.
        ValueError: the plan cannot be followed.
    """
    check_replaceable(plan.out, BUNDLE)
    watch = Watch(on_progress)
    torch.set_num_threads(plan.threads)
    runtime = VLJepa.load(plan.bundle, threads=plan.threads)
    material = _material(plan, runtime.bundle, watch, stop)
    model = model_from_bundle(runtime.bundle)
    agreement(model, runtime)
    if stop.is_set():  # nothing has been learned
        raise KeyboardInterrupt
    fitted = fit(
        model,
        material.taught,
        material.split.checked,
        runtime,
        plan.work,
        watch.step("learn"),
        stop,
    )
    if stop.is_set():
        material = replace(material, notes=(*material.notes, _STOPPED))
    with new_folder(plan.out, BUNDLE) as part:
        return _written(plan, part, fitted, runtime.bundle, material, watch)


def questions_of(bundle: Bundle, entries: Sequence[str]) -> dict[str, str]:
    """Return the text of every query that may be taught, by name.

    Args:
        bundle: what is taught further; its queries are known.
        entries: ``name: text`` of one's own queries, and names of known ones.

    Raises:
        QueryError: an entry is not valid.
    """
    own = parse_queries(entries, bundle.queries) if entries else {}
    return {**bundle.queries, **own}


def first_name(entries: Sequence[str]) -> str:
    """Return the name of the first of some queries, or "" if there is none."""
    return entries[0].partition(":")[0].strip() if entries else ""


def _material(plan: TeachingPlan, bundle: Bundle, watch: Watch, stop: Event) -> Material:
    """Read and check the labels, decode the recordings, and hold some out."""
    watch.begin("read the labels")
    questions = questions_of(bundle, plan.queries)
    default = first_name(plan.queries) or next(iter(bundle.queries))
    checked = _checked(plan.labels, plan.recordings, plan, questions, default)
    kept = [_checked((each,), each, plan, questions, default) for each in plan.keep]
    faults = tuple(fault for one in (checked, *kept) for fault in one.faults)
    if faults and not plan.skip_unusable:
        raise UnusableLabelsError(faults)
    own, others = checked.rows, tuple(row for one in kept for row in one.rows)
    if not own:
        raise ValueError("no label can be used")
    seen = Seen.by(bundle, plan.image_fit)
    progress = watch.step("decode the recordings")

    def decoded(done: int, total: int) -> None:
        progress(done / total)
        if stop.is_set():
            raise KeyboardInterrupt

    rows = (*own, *others)
    lessons = make_lessons(
        rows, questions, seen, plan.work / "frames", group_by(plan.group), decoded
    )
    if bundle.memory is None:  # a recording may be shorter than a memory
        _check_length(lessons, bundle.clip)
    lessons, copies = copies_together(lessons)
    measured = len({row.footage for row in own})
    split = split_lessons(
        replace(lessons, recordings=lessons.recordings[:measured]), plan.held_out
    )
    footage = tuple(dict.fromkeys(row.footage for row in rows))
    notes = (*copies, *(f"left out: {line}" for line in listed(faults)))
    return Material(split, lessons.recordings, measured, footage, notes)


def _check_length(lessons: Lessons, clip: ClipShape) -> None:
    longest = max(float(one.stamps_s[-1] - one.stamps_s[0]) for one in lessons.recordings)
    needed = (clip.frames - 1) / clip.rate_hz
    if longest < needed - ROUNDING_S:
        raise ValueError(
            f"the longest recording lasts {longest:.1f} s, and a clip of the model "
            f"{needed:.1f} s: there is no clip to learn from; make longer recordings"
        )


def _checked(
    labels: Sequence[Path],
    recordings: Path,
    plan: TeachingPlan,
    questions: Mapping[str, str],
    default: str,
) -> CheckedLabels:
    rows, faults = label_rows(labels, RecordingsFolder(recordings), plan.camera)
    found = check_labels(rows, questions, default)
    return CheckedLabels(found.rows, (*faults, *found.faults))


def _written(
    plan: TeachingPlan, part: Path, fitted: Fitted, base: Bundle, material: Material, watch: Watch
) -> TeachingReport:
    """Write the bundle with its report into an empty folder."""
    watch.begin("write the bundle")
    write_taught(fitted.model, base, material.taught, part, plan.out.name)
    report = _measured(plan, part, material, watch)
    report = replace(report, base=base.name, history=tuple(fitted.history))
    if (plan.out / CARD).exists():  # the model card is written by hand
        shutil.copy(plan.out / CARD, part)
    (part / REPORT).write_text(report.as_json(), encoding="utf-8")
    (part / PAGE).write_text(report_page(report), encoding="utf-8")
    sealed(part)
    return report


def _measured(
    plan: TeachingPlan, folder: Path, material: Material, watch: Watch
) -> TeachingReport:
    """Run the new bundle over the held-out recordings as a robot would, and judge it."""
    watch.begin("find out what is familiar")
    held_out = material.split.held_out
    bundle, notes = add_known_scenes(Bundle.load(folder), material.taught, held_out)
    runtime = VLJepa.load(folder, threads=plan.threads)
    found = _run_over(runtime, held_out, held_out.recordings, watch.step("measure"))
    seen = Seen.by(bundle, plan.image_fit)
    unknown = unlabelled(plan.recordings, material.footage, seen, plan.work)
    looked_at = _run_over(
        runtime, held_out, [one for one, _ in unknown], watch.step("find what to label next")
    )
    runtime.close()
    figures = tuple(
        query_figures(query, question, held_out.texts[query], material.taught.recordings, found)
        for query, question in held_out.questions.items()
    )
    needed = needs(figures)
    return TeachingReport(
        name=bundle.name,
        space_id=bundle.space_id,
        base="",
        made=datetime.now().astimezone().isoformat(timespec="minutes"),
        verdict=verdict(figures, needed),
        queries=figures,
        calibration=tuple(calibrations(found, held_out)),
        unfamiliar=strange_share(found),
        needs=tuple(needed),
        moments=tuple(moments_to_label([*found, *looked_at], held_out.texts)),
        recordings=(*material.parts(), *(part_of(*one, NOT_LABELLED) for one in unknown)),
        labelled_s=material.labelled_s(),
        took_s=watch.took_s(),
        notes=(*notes, *material.notes),
    )


def _run_over(
    runtime: VLJepa,
    lessons: Lessons,
    recordings: Sequence[TaughtRecording],
    on_progress: Callable[[float], None],
) -> list[MeasuredRecording]:
    found = []
    for recording in recordings:
        found.append(measure(runtime, lessons.questions, recording))
        on_progress(len(found) / len(recordings))
    return found
