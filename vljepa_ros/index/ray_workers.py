# SPDX-License-Identifier: Apache-2.0
"""Index recordings on the machines of a Ray cluster, which see the same files and store.

Ray gives a recording to another worker if the one that had it dies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vljepa_ros.index.find_recordings import RecordingJob
from vljepa_ros.index.index_job import IndexOptions, Outcome, run_job

LOCAL = "local"
_TRIES_AGAIN = 3


def run_on_ray(
    jobs: Sequence[RecordingJob], options: IndexOptions, address: str, workers: int | None = None
) -> Iterator[Outcome]:
    """Yield what becomes of the recordings, in the order in which they are done.

    Args:
        jobs: the recordings; their paths and the store's are the same on all machines.
        options: of the index.
        address: of the cluster's head, or "local" to start a cluster of this machine's.
        workers: how many a cluster that is started here has; None is one for each core.

    Raises:
        RayError: the cluster is lost, or workers died too often on one recording.
    """
    import ray

    here = {"num_cpus": workers} if address == LOCAL else {}
    ray.init(address, log_to_driver=False, configure_logging=False, **here)
    try:
        remote = ray.remote(num_cpus=options.threads, max_retries=_TRIES_AGAIN)(_work)
        waiting = [remote.remote(job, options) for job in jobs]
        while waiting:
            done, waiting = ray.wait(waiting)
            yield from ray.get(done)
    finally:
        ray.shutdown()


def _work(job: RecordingJob, options: IndexOptions) -> Outcome:
    return run_job(job, options, _tell_nobody)


def _tell_nobody(seconds: float) -> None:
    """Ray shows on its own page which recordings are worked on."""
