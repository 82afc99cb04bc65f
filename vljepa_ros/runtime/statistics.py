# SPDX-License-Identifier: Apache-2.0
"""What a bundle has to know of itself: which clips are familiar, and how often it is right.

Whoever makes a bundle calls :func:`add_statistics` at the end: the export of a model, and
teaching. It needs no torch. Its parts, :func:`compute_statistics` and :func:`fit_calibration`, may
be called alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.files import new_file
from vljepa_ros.runtime.bundle import MANIFEST, Bundle, write_manifest
from vljepa_ros.runtime.calibration import (
    LEAST_ANSWERS,
    Calibration,
    ScoreLine,
    calibration_fields,
)
from vljepa_ros.runtime.camera_looks import CameraLook
from vljepa_ros.runtime.choose_decoder import available_decoders, choose_decoder
from vljepa_ros.runtime.model import SeenClips, VLJepa
from vljepa_ros.runtime.unfamiliarity import KnownClips, by_recording
from vljepa_ros.stream.clip_window import ClipWindow

KNOWN_CLIPS, CALIBRATION = "known_clips.npz", "calibration.json"
"""Names of the files in a bundle."""

_OTHER_CAMERAS, _EVERY = 2, 2  # looks of a recording, and of every how many clips

MOST_CLIPS = 20_000
"""Of which statistics are computed; what comes after them is not looked at."""


@dataclass(frozen=True)
class LabelledClip:
    """A clip as the model sees it, and what is known about it.

    Attributes:
        recording: that it was cut from. Clips of one recording resemble each other.
        images: RGB (H, W, 3) of the bundle's size, number and rate, oldest first; there may be
            fewer if it has a memory. Arrays that the clip before had as well are not encoded
            again.
        answers: the right text by name of a query; queries of which nothing is known are left out.
    """

    recording: str
    images: Sequence[NDArray[np.uint8]]
    answers: Mapping[str, str] = field(default_factory=dict)


def cut_clips(
    bundle: Bundle,
    recording: str,
    frames: Iterable[tuple[int, NDArray[np.uint8]]],
    answers_of: Callable[[int], Mapping[str, str]] = lambda index: {},
    every_s: float = 0.4,
) -> Iterator[LabelledClip]:
    """Yield the clips that a robot sees in a recording, one for each ``every_s`` seconds.

    With a memory it sees something from the first frame on, so the first clips are shorter.

    Args:
        bundle: says how long clips are.
        recording: its name.
        frames: stamps in nanoseconds and RGB images (H, W, 3) of the bundle's size, in order.
        answers_of: returns the right texts at the frame with this number.
        every_s: seconds between the ends of two clips.
    """
    window = ClipWindow(bundle.clip.frames, bundle.clip.rate_hz)
    due_ns = -1
    for index, (stamp_ns, image) in enumerate(frames):
        window.push(stamp_ns, image)
        if stamp_ns < due_ns:
            continue
        if (clip := bundle.clip_in(window)) is not None:
            due_ns = stamp_ns + round(every_s * 1e9)
            yield LabelledClip(recording, clip.frames, answers_of(index))


def add_statistics(
    bundle: Bundle,
    known: Iterable[LabelledClip],
    unseen: Iterable[LabelledClip] = (),
    foreign: Iterable[LabelledClip] = (),
) -> Bundle:
    """Give a bundle its statistics and its calibration, and return it with its new manifest.

    Args:
        bundle: whose folder is written to: two small files and the manifest. Nobody may be
            loading it meanwhile.
        known: clips that the model was trained for.
        unseen: clips of the same kind, with answers, that it was not trained on. Without them the
            bundle has no calibration: on clips that it was trained on it is nearly always right.
        foreign: clips about which its phrases say nothing. Without them only what is far from
            all known clips is unfamiliar.

    Raises:
        TooFewClipsError: there are too few known clips, or too few foreign ones.
        BundleError: the bundle cannot be used.
        OSError: a file cannot be written.
    """
    model = VLJepa.load(bundle.root)
    try:
        statistics = compute_statistics(model, known, foreign)
        calibrations = fit_calibration(model, unseen)
    finally:
        model.close()
    statistics.save(bundle.root / KNOWN_CLIPS)
    changes = {"known_clips": KNOWN_CLIPS}
    (bundle.root / CALIBRATION).unlink(missing_ok=True)  # an older one was fitted to other clips
    if calibrations:
        content = json.dumps(calibration_fields(calibrations), indent=1) + "\n"
        with new_file(bundle.root / CALIBRATION) as stream:
            stream.write(content.encode())
        changes["calibration"] = CALIBRATION
    return write_manifest(bundle.root, {**_fields(bundle), **changes})


def compute_statistics(
    model: VLJepa, known: Iterable[LabelledClip], foreign: Iterable[LabelledClip] = ()
) -> KnownClips:
    """Return the statistics of clips that the model was trained for, and of foreign ones.

    Some clips are shown as other cameras would show them, too (:mod:`.camera_looks`), in two ways
    for each recording.

    Raises:
        TooFewClipsError: there are too few.
        BackendError: the model failed.
    """
    # The features of a trunk need no query; the X-Encoder's tokens come with any one.
    queries = list(model.bundle.queries.values())[:1] if model.bundle.pixels else []
    eye, other_eye = _Eye(model), _Eye(model)

    def rows() -> Iterator[tuple[str, NDArray[np.float32]]]:
        for number, clip in enumerate(islice(known, MOST_CLIPS)):
            yield clip.recording, model.appearance(eye.see(clip, queries).features[0])
            if number % _EVERY:
                continue
            for shown in _by_other_cameras(clip, model.bundle):
                seen = other_eye.see(shown, queries).features[0]
                yield clip.recording, model.appearance(seen)

    others = [
        model.appearance(eye.see(clip, queries).features[0])
        for clip in islice(foreign, MOST_CLIPS)
    ]
    return KnownClips.fit(by_recording(rows()), np.stack(others) if others else None)


def _by_other_cameras(clip: LabelledClip, bundle: Bundle) -> Iterator[LabelledClip]:
    for camera in range(_OTHER_CAMERAS):
        look = CameraLook.drawn(f"{clip.recording} {camera}")
        if bundle.pixels:
            images = [look.of(image) for image in clip.images]
        else:  # only the newest image counts, and what stands often is encoded once
            images = [look.of(clip.images[-1])] * len(clip.images)
        yield replace(clip, images=images)


def fit_calibration(model: VLJepa, unseen: Iterable[LabelledClip]) -> dict[str, Calibration]:
    """Return the calibration of each decoder that was judged on enough answers.

    An answer is right if it is the phrase that the clip is labelled with. A label in other words
    stands for the phrase of the query that is nearest to it, and so does a sentence.

    Args:
        model: a loaded model.
        unseen: clips with answers that the model was not trained on.

    Raises:
        BackendError: the model failed.
    """
    decoders = {
        name: choose_decoder(name, model.bundle, model.phrases)
        for name in available_decoders(model.bundle)
    }
    judge = _Judge(model)
    judged: dict[str, dict[str, list[tuple[float, bool]]]] = {name: {} for name in decoders}
    for query, vector, answer in _answered(model, unseen):
        right = judge.phrase(query, answer)
        for name, decoder in decoders.items():
            told = decoder.best(query, vector)
            is_right = judge.phrase(query, told.text) == right
            judged[name].setdefault(query, []).append((told.share, is_right))
    return {name: _calibration(model, rows) for name, rows in judged.items() if any(rows.values())}


def _answered(
    model: VLJepa, clips: Iterable[LabelledClip]
) -> Iterator[tuple[str, NDArray[np.float32], str]]:
    """Yield query, embedding and right text of every answer that is known."""
    questions, eye = model.bundle.queries, _Eye(model)
    for clip in clips:
        known = [q for q in clip.answers if q in questions and model.phrases.can_answer(q)]
        if known:
            vectors = eye.see(clip, [questions[query] for query in known]).embeddings[0]
            for query, vector in zip(known, vectors, strict=True):
                yield query, vector, clip.answers[query]


def _calibration(model: VLJepa, judged: Mapping[str, list[tuple[float, bool]]]) -> Calibration:
    lines = {}
    for query, rows in judged.items():
        if len(rows) >= LEAST_ANSWERS:
            shares, right = zip(*rows, strict=True)
            lines[query] = ScoreLine.fit(shares, right, 1 / len(model.phrases.texts[query]))
    return Calibration(lines)


class _Eye:
    """Passes clips through a model, each frame of neighbouring clips once."""

    def __init__(self, model: VLJepa) -> None:
        self._model = model
        self._newest: list[tuple[NDArray[np.uint8], NDArray[Any]]] = []

    def see(self, clip: LabelledClip, queries: Sequence[str]) -> SeenClips:
        known = {id(image): frame for image, frame in self._newest}
        images = list(clip.images)
        for image in images:
            if id(image) not in known:
                known[id(image)] = self._model.encode_frame(image)
        frames = [known[id(image)] for image in images]
        self._newest = list(zip(images, frames, strict=True))
        return self._model.see_clips([frames], queries)


class _Judge:
    """Finds the phrase of a query that a text stands for."""

    def __init__(self, model: VLJepa) -> None:
        self._model = model
        self._found: dict[tuple[str, str], str] = {}

    def phrase(self, query: str, text: str) -> str:
        """Return the phrase that a text is, or the one that is nearest to it."""
        key = (query, text)
        if key not in self._found:
            self._found[key] = self._nearest(query, text)
        return self._found[key]

    def _nearest(self, query: str, text: str) -> str:
        phrases = self._model.phrases
        same = [phrase for phrase in phrases.texts[query] if phrase.casefold() == text.casefold()]
        if same or "y_encoder" not in self._model.bundle.graphs:
            return same[0] if same else text
        return phrases.best(query, self._model.embed_text(text)).text


def _fields(bundle: Bundle) -> dict[str, Any]:
    """Return the manifest but for what is computed, and for older statistics."""
    fields: dict[str, Any] = json.loads((bundle.root / MANIFEST).read_text(encoding="utf-8"))
    for name in ("format", "files", "known_clips", "calibration"):
        fields.pop(name, None)
    return fields
