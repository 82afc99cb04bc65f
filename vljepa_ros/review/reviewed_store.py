# SPDX-License-Identifier: Apache-2.0
"""A store as the page shows it: recordings, their lanes with corrections, search, and what to do.

Everything comes out as plain lists and objects for JSON.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from vljepa_ros.index.store import Store, StoreError
from vljepa_ros.index.stored import StoredRecording, StoredSegment
from vljepa_ros.review.corrections import CorrectionError, CorrectionsFile, Edit
from vljepa_ros.review.doubtful import ReviewedLane, most_doubtful
from vljepa_ros.review.frame_pictures import FramePictures
from vljepa_ros.review.reviewed_lane import LaneSegment, with_corrections
from vljepa_ros.review.store_texts import StoreTexts
from vljepa_ros.stream.doubt import DoubtConfig
from vljepa_ros.views.colours import StateColours

UNFAMILIAR = DoubtConfig().threshold
"""What is more unfamiliar is hatched, as the describer doubts it."""
_FOUND = 24  # results of a search
_DOUBTFUL = 60
_KEPT_RECORDINGS = 256
_GAP = 1.5  # usual intervals between clips; what is further apart is not one stretch


class ReviewedStore:
    """Reads a store, and writes corrections beside it. For any number of threads.

    Attributes:
        folder: of the store.
        pictures: single images of its recordings.
    """

    def __init__(self, store: Store, bundle: Path | None = None) -> None:
        """Take an open store.

        Args:
            store: may grow meanwhile.
            bundle: folder of the bundle that embeds texts; None is the shipped one.

        Raises:
            StoreError: the store is not a folder on this machine.
        """
        if store.folder is None:
            raise StoreError(
                f"{store.location} is no folder: corrections are files, so copy the store here"
            )
        self.folder = store.folder
        self.pictures = FramePictures()
        self._store = store
        self._texts = StoreTexts(store, bundle)
        self._segments = lru_cache(_KEPT_RECORDINGS)(self._read_segments)

    def recordings(self) -> list[dict[str, Any]]:
        """Return a line about each recording."""
        return [self._about(one) for one in self._store.recordings()]

    def recording(self, recording_id: str) -> StoredRecording:
        """Return a recording.

        Raises:
            StoreError: there is no such recording.
        """
        return self._store.recording(recording_id)

    def described(self, recording_id: str) -> dict[str, Any]:
        """Return all that the page shows of a recording, but for its images.

        Raises:
            StoreError: there is no such recording.
            CorrectionError: its corrections cannot be read.
        """
        recording = self.recording(recording_id)
        lanes = self._lanes(recording)
        return {
            **self._about(recording),
            "revision": self.corrections(recording).revision(),
            "lanes": [self._lane(recording, lane) for lane in lanes],
            "colours": _colours(lanes, self._texts.phrases(recording.space_id)),
            "unfamiliar": self._unfamiliar(recording),
            "frame_s": recording.duration_s / max(1, recording.images - 1),
        }

    def shown(self, recording_id: str) -> dict[str, Sequence[LaneSegment]]:
        """Return the segments after corrections by query, as they are exported."""
        lanes = self._lanes(self.recording(recording_id))
        return {lane.query: lane.shown for lane in lanes}

    def edit(self, recording_id: str, edit: Edit) -> dict[str, Any]:
        """Write an edit to the disk, and return its lane and what else has changed.

        Raises:
            StoreError: there is no such recording.
            EditConflictError: somebody else has changed the same stretch.
            CorrectionError: there is no such query, or the corrections cannot be read.
            OSError: they cannot be written.
        """
        recording = self.recording(recording_id)
        corrections = self.corrections(recording)
        if edit.query not in {*recording.queries, *corrections.by_query()}:
            raise CorrectionError(f"{recording_id} was not asked {edit.query!r}")
        corrections.apply(edit)
        lanes = self._lanes(recording)
        changed = next(lane for lane in lanes if lane.query == edit.query)
        return {
            "revision": corrections.revision(),
            "lane": self._lane(recording, changed),
            "colours": _colours(lanes, self._texts.phrases(recording.space_id)),
        }

    def corrections(self, recording: StoredRecording) -> CorrectionsFile:
        """Return the corrections of a recording."""
        file = self.folder / "corrections" / f"{recording.id}.jsonl"
        return CorrectionsFile(file, recording.path, recording.topic)

    def found(self, text: str) -> list[dict[str, Any]]:
        """Return the moments that fit a text best.

        Raises:
            StoreError: the bundle cannot be used, or indexed nothing here.
            TextError: there is nothing to look for.
        """
        return [
            _moment(hit.recording, hit.segment.query, _plain(hit.segment), hit.cosine)
            for hit in self._texts.found(text, _FOUND)
        ]

    def doubtful(self) -> list[dict[str, Any]]:
        """Return the moments whose correction would teach most, best first."""
        recordings = {one.id: one for one in self._store.recordings()}
        lanes = [lane for one in recordings.values() for lane in self._lanes(one)]
        return [
            _moment(recordings[one.recording], one.query, one.segment, one.doubt)
            for one in most_doubtful(lanes, _DOUBTFUL)
        ]

    def thumbnail(self, recording: StoredRecording, query: str, time_s: float) -> bytes:
        """Return the picture of what the model said of a time; empty if there is none."""
        model = self._segments(recording.id, recording.run).get(query, ())
        number = bisect_right(model, time_s, key=lambda one: one.start) - 1
        return self._store.thumbnail(recording, query, number) if number >= 0 else b""

    def jpeg(self, recording: StoredRecording, time_s: float, width: int) -> bytes:
        """Return the image of a recording that is shown at a time; raises SourceError."""
        return self.pictures.jpeg(Path(recording.path), recording.topic, time_s, width)

    def _about(self, recording: StoredRecording) -> dict[str, Any]:
        path = Path(recording.path)
        return {
            "id": recording.id,
            "name": f"{path.parent.name}/{path.name} {recording.topic}".strip(),
            "path": recording.path,
            "duration": recording.duration_s,
            "segments": recording.segments,
            "problems": recording.problems,
        }

    def _lanes(self, recording: StoredRecording) -> list[ReviewedLane]:
        """Return the lanes of a recording, those of queries that only corrections name last."""
        corrections = self.corrections(recording).by_query()
        model = self._segments(recording.id, recording.run)
        queries = dict.fromkeys([*recording.queries, *model, *corrections])
        return [
            ReviewedLane(recording.id, query, said, right, with_corrections(said, right))
            for query in queries
            for said, right in [(model.get(query, ()), corrections.get(query, ()))]
        ]

    def _read_segments(self, recording_id: str, run: str) -> Mapping[str, Sequence[LaneSegment]]:
        del run  # tells one indexing of the recording from another
        found: dict[str, list[LaneSegment]] = {}
        for segment in self._store.segments(self.recording(recording_id)):
            found.setdefault(segment.query, []).append(
                _plain(segment)
            )  # number `seq` of its query
        return found

    def _lane(self, recording: StoredRecording, lane: ReviewedLane) -> dict[str, Any]:
        phrases = self._texts.phrases(recording.space_id).get(lane.query, ())
        return {
            "name": lane.query,
            "question": recording.queries.get(lane.query, ""),
            "phrases": list(phrases),
            "shown": [vars(one) for one in lane.shown],
            "model": [vars(one) for one in lane.model] if lane.corrections else [],
            "corrections": [vars(one) for one in lane.corrections],
        }

    def _unfamiliar(self, recording: StoredRecording) -> list[tuple[float, float]]:
        """Return the stretches, in seconds, through which the scene was unfamiliar."""
        if not recording.queries:
            return []
        ticks = self._store.ticks(recording, next(iter(recording.queries)))
        times = (ticks.stamps_ns - recording.start_ns) / 1e9
        return list(_stretches(times, ticks.unfamiliarity > UNFAMILIAR))


def _stretches(times: Any, marked: Any) -> Iterator[tuple[float, float]]:
    """Yield begin and end of each run of marked times without a hole."""
    if not len(times):
        return
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 0.0
    cuts = np.flatnonzero((np.diff(marked.astype(np.int8)) != 0) | (steps > _GAP * usual)) + 1
    for run in np.split(np.arange(len(times)), cuts):
        if marked[run[0]]:
            yield float(times[run[0]]), float(times[run[-1]]) + usual


def _plain(segment: StoredSegment) -> LaneSegment:
    strange = None if math.isnan(segment.unfamiliarity) else segment.unfamiliarity
    score = None if math.isnan(segment.score) else segment.score
    return LaneSegment(segment.start, segment.end, segment.text, score, strange)


def _moment(
    recording: StoredRecording, query: str, segment: LaneSegment, value: float
) -> dict[str, Any]:
    return {
        "recording": recording.id,
        "name": Path(recording.path).name,
        "query": query,
        "value": value,
        **vars(segment),
    }


def _colours(
    lanes: Sequence[ReviewedLane], phrases: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Return a colour for each text; those of the model's texts do not depend on corrections."""
    colours = StateColours()
    said = sorted((one for lane in lanes for one in lane.model), key=lambda one: one.start)
    corrected = [one.label for lane in lanes for one in lane.corrections]
    known = [phrase for lane in lanes for phrase in phrases.get(lane.query, ())]
    texts = dict.fromkeys([*(one.text for one in said), *corrected, *known])
    return {text: "#{:02x}{:02x}{:02x}".format(*colours.of(text)) for text in texts if text}
