# SPDX-License-Identifier: Apache-2.0
"""The summary names everything that was lost, and nothing if nothing was."""

from __future__ import annotations

from dataclasses import replace

from vljepa_ros.demo.figures import figures
from vljepa_ros.demo.record import RunRecord, StateRecord

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


def test_time_for_which_nothing_can_be_trusted() -> None:
    def state(query: str, doubt: str, second: int) -> StateRecord:
        words = "" if doubt else "it moves"
        stamp = second * S
        return StateRecord(query, words, "", 0.9, 0.9, 1.0, doubt, 0.0, "", 0, stamp, stamp, stamp)

    states = [
        state("action", "", 0),
        state("action", "unfamiliar scene", 1),
        state("action", "lens covered", 3),
        state("object", "unfamiliar scene", 2),
        state("object", "", 3),
    ]
    run = replace(RUN, questions={"action": "What?", "object": "Which?"}, states=states)
    told = lines(run)["not"]
    assert told == "not trusted    unfamiliar scene 2.0 s, lens covered 2.0 s of 5.0 s"
