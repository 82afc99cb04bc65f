# SPDX-License-Identifier: Apache-2.0
"""Several processes index into one store: each recording once, whatever happens to a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from support.recordings import write_video
from vljepa_ros.files import locked
from vljepa_ros.index.find_recordings import RecordingJob, jobs_of
from vljepa_ros.index.index_job import Fate, IndexOptions, run_job
from vljepa_ros.index.local_workers import run_in_processes
from vljepa_ros.index.store import Store

CODE = "import sys; from vljepa_ros.commands.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def videos(tmp_path: Path) -> list[Path]:
    return [write_video(tmp_path / f"{name}.mp4", ["red"] * 9 + ["blue"] * 9) for name in "abc"]


@pytest.fixture
def jobs(videos: list[Path]) -> list[RecordingJob]:
    return [job for video in videos for job in jobs_of(video)]


@pytest.fixture
def options(tmp_path: Path, colour_bundle: Path) -> IndexOptions:
    return IndexOptions(str(tmp_path / "store"), str(colour_bundle))


def nobody(*_: object) -> None:
    pass


def rows(store: Path | str) -> Counter[tuple[str, str]]:
    """How often each state of each recording stands in the store, seen or not."""
    found = Store.open(store)
    return Counter(
        (recording.id, segment.text)
        for recording in found.recordings()
        for segment in found.segments(recording)
        if segment.query == "colour"
    )


def test_each_recording_is_indexed_once(jobs, options) -> None:
    outcomes = list(run_in_processes([*jobs, *jobs], options, 2, nobody))
    fates = Counter(outcome.fate for outcome in outcomes)
    assert fates[Fate.INDEXED] == 3
    assert fates[Fate.KEPT] + fates[Fate.BUSY] == 3
    assert set(rows(options.store).values()) == {1}
    assert len(rows(options.store)) == 6


def test_what_a_killed_process_worked_on_is_done_again(jobs, options) -> None:
    killed: list[int] = []

    def kill(job: RecordingJob, seconds: float) -> None:
        if not killed:
            (child, *_) = children()
            killed.append(child)
            os.kill(child, signal.SIGKILL)

    outcomes = list(run_in_processes(jobs, options, 1, kill))
    assert killed
    assert sorted(outcome.job.path for outcome in outcomes) == sorted(job.path for job in jobs)
    assert {outcome.fate for outcome in outcomes} <= {Fate.INDEXED, Fate.KEPT}
    assert set(rows(options.store).values()) == {1}


def children() -> list[int]:
    """The processes of this one's pool."""
    import multiprocessing

    return [one.pid for one in multiprocessing.active_children() if one.pid]


@pytest.mark.slow
def test_a_recording_that_kills_its_process_again_and_again_is_named(jobs, options) -> None:
    def kill(job: RecordingJob, seconds: float) -> None:
        for child in children():
            os.kill(child, signal.SIGKILL)

    (outcome,) = run_in_processes(jobs[:1], options, 1, kill)
    if outcome.fate is Fate.KEPT:
        pytest.skip("it was done before the kill arrived")
    assert outcome.fate is Fate.UNREADABLE
    assert "died 3 times: is there enough memory?" in outcome.cause


def test_a_recording_in_work_is_left_to_the_other_process(jobs, options) -> None:
    run_job(jobs[0], options, nobody)
    held = Path(options.store, ".locks", jobs[1].id)
    with locked(held, lambda: None):
        assert run_job(jobs[1], options, nobody).fate is Fate.BUSY
    assert run_job(jobs[1], options, nobody).fate is Fate.INDEXED


@pytest.mark.slow
def test_two_commands_index_into_one_store(videos, options, tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE, "index", *map(str, videos), "--store", options.store]
    command += ["--bundle", str(options.bundle), "--workers", "1"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [one.wait(120) for one in both] == [0, 0]
    assert set(rows(options.store).values()) == {1}
    assert len(rows(options.store)) == 6


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_keeps_what_is_done_and_the_next_call_goes_on(
    colour_bundle: Path, tmp_path: Path, workers: int
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    write_video(disk / "a.mp4", ["red"] * 9)
    for name in ("b-long", "c-long"):
        write_video(disk / f"{name}.mp4", ["red", "blue"] * 2000)
    last = ("b-long", "c-long")[workers - 1]  # begins when the first one is done and told
    command = [sys.executable, "-c", CODE, "index", str(disk), "--store", str(tmp_path / "store")]
    command += ["--bundle", str(colour_bundle), "--workers", str(workers)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not is_held(tmp_path / "store", last):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "1 indexed:" in printed
    assert said.splitlines()[-1] == "vljepa index: stopped"
    assert [Path(one.path).name for one in Store.open(tmp_path / "store").recordings()] == [
        "a.mp4"
    ]


def is_held(store: Path, stem: str) -> bool:
    """Whether a process has taken the recording."""
    return any((store / ".locks").glob(f"{stem}*"))
