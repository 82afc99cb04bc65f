# SPDX-License-Identifier: Apache-2.0
"""What a worker does with one recording, and what became of it. Workers are processes anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from vljepa_ros.index.find_recordings import RecordingJob
from vljepa_ros.index.index_recording import Progress, index_recording
from vljepa_ros.index.store import Store
from vljepa_ros.index.stored import StoredRecording
from vljepa_ros.recordings.source import SourceError
from vljepa_ros.runtime.model import VLJepa


class Fate(Enum):
    """What became of a recording."""

    INDEXED = "indexed"
    KEPT = "indexed before"
    OTHER_SPACE = "indexed before with another model"
    BUSY = "being indexed by another process"
    NO_PICTURES = "topics beside these without pictures that can be shown"
    UNREADABLE = "could not be indexed"


@dataclass(frozen=True)
class IndexOptions:
    """What all workers of an index have in common.

    Attributes:
        store: location of the store.
        bundle: folder of the model bundle; None is the default bundle.
        threads: compute threads of each worker.
        reindex: index recordings anew that another model indexed.
    """

    store: str
    bundle: str | None
    threads: int = 1
    reindex: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a recording.

    Attributes:
        job: names the recording.
        fate: what became of it.
        cause: why it could not be indexed, or what could not be read of it; "" if all is well.
        seconds: its length if it was indexed now.
    """

    job: RecordingJob
    fate: Fate
    cause: str = ""
    seconds: float = 0.0


class _BusyError(RuntimeError):
    """Another process indexes the recording."""


def run_job(job: RecordingJob, options: IndexOptions, progress: Progress) -> Outcome:
    """Index a recording unless that was done before.

    Raises:
        StoreError: the store cannot be used: there is no point in going on.
        BundleError: the bundle cannot be used.
        BackendError: the model failed.
    """
    model = loaded_model(options.bundle, options.threads)
    store = Store.open_or_create(options.store)
    try:
        with store.locked(job.id, _busy):
            before = _before(store, job)
            if before is not None and (fate := _fate(before, job, model, options)):
                return Outcome(job, fate)
            recording = index_recording(job, store, model, progress)
    except _BusyError:
        return Outcome(job, Fate.BUSY)
    except (SourceError, OSError) as error:
        return Outcome(job, Fate.UNREADABLE, str(error))
    return Outcome(job, Fate.INDEXED, recording.problems, recording.duration_s)


@lru_cache(maxsize=1)
def loaded_model(bundle: str | None, threads: int) -> VLJepa:
    """Return the model of this process, which is loaded once."""
    return VLJepa.load(bundle, threads=threads)


def _before(store: Store, job: RecordingJob) -> StoredRecording | None:
    return next((one for one in store.recordings() if one.id == job.id), None)


def _fate(
    before: StoredRecording, job: RecordingJob, model: VLJepa, options: IndexOptions
) -> Fate | None:
    """Return what becomes of a recording that was indexed before; None is to index it anew."""
    if before.space_id != model.bundle.space_id:
        return None if options.reindex else Fate.OTHER_SPACE
    same = before.fingerprint == job.fingerprint and before.queries == model.bundle.queries
    return Fate.KEPT if same else None


def _busy() -> None:
    raise _BusyError
