# SPDX-License-Identifier: Apache-2.0
"""One recording into a store: its images through the model, and what that says into tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

from vljepa_ros.index.due_frames import DueFrames
from vljepa_ros.index.find_recordings import RecordingJob
from vljepa_ros.index.offline_describer import OfflineDescriber, Told, ToldSegment, ToldState
from vljepa_ros.index.read_ahead import read_ahead
from vljepa_ros.index.recording_writer import RecordingWriter, Tick
from vljepa_ros.index.store import Store
from vljepa_ros.index.stored import StoredRecording, StoredSegment, StoredState
from vljepa_ros.index.thumbnails import Thumbnails
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.source import Source, SourceError
from vljepa_ros.runtime.calibration import Calibration
from vljepa_ros.runtime.clip_embedder import ONE_CAMERA, ClipEmbedder, ClipEmbeddings
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.stream.image_faults import ImageFault

Progress = Callable[[float], None]
"""Is told the seconds of a recording that are done, again and again."""

(_CAMERA,) = ONE_CAMERA


def index_recording(
    job: RecordingJob, store: Store, model: VLJepa, progress: Progress
) -> StoredRecording:
    """Index a recording from its beginning to its end.

    Args:
        job: names the recording.
        store: gets what is found.
        model: a loaded model; every query of its bundle is asked.
        progress: is told how far it is.

    Raises:
        SourceError: the recording cannot be read, or is shorter than one clip.
        StoreError: the store cannot be written.
        BackendError: the model failed.
    """
    with open_source(job.path, job.topic) as source:
        return _RecordingRun(job, store, model, source).index(progress)


class _RecordingRun:
    """The parts of the road for one recording, and what goes into the store."""

    def __init__(self, job: RecordingJob, store: Store, model: VLJepa, source: Source) -> None:
        bundle = model.bundle
        self._job, self._bundle, self._source = job, bundle, source
        self._thumbnails = Thumbnails()
        self._frames = DueFrames(source, bundle, self._thumbnails)
        self._clips = ClipEmbedder(model, ["*"])
        calibration = Calibration.from_bundle(bundle)
        self._describer = OfflineDescriber(model.phrases, calibration, source.problems)
        self._writer = RecordingWriter(store, job.id, bundle.space_id, bundle.dimension)
        self._ticks = self._segments = 0

    def index(self, progress: Progress) -> StoredRecording:
        for clip, fault in self._embedded():
            self._ticks += 1
            self._writer.add_ticks(_ticks(clip, fault))
            self._write(self._describer.take(clip, fault))
            progress((clip.end_ns - self._frames.start_ns) / 1e9)
        self._write(self._describer.finish())
        if not self._ticks:
            shape = self._bundle.clip
            seconds = (shape.frames - 1) / shape.rate_hz
            raise SourceError(f"{self._source.name} is shorter than one clip of {seconds:.1f} s")
        recording = self._recording()
        self._writer.finish(recording)
        return recording

    def _embedded(self) -> Iterator[tuple[ClipEmbeddings, ImageFault]]:
        with closing(read_ahead(iter(self._frames))) as frames:
            for frame in frames:
                clip = self._clips.add({_CAMERA: frame}).get(_CAMERA)
                if clip is None:
                    continue
                if clip.is_finite:
                    yield clip, frame.fault
                else:
                    self._source.problems["embeddings not finite"] += 1

    def _write(self, told: Iterator[Told]) -> None:
        for one in told:
            if isinstance(one, ToldState):
                self._writer.add_state(_state(self._job.id, one))
            else:
                self._write_segment(one)

    def _write_segment(self, told: ToldSegment) -> None:
        segment = _segment(self._job.id, told, self._frames.start_ns)
        picture = self._thumbnails.nearest((segment.start_ns + segment.end_ns) // 2)
        self._writer.add_segment(segment, told.vector, picture)
        self._segments += 1

    def _recording(self) -> StoredRecording:
        bundle, frames = self._bundle, self._frames
        causes = (f"{cause} ({count} times)" for cause, count in self._source.problems.items())
        return StoredRecording(
            id=self._job.id,
            path=self._job.path,
            topic=self._job.topic,
            run=self._writer.run,
            fingerprint=self._job.fingerprint,
            space_id=bundle.space_id,
            dimension=bundle.dimension,
            model=f"{bundle.name} {bundle.version}",
            queries=dict(self._clips.queries),
            frame_id=frames.frame_id,
            start_ns=frames.start_ns,
            end_ns=frames.end_ns,
            images=frames.images,
            ticks=self._ticks,
            segments=self._segments,
            problems="; ".join(causes),
            indexed_ns=time.time_ns(),
        )


def _ticks(clip: ClipEmbeddings, fault: ImageFault) -> list[Tick]:
    return [
        Tick(query, clip.end_ns, clip.start_ns, vector, clip.unfamiliarity, int(fault))
        for query, vector in clip.vectors.items()
    ]


def _segment(recording_id: str, told: ToldSegment, first_ns: int) -> StoredSegment:
    segment, words = told.segment, told.words
    return StoredSegment(
        recording=recording_id,
        query=told.query,
        seq=told.seq,
        start_ns=segment.start_ns,
        end_ns=segment.end_ns,
        start=(segment.start_ns - first_ns) / 1e9,
        end=(segment.end_ns - first_ns) / 1e9,
        text=words.text,
        score=words.score,
        share=words.share,
        cosine=words.cosine,
        unfamiliarity=segment.unfamiliarity,
        samples=segment.samples,
    )


def _state(recording_id: str, told: ToldState) -> StoredState:
    update, words = told.update, told.update.words
    return StoredState(
        recording=recording_id,
        query=told.query,
        seq=update.seq,
        stamp_ns=told.stamp_ns,
        since_ns=update.since_ns,
        text=words.text,
        previous_text=update.previous_text,
        score=words.score,
        share=words.share,
        cosine=words.cosine,
        unfamiliarity=told.unfamiliarity,
        image_fault=int(told.image_fault),
        distance=told.distance,
        reason=int(update.reason),
    )
