# SPDX-License-Identifier: Apache-2.0
"""The whole demo over real DDS: what it prints and writes, and how it fails."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import pytest

from support.demo_program import Running
from support.recordings import bag_image, write_bag, write_video

Start = Callable[..., Running]
RATE_HZ = 10.0
RED, BLUE = "the scene is red", "the scene is blue"


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a demo with arguments; output goes to `tmp_path / "out"`."""
    pytest.importorskip("rclpy", reason="the demo needs ROS 2")
    started: list[Running] = []

    def start(*arguments: str | Path) -> Running:
        started.append(Running([*map(str, arguments), "--out", str(tmp_path / "out")], tmp_path))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Three seconds of red and three of blue, with their truth beside them."""
    colours = ["red"] * 30 + ["blue"] * 30
    truth = {
        "rate_hz": RATE_HZ,
        "queries": {
            "colour": [
                {"start": 0.0, "end": 3.0, "text": RED},
                {"start": 3.0, "end": 6.0, "text": BLUE},
            ]
        },
        "episodes": [{"start": 0.0, "end": 6.0, "task": "changing colour"}],
    }
    (tmp_path / "recording.json").write_text(json.dumps(truth))
    return write_video(tmp_path / "recording.mp4", colours, RATE_HZ)


def written(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "out" / "log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def colour_texts(rows: list[dict[str, Any]]) -> list[str]:
    return [one["text"] for one in rows if one["type"] == "state" and one["query"] == "colour"]


def test_a_recording_is_shown_from_beginning_to_end(
    demo: Start, recording: Path, colour_bundle: Path, tmp_path: Path
) -> None:
    truth = recording.with_suffix(".json")
    run = demo("--video", recording, "--truth", truth, "--bundle", colour_bundle)
    assert run.wait() == 0, run.lines
    rows = written(tmp_path)

    assert colour_texts(rows) == [RED, BLUE]
    printed = [line for line in run.lines if " s  colour " in line]
    assert [RED in printed[0], BLUE in printed[1]] == [True, True]
    change_s = float(printed[1].split()[0])
    assert 3.0 <= change_s < 6.0

    assert [rows[0]["type"], rows[-1]["type"]] == ["run", "summary"]
    summary = rows[-1]
    assert summary["frames"] == 60
    embeddings = [one for one in rows if one["type"] == "embedding"]
    assert summary["embeddings"] == len(embeddings) > 40
    assert all(one["window_start_ns"] < one["stamp_ns"] < one["received_ns"] for one in embeddings)
    assert summary["embedding_latency"]["p50_ms"] > 0
    assert 0.5 < summary["agreement"]["colour"]["exact"] <= 1.0
    assert any("colour: " in line and "% right" in line for line in run.lines)
    assert run.lines[-1].startswith("demo: done.")

    with av.open(str(tmp_path / "out" / "annotated.mp4")) as video:
        frames = list(video.decode(video=0))
    assert len(frames) == 60
    assert round(frames[-1].time, 2) == 5.9
    picture = cv2.imread(str(tmp_path / "out" / "timeline.png"))
    assert picture.shape[1] == 1600


def test_a_bag_without_truth_works_too(demo: Start, colour_bundle: Path, tmp_path: Path) -> None:
    images = [
        (n * 100_000_000, bag_image("green", n * 100_000_000 + 1, "bgr8")) for n in range(30)
    ]
    run = demo("--bag", write_bag(tmp_path / "bag", images), "--bundle", colour_bundle)
    assert run.wait() == 0, run.lines
    rows = written(tmp_path)
    assert colour_texts(rows) == ["the scene is green"]
    assert rows[-1]["agreement"] == {}


def test_ctrl_c_ends_the_run_with_everything_written(
    demo: Start, recording: Path, colour_bundle: Path, tmp_path: Path
) -> None:
    run = demo("--video", recording, "--bundle", colour_bundle)
    run.wait_line(lambda line: RED in line, "the first state")
    nodes = run.children()
    assert set(nodes) == {"pipeline", "replay"}
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 0, run.lines
    assert "ended by Ctrl-C" in run.lines
    assert written(tmp_path)[-1]["type"] == "summary"
    assert not any(Path(f"/proc/{pid}").exists() for pid in nodes.values())


def test_a_node_that_dies_ends_the_run_and_is_named(
    demo: Start, recording: Path, colour_bundle: Path, tmp_path: Path
) -> None:
    run = demo("--video", recording, "--bundle", colour_bundle)
    run.wait_line(lambda line: RED in line, "the first state")
    os.kill(run.children()["pipeline"], signal.SIGKILL)
    assert run.wait() == 1
    assert "FAILED: pipeline ended with status -9" in run.lines[-1]
    assert written(tmp_path)[-1]["states"] >= 1


def test_a_broken_video_is_named(demo: Start, colour_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"nothing")
    run = demo("--video", path, "--bundle", colour_bundle)
    assert run.wait() == 1
    assert "broken.mp4 is not a video" in run.lines[-1]


def test_a_bundle_that_is_missing_is_named(demo: Start, recording: Path, tmp_path: Path) -> None:
    run = demo("--video", recording, "--bundle", tmp_path / "nothing")
    assert run.wait() == 1
    assert "FAILED: embedder: configure failed" in run.lines[-1]
    assert str(tmp_path / "nothing") in run.lines[-1]


def test_a_recording_shorter_than_a_clip_says_so(
    demo: Start, colour_bundle: Path, tmp_path: Path
) -> None:
    video = write_video(tmp_path / "short.mp4", ["red"] * 2, RATE_HZ)
    run = demo("--video", video, "--bundle", colour_bundle)
    assert run.wait() == 1
    assert "shorter than a clip" in run.lines[-1]


def test_a_truth_file_that_is_none_is_refused_before_anything_starts(
    demo: Start, recording: Path
) -> None:
    run = demo("--video", recording, "--truth", recording)
    assert run.wait() == 2
    assert not run.lines[0].startswith("replaying")


def test_a_camera_has_no_truth(demo: Start, recording: Path) -> None:
    run = demo("--camera", "/dev/video0", "--truth", recording.with_suffix(".json"))
    assert run.wait() == 2
    assert "--truth belongs to a recording" in run.lines[-1]
