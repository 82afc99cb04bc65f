# SPDX-License-Identifier: Apache-2.0
"""The same job on a local Ray cluster of two workers: each recording once, also if one dies."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from support.recordings import write_video
from vljepa_ros.index.find_recordings import jobs_of
from vljepa_ros.index.index_job import Fate, IndexOptions
from vljepa_ros.index.ray_workers import run_on_ray
from vljepa_ros.index.store import Store

pytest.importorskip("ray", reason="requirements/fleet.txt is not installed")
psutil = pytest.importorskip("psutil", reason="it finds the worker that is killed")


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    tmp_path: Path, colour_bundle: Path
) -> None:
    videos = [write_video(tmp_path / f"{n}.mp4", ["red", "blue"] * 400) for n in range(4)]
    jobs = [job for video in videos for job in jobs_of(video)]
    options = IndexOptions(str(tmp_path / "store"), str(colour_bundle))
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker, args=(tmp_path / "store", killed))
    killer.start()
    outcomes = list(run_on_ray([*jobs, jobs[0]], options, "local", workers=2))
    killer.join()
    assert killed
    fates = Counter(outcome.fate for outcome in outcomes)
    assert sum(fates.values()) == 5
    assert set(fates) <= {Fate.INDEXED, Fate.KEPT, Fate.BUSY}
    store = Store.open(tmp_path / "store")
    assert sorted(one.path for one in store.recordings()) == sorted(map(str, videos))
    for recording in store.recordings():
        ticks = store.ticks(recording, "colour")
        assert len(ticks.stamps_ns) == len(set(ticks.stamps_ns.tolist())) == 797
        numbers = [one.seq for one in store.segments(recording) if one.query == "colour"]
        assert numbers == list(range(len(numbers)))


def kill_a_worker(store: Path, killed: list[int]) -> None:
    """Kill a process of the cluster that has a recording's lock."""
    deadline = time.monotonic() + 120
    while not killed and time.monotonic() < deadline:
        for process in psutil.Process().children(recursive=True):
            try:
                held = any(str(store / ".locks") in file.path for file in process.open_files())
            except psutil.Error:
                continue
            if held:
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)
                return
        time.sleep(0.05)
