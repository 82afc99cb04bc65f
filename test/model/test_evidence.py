# SPDX-License-Identifier: Apache-2.0
"""The evidence of a clip: a linear reading that reaches the answer to its own query alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("onnxscript", reason="the export needs onnxscript")
pytest.importorskip("transformers", reason="the text towers are those of transformers")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402

from support.tiny_model import TINY_DEFAULT, tiny_model  # noqa: E402
from vljepa_ros.model.config import ConfigError  # noqa: E402
from vljepa_ros.model.export.graphs import predictor_graph, x_encoder_graph  # noqa: E402
from vljepa_ros.model.export.onnx_file import write_graph  # noqa: E402
from vljepa_ros.model.vljepa import Tokens  # noqa: E402

EVIDENCE = 3
CONFIG = replace(TINY_DEFAULT, x_encoder=replace(TINY_DEFAULT.x_encoder, evidence=EVIDENCE))
UNWANTED = {"Sin", "Cos", "Range", "If", "Loop", "Einsum", "ConstantOfShape", "IsNaN"}


def some_clips(count: int) -> torch.Tensor:
    x = CONFIG.x_encoder
    random = torch.Generator().manual_seed(0)
    return torch.randn(count, CONFIG.clip_frames, x.channels, x.grid, x.grid, generator=random)


def two_queries() -> Tokens:
    p = CONFIG.predictor
    random = torch.Generator().manual_seed(1)
    values = torch.randn(1, 2, p.max_query_tokens, p.query_width, generator=random)
    mask = torch.arange(p.max_query_tokens) < torch.tensor([[[2], [3]]])
    return Tokens(values, mask)


def asked(queries: Tokens) -> torch.Tensor:
    """Return the mean token of each query (Q, query width)."""
    weight = queries.mask[0][..., None].float()
    return (queries.values[0] * weight).sum(1) / weight.sum(1)


@torch.no_grad()
def model_for_the_first_query():
    """Return a model whose evidence belongs to the first of two queries."""
    model = tiny_model(CONFIG)
    own = torch.tensor([[1.0] * EVIDENCE, [0.0] * EVIDENCE])
    model.predictor.evidence.choose.weight.copy_((torch.linalg.pinv(asked(two_queries())) @ own).T)
    model.predictor.evidence.choose.bias.zero_()
    return model


@torch.no_grad()
def test_it_moves_the_answers_of_its_own_query_alone() -> None:
    model, queries = model_for_the_first_query(), two_queries()
    before = model.embed(some_clips(2), queries)
    model.x_encoder.evidence.read.bias += 1.0
    after = model.embed(some_clips(2), queries)
    assert (before[:, 0] - after[:, 0]).abs().max() > 1e-2
    torch.testing.assert_close(before[:, 1], after[:, 1], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_written_graph_computes_it_from_plain_operators(tmp_path) -> None:
    model, queries = model_for_the_first_query(), two_queries()
    write_graph(x_encoder_graph(model), tmp_path / "x.onnx")
    write_graph(predictor_graph(model), tmp_path / "p.onnx")
    providers = ["CPUExecutionProvider"]
    x, p = (
        onnxruntime.InferenceSession(tmp_path / f"{n}.onnx", providers=providers) for n in "xp"
    )
    clips = some_clips(3)
    (visual,) = x.run(None, {"features": clips.numpy()})
    assert visual.shape[1] == CONFIG.visual_tokens
    feed = {"query_tokens": queries.values[0].numpy(), "query_mask": queries.mask[0].numpy()}
    (found,) = p.run(None, {"visual_tokens": visual, **feed})
    np.testing.assert_allclose(found, model.embed(clips, queries), atol=1e-5)
    nodes = [n.op_type for name in "xp" for n in onnx.load(tmp_path / f"{name}.onnx").graph.node]
    assert not UNWANTED & set(nodes)


def test_more_evidence_than_a_token_holds_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not fit into width"):
        replace(CONFIG.x_encoder, evidence=CONFIG.x_encoder.width + 1)
