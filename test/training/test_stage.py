# SPDX-License-Identifier: Apache-2.0
"""Stages: schedules, files, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

from vljepa_ros.training.stage import PAPER_STAGES, Stage, StageError, load_stages

STAGE = Stage(name="s", steps=100, batch=8, learning_rate=2.0)


def test_a_constant_rate_after_the_warmup():
    stage = replace(STAGE, warmup=4)
    assert [stage.rate(step) for step in (0, 1, 3, 4, 99)] == [0.5, 1.0, 2.0, 2.0, 2.0]


def test_a_cosine_falls_to_a_hundredth():
    stage = replace(STAGE, schedule="cosine")
    assert stage.rate(0) == pytest.approx(2.0)
    assert stage.rate(50) == pytest.approx(2 * (0.01 + 0.99 / 2))
    assert stage.rate(100) == pytest.approx(0.02)


@pytest.mark.parametrize("ending", [".json", ".yaml"])
def test_what_is_written_is_read(tmp_path, ending):
    path = tmp_path / f"stages{ending}"
    values = [stage.to_dict() for stage in PAPER_STAGES]
    path.write_text(json.dumps(values) if ending == ".json" else yaml.safe_dump(values))
    assert load_stages(path) == PAPER_STAGES


def test_a_file_may_leave_out_what_has_a_default(tmp_path):
    path = tmp_path / "stages.yaml"
    path.write_text("- {name: s, steps: 100, batch: 8, learning_rate: 2e0, sources: {a: 1}}")
    assert load_stages(path) == (replace(STAGE, sources={"a": 1.0}),)


def test_the_papers_stages_are_its():
    assert [stage.frames for stage in PAPER_STAGES] == [1, 8, 32, 32]
    assert [stage.steps for stage in PAPER_STAGES] == [100_000, 60_000, 10_000, 83_000]
    assert [stage.schedule for stage in PAPER_STAGES] == ["constant"] * 3 + ["cosine"]
    assert [stage.queries for stage in PAPER_STAGES] == [False] * 3 + [True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps 0 must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate 0.0 must be above 0"),
        ({"average_decay": 1.0}, r"average_decay 1.0 must be in \[0, 1\)"),
        ({"schedule": "linear"}, "schedule 'linear' is none of constant, cosine"),
        ({"loss": "mse"}, "loss 'mse' is none of info_nce, sigreg"),
        ({"precision": "fp16"}, "precision 'fp16' is none of bf16, fp32"),
        ({"micro_batches": 3}, "batch 8 has no equal micro_batches"),
        ({"sigreg_text": 0.99}, "leaves no prediction"),
        ({"sources": {"a": 0.0}}, "must have shares above 0"),
        ({"name": "../s"}, "must be letters, digits and -"),
        ({"clip_norm": -1.0}, "clip_norm -1.0 must not be negative"),
    ],
)
def test_a_value_that_is_not_valid_is_refused(change, message):
    with pytest.raises(StageError, match=message):
        replace(STAGE, **change)


def test_clips_are_images_or_whole_tubelets():
    for frames in (1, 4, 8):
        replace(STAGE, frames=frames).check_tubelet(4)
    with pytest.raises(StageError, match="frames 6 must be 1 or a multiple of .* tubelet, 4"):
        replace(STAGE, frames=6).check_tubelet(4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "cannot be read"),
        ("{}", "must hold an array of stages"),
        ("[]", "at least one stage"),
        ("[3]", "must hold an array of stages"),
        ('[{"name": "s"}]', "stage 's': steps is missing"),
        ('[{"name": "s", "stepz": 3}]', "stage 's': stepz is no known field"),
        ('[{"name": "s", "steps": "3"}]', "steps must be a whole number, not '3'"),
        ('[{"name": "s", "steps": true}]', "steps must be a whole number, not True"),
        (
            '[{"name": "s", "steps": 1, "batch": 1, "learning_rate": 1, "sources": ["a"]}]',
            "sources must be an object",
        ),
        (
            json.dumps([STAGE.to_dict(), STAGE.to_dict()]),
            "each name once",
        ),
    ],
)
def test_a_damaged_file_says_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "stages.json"
    path.write_text(text)
    with pytest.raises(StageError, match=message):
        load_stages(path)
