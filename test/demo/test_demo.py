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
from support.recordings import bag_image, write_bag, write_folder, write_video
from vljepa_ros.recordings.time_line import JUMPED

Start = Callable[..., Running]
RATE_HZ = 10.0
RED, BLUE = "the scene is red", "the scene is blue"


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a demo with arguments; output goes to `tmp_path / "out"`."""
    pytest.importorskip("rclpy", reason="the demo needs ROS 2")
    started: list[Running] = []

    def start(*arguments: str | Path, **variables: str) -> Running:
        given = [*map(str, arguments), "--out", str(tmp_path / "out")]
        started.append(Running(given, tmp_path, **variables))
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
    assert not any(line.startswith(("note:", "recording ")) for line in run.lines)

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


@pytest.mark.parametrize(
    ("number", "told"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")]
)
def test_a_signal_ends_the_run_with_everything_written(
    demo: Start,
    recording: Path,
    colour_bundle: Path,
    tmp_path: Path,
    number: signal.Signals,
    told: str,
) -> None:
    run = demo("--video", recording, "--bundle", colour_bundle)
    run.wait_line(lambda line: RED in line, "the first state")
    nodes = run.children()
    assert set(nodes) == {"pipeline", "replay"}
    run.process.send_signal(number)
    assert run.wait() == 0, run.lines
    assert f"ended by {told}" in run.lines
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
    assert "they last 0.1 s, and one clip of the model takes 0.3 s" in run.lines[-1]


def test_images_that_cannot_be_used_are_told_with_their_reason(
    demo: Start, colour_bundle: Path, tmp_path: Path
) -> None:
    encodings = ["rgb8", *["8UC3"] * 7]  # a recording whose first image is unusable is refused
    images = [
        (n, bag_image("red", 1 + n * 100_000_000, encoding))
        for n, encoding in enumerate(encodings)
    ]
    run = demo("--bag", write_bag(tmp_path / "bag", images), "--bundle", colour_bundle)
    assert run.wait() == 1
    assert "7 of them cannot be used" in run.lines[-1]
    assert "'8UC3'" in run.lines[-1]
    assert written(tmp_path)[-1]["drops"]["images refused: encoding"] >= 1


def test_what_a_recording_lacks_is_told_and_its_file_name_too(
    demo: Start, colour_bundle: Path, tmp_path: Path
) -> None:
    """A terminal that cannot show the name, a file without an image, and a gap of hours."""
    times = [n * 0.1 + (3600 if n > 9 else 0) for n in range(20)]
    names = [f"{1000 + time:.1f}.png" for time in times]
    folder = write_folder(tmp_path / "抽屉", names, ["red"] * 20)
    (folder / names[5]).write_bytes(b"no image")
    run = demo("--video", folder, "--bundle", colour_bundle, PYTHONIOENCODING="latin-1")
    assert run.wait() == 0, run.lines
    assert any(line.startswith("replaying ") and r"\u62bd\u5c49" in line for line in run.lines)
    told = [line for line in run.lines if "replay: " in line]
    assert any("image file cannot be read" in line for line in told)
    assert any(JUMPED in line for line in told)
    summary = written(tmp_path)[-1]
    assert summary["losses"] == {"image file cannot be read": 1, JUMPED: 1}
    assert summary["frames"] == summary["published"] == 19
    assert any(line.startswith("recording ") and JUMPED in line for line in run.lines)


def test_a_closed_pipe_ends_the_run_quietly(
    demo: Start, recording: Path, colour_bundle: Path, tmp_path: Path
) -> None:
    run = demo("--video", recording, "--bundle", colour_bundle)
    run.wait_line(lambda line: "ready to replay" in line, "the beginning")
    nodes = run.children()
    run.close_output()
    assert run.wait() == 0
    assert not any("Error" in line for line in run.lines)
    assert written(tmp_path)[-1]["frames"] < 60
    assert not any(Path(f"/proc/{pid}").exists() for pid in nodes.values())


def test_an_output_that_cannot_be_written_is_told_before_anything_starts(
    demo: Start, recording: Path, tmp_path: Path
) -> None:
    log = tmp_path / "out" / "log.jsonl"
    log.mkdir(parents=True)
    run = demo("--video", recording)
    assert run.wait() == 2
    assert run.lines == [f"demo: {log} cannot be written: Is a directory"]


def test_the_default_model_is_not_trusted_with_other_footage(
    demo: Start, recording: Path, default_bundle: Path
) -> None:
    run = demo("--video", recording, VLJEPA_BUNDLE="")
    run.wait_line(lambda line: line.startswith("replaying"), "the start")
    assert run.lines[0].startswith("note: the default model knows only the simulation")


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
