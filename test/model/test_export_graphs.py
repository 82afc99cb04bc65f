# SPDX-License-Identifier: Apache-2.0
"""Written graphs compute what the model in torch computes, from few and plain operators."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("onnxscript", reason="the export needs onnxscript")
pytest.importorskip("transformers", reason="the text towers are those of transformers")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402

from support.tiny_model import TINY_DEFAULT, TINY_PAPER, random_clips, tiny_model  # noqa: E402
from vljepa_ros.model.export import onnx_file  # noqa: E402
from vljepa_ros.model.export.graphs import (  # noqa: E402
    predictor_graph,
    x_encoder_graph,
    y_encoder_graph,
)
from vljepa_ros.model.export.onnx_file import write_graph  # noqa: E402
from vljepa_ros.model.vljepa import Tokens  # noqa: E402

# transformers' own values (VJEPA2VideoProcessor).
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# What TensorRT's parser refuses or a robot would compute anew for every clip.
UNWANTED = {"Sin", "Cos", "Range", "If", "Loop", "Einsum", "ConstantOfShape", "IsNaN"}


def run(path: Path, **feed: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, feed)


def random_queries(config, count: int) -> Tokens:
    """Return random token states (count, L, width) of different lengths."""
    p = config.predictor
    length = torch.arange(1, count + 1)[:, None].clamp(max=p.max_query_tokens)
    mask = torch.arange(p.max_query_tokens) < length
    return Tokens(torch.randn(count, p.max_query_tokens, p.query_width), mask)


# The sixth layer of Gemma is its first without a window.
PAPER = replace(TINY_PAPER, y_encoder=replace(TINY_PAPER.y_encoder, depth=6))


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    return written(PAPER, tmp_path_factory.mktemp("paper"))


@pytest.fixture(scope="module")
def default(tmp_path_factory):
    return written(TINY_DEFAULT, tmp_path_factory.mktemp("default"))


def written(config, folder: Path):
    """Write the graphs of a tiny model and return both."""
    model = tiny_model(config)
    write_graph(x_encoder_graph(model), folder / "x.onnx")
    write_graph(predictor_graph(model), folder / "p.onnx")
    write_graph(y_encoder_graph(model), folder / "y.onnx")
    return model, folder


def test_pixels_and_one_query_per_pass(paper) -> None:
    model, folder = paper
    frames = random_clips(TINY_PAPER, 1)
    queries = random_queries(TINY_PAPER, 3)
    pixels = (torch.from_numpy(frames) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.no_grad():
        clip = pixels.permute(0, 1, 4, 2, 3)
        expected = model.embed(clip, Tokens(queries.values[None], queries.mask[None]))[0]
    (visual,) = run(folder / "x.onnx", frames=frames)
    found = [
        run(
            folder / "p.onnx",
            visual_tokens=visual,
            query_tokens=queries.values[i : i + 1].numpy(),
            query_mask=queries.mask[i : i + 1].numpy(),
        )[0][0, 0]
        for i in range(3)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_features_and_any_number_of_queries_in_one_pass(default, count: int) -> None:
    model, folder = default
    x = TINY_DEFAULT.x_encoder
    features = torch.randn(1, TINY_DEFAULT.clip_frames, x.channels, x.grid, x.grid)
    queries = random_queries(TINY_DEFAULT, count)
    with torch.no_grad():
        expected = model.embed(features, Tokens(queries.values[None], queries.mask[None]))[0]
    (visual,) = run(folder / "x.onnx", features=features.numpy())
    ((found,),) = run(
        folder / "p.onnx",
        visual_tokens=visual,
        query_tokens=queries.values.numpy(),
        query_mask=queries.mask.numpy(),
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("clips", [2, 5])
@pytest.mark.parametrize("size", ["paper", "default"])
def test_clips_in_one_run_are_what_they_are_one_by_one(
    size: str, clips: int, request: pytest.FixtureRequest
) -> None:
    model, folder = request.getfixturevalue(size)
    config = model.config
    joint = config.predictor.joint
    batch = random_clips(config, clips) if joint else random_features(config, clips)
    queries = random_queries(config, 1 if joint else 3)
    asked = {"query_tokens": queries.values.numpy(), "query_mask": queries.mask.numpy()}

    def embed(some: np.ndarray) -> np.ndarray:
        (visual,) = run(folder / "x.onnx", **{"frames" if joint else "features": some})
        return run(folder / "p.onnx", visual_tokens=visual, **asked)[0]

    single = np.concatenate([embed(batch[i : i + 1]) for i in range(clips)])
    found = embed(batch)
    assert found.shape == (clips, len(queries.values), config.embedding)
    np.testing.assert_allclose(found, single, atol=1e-5)
    assert not np.allclose(single[0], single[1], atol=1e-2), "clips must matter"


@pytest.mark.parametrize("length", [1, 3, 6])
@pytest.mark.parametrize("size", ["paper", "default"])
def test_queries_need_no_padding(size: str, length: int, request: pytest.FixtureRequest) -> None:
    model, folder = request.getfixturevalue(size)
    c = model.config
    visual = torch.randn(1, c.visual_tokens, c.x_encoder.width)
    tokens = torch.zeros(1, c.predictor.max_query_tokens, c.predictor.query_width)
    tokens[:, :length] = torch.randn(1, length, c.predictor.query_width)
    mask = torch.arange(c.predictor.max_query_tokens)[None] < length
    with torch.no_grad():
        expected = model.predictor(visual, tokens[None], mask[None])
    (found,) = run(
        folder / "p.onnx",
        visual_tokens=visual.numpy(),
        query_tokens=tokens[:, :length].numpy(),
        query_mask=mask[:, :length].numpy(),
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


def random_features(config, count: int) -> np.ndarray:
    x = config.x_encoder
    return torch.randn(count, config.clip_frames, x.channels, x.grid, x.grid).numpy()


@pytest.mark.parametrize("length", [1, 2, 9, 16])
@pytest.mark.parametrize("size", ["paper", "default"])
def test_texts_of_any_length(size: str, length: int, request: pytest.FixtureRequest) -> None:
    """Nine tokens are more than the window of the tiny Gemma's sliding layers sees."""
    model, folder = request.getfixturevalue(size)
    ids = torch.randint(1, 12, (1, length))
    mask = torch.ones_like(ids, dtype=torch.bool)
    embedding, *states = run(folder / "y.onnx", input_ids=ids.numpy())
    with torch.no_grad():
        np.testing.assert_allclose(embedding, model.embed_text(Tokens(ids, mask)), atol=1e-5)
        assert len(states) == (model.config.queries_from == "text_encoder")
        for found in states:
            np.testing.assert_allclose(found, model.y_encoder.states(ids, mask), atol=1e-4)


def test_one_frame_is_an_image(tmp_path: Path) -> None:
    config = replace(TINY_PAPER, clip_frames=1)
    model = tiny_model(config)
    write_graph(x_encoder_graph(model), tmp_path / "x.onnx")
    frames = random_clips(config, 1)
    pixels = (torch.from_numpy(frames) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.no_grad():
        expected = model.x_encoder(pixels.permute(0, 1, 4, 2, 3))
    (found,) = run(tmp_path / "x.onnx", frames=frames)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["x", "p", "y"])
@pytest.mark.parametrize("size", ["paper", "default"])
def test_graphs_are_plain(size: str, name: str, request: pytest.FixtureRequest) -> None:
    _, folder = request.getfixturevalue(size)
    model = onnx.load(folder / f"{name}.onnx")
    onnx.checker.check_model(model)
    assert {i.domain: i.version for i in model.opset_import} == {"": 18}
    assert not UNWANTED & set(operators(model))
    assert not constant_work(model)


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def constant_work(model: onnx.ModelProto) -> list[str]:
    """Return the nodes that compute from constants alone, every time."""
    constants = {weight.name for weight in model.graph.initializer}
    return [
        node.op_type for node in model.graph.node if node.input and set(node.input) <= constants
    ]


@pytest.mark.parametrize(("size", "shapes"), [("paper", 2), ("default", 3)])
def test_graphs_ask_at_most_for_the_numbers_of_clips_and_queries_and_their_length(
    size: str, shapes: int, request: pytest.FixtureRequest
) -> None:
    _, folder = request.getfixturevalue(size)
    x, p = (operators(onnx.load(folder / f"{name}.onnx")) for name in ("x", "p"))
    assert (x["Shape"], x["Gather"]) == (0, 0)
    assert (p["Shape"], p["Gather"]) == (shapes, 0)


def test_a_block_of_v_jepa_takes_38_nodes(paper, tmp_path: Path) -> None:
    """So ViT-L with its 24 blocks takes about 900, where a plain export has 3893."""
    _, folder = paper
    x = replace(TINY_PAPER.x_encoder, depth=4)
    write_graph(x_encoder_graph(tiny_model(replace(TINY_PAPER, x_encoder=x))), tmp_path / "4.onnx")
    counts = [len(onnx.load(path).graph.node) for path in (folder / "x.onnx", tmp_path / "4.onnx")]
    assert (counts[1] - counts[0]) / 2 <= 38
    assert counts[0] <= 2 * 38 + 12, "12 normalise, cut patches and embed them"


def test_graphs_tell_nothing_of_the_machine_that_exported_them(paper) -> None:
    _, folder = paper
    content = (folder / "x.onnx").read_bytes()
    assert b".py" not in content
    assert str(folder).encode() not in content
    assert not any(node.metadata_props for node in onnx.load(folder / "x.onnx").graph.node)


def test_large_weights_lie_beside_the_graph(paper, tmp_path, monkeypatch) -> None:
    model, folder = paper
    monkeypatch.setattr(onnx_file, "EXTERNAL_BYTES", 1000)
    write_graph(x_encoder_graph(model), tmp_path / "x.onnx")
    assert {file.name for file in tmp_path.iterdir()} == {"x.onnx", "x.onnx.data"}
    assert (tmp_path / "x.onnx").stat().st_size < (folder / "x.onnx").stat().st_size / 2
    frames = random_clips(TINY_PAPER, 1)
    expected = run(folder / "x.onnx", frames=frames)
    np.testing.assert_array_equal(run(tmp_path / "x.onnx", frames=frames), expected)
