# SPDX-License-Identifier: Apache-2.0
"""The costs that the paper's benchmark measures without training."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="what is compared runs in torch")
for package in ("transformers", "onnxscript", "psutil"):
    pytest.importorskip(package, reason=f"the comparison needs {package} (make train-venv)")

from benchmarks.paper import open_vljepa  # noqa: E402
from benchmarks.paper.costs import Contestant, costs  # noqa: E402
from benchmarks.paper.full_size import (  # noqa: E402
    QUERY_TOKENS,
    LlamaPredictor,
    export,
    our_encoder,
    our_predictor,
)
from benchmarks.paper.on_the_stream import QUESTIONS, clip_in_torch, ours  # noqa: E402
from vljepa_ros.model.config import PredictorConfig, XEncoderConfig  # noqa: E402
from vljepa_ros.model.presets import PAPER  # noqa: E402

TINY = replace(
    PAPER,
    frame_pixels=32,
    clip_frames=4,
    embedding=16,
    x_encoder=XEncoderConfig(grid=32, width=64, depth=1, heads=1, mlp=256),
    predictor=PredictorConfig(
        width=32, depth=1, heads=2, kv_heads=1, mlp=64, query_width=32, query_projection=True
    ),
)


def sums(count: int) -> partial[partial[int]]:
    return partial(partial, sum, range(count))


def test_costs_are_those_of_each_contestant() -> None:
    contestants = {
        "short": Contestant(sums(10_000), 1, 50),
        "long": Contestant(sums(1_000_000), 4, 2),
    }
    found = costs(contestants, rounds=2)
    assert 10 < found["long"]["ms"] / found["short"]["ms"] < 1000
    assert found["long"]["ms_per_answer"] == pytest.approx(found["long"]["ms"] / 4)
    assert found["short"]["resident_mb"] > 1


def test_a_contestant_that_cannot_start_ends_the_comparison() -> None:
    with pytest.raises(EOFError):
        costs({"none": Contestant(partial(int, "none"), 1, 1)}, rounds=1)


@pytest.mark.parametrize(("cameras", "queries"), [(1, 1), (2, 6)])
def test_the_shipped_bundle_answers_every_query_of_every_camera(
    cameras: int, queries: int
) -> None:
    answers = ours(cameras, queries)()
    assert len(answers) == cameras * queries and all(answers)


def test_clip_answers_all_questions_from_one_frame() -> None:
    answers = clip_in_torch()()
    assert len(answers) == QUESTIONS and min(answers) >= 0


@pytest.mark.slow
def test_graphs_are_exported_once_and_run(tmp_path: Path) -> None:
    export(tmp_path, TINY)
    written = (tmp_path / "x_encoder.onnx").stat().st_mtime_ns
    export(tmp_path, TINY)
    assert (tmp_path / "x_encoder.onnx").stat().st_mtime_ns == written
    assert our_encoder(tmp_path, TINY)()[0].shape == (1, TINY.visual_tokens, 64)
    assert our_predictor(tmp_path, TINY)()[0].shape == (1, 1, TINY.embedding)


def test_the_other_predictor_sees_the_query_from_every_token() -> None:
    torch.manual_seed(0)
    predictor = LlamaPredictor(TINY).eval()
    visual = torch.randn(1, TINY.visual_tokens, 64, requires_grad=True)
    query = torch.randn(1, QUERY_TOKENS, 32, requires_grad=True)
    predictor(visual, query).sum().backward()
    assert (visual.grad.abs().sum(-1) > 0).all() and (query.grad.abs().sum(-1) > 0).all()


@pytest.mark.skipif(
    not open_vljepa.found(), reason="no checkout of dion-jy/open-vljepa is on PYTHONPATH"
)
def test_open_vljepas_own_code_runs_with_random_weights(tmp_path: Path) -> None:
    tokens = open_vljepa.encoder(tmp_path, TINY)()
    assert isinstance(tokens, torch.Tensor)
    assert tokens.shape == (1, TINY.visual_tokens, TINY.x_encoder.width)
    answers = [open_vljepa.predictor(tmp_path, TINY, QUERY_TOKENS)() for _ in range(2)]
    assert [answer.shape for answer in answers] == [(1, TINY.embedding)] * 2
