# SPDX-License-Identifier: Apache-2.0
"""The summary names everything that was lost, and nothing if nothing was."""

from __future__ import annotations

from dataclasses import replace

from vljepa_ros.demo.figures import figures
from vljepa_ros.demo.record import RunRecord

S = 1_000_000_000
RUN = RunRecord("a.mp4", frames=50, published=50, first_frame_ns=0, last_frame_ns=5 * S)


def lines(run: RunRecord) -> dict[str, str]:
    """Return the lines of the summary by their first word."""
    return {line.split()[0]: line for line in figures(run, None).lines()}


def test_a_run_without_losses() -> None:
    told = lines(RUN)
    assert told["frames"] == "frames in      50 in 5.0 s"
    assert told["drops"] == "drops          none"
    assert "recording" not in told


def test_losses_of_the_recording_of_the_middleware_and_of_the_embedder() -> None:
    run = replace(
        RUN,
        frames=27,
        losses={"video ended after 50 of 80 images": 1, "image file cannot be read": 3},
        drops={"images refused: encoding": 4, "frames replaced by newer ones": 0},
    )
    told = lines(run)
    assert told["frames"] == "frames in      27 of 50 that the replay published, in 5.0 s"
    assert told["recording"] == (
        "recording      video ended after 50 of 80 images, image file cannot be read (3x)"
    )
    assert told["drops"] == "drops          images refused: encoding 4"
