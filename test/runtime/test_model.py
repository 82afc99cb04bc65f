# SPDX-License-Identifier: Apache-2.0
"""The model end to end on the colour bundle, whose answers are known."""

from __future__ import annotations

import math
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from support.colour_bundle import (
    COLOURS,
    DIMENSION,
    LOGIT_SCALE,
    QUERIES,
    build_bare_bundle,
    colour_frame,
    phrase,
    seal,
)
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.onnx_backend import OnnxBackend
from vljepa_ros.runtime.onnx_session import OnnxGraph
from vljepa_ros.runtime.phrases import NoPhrasesError
from vljepa_ros.runtime.query_encoder import QueryEncoder
from vljepa_ros.runtime.reference import Reference
from vljepa_ros.runtime.text_encoder import TextEncoder
from vljepa_ros.runtime.tokenizer import TextError

BRIGHTNESS = {
    "red": "dark",
    "green": "bright",
    "blue": "dark",
    "yellow": "bright",
    "white": "bright",
    "black": "dark",
}
TEXTS = list(QUERIES.values())


@pytest.fixture(scope="module")
def model(colour_bundle: Path) -> Iterator[VLJepa]:
    model = VLJepa.load(colour_bundle)
    yield model
    model.close()


@pytest.fixture
def copy(colour_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(colour_bundle, tmp_path / "copy"))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the runs of each graph, which run as ever."""
    counter: Counter[str] = Counter()
    run = OnnxGraph.run

    def counted(graph: OnnxGraph, *arguments: object) -> object:
        counter[graph.name] += 1
        return run(graph, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(OnnxGraph, "run", counted)
    return counter


def clip(model: VLJepa, *colours: str) -> list[NDArray[np.float32]]:
    """Return the features of a clip; the last colour fills it up."""
    names = [*colours, *[colours[-1]] * (model.bundle.clip.frames - len(colours))]
    return [model.encode_frame(colour_frame(name, 48, 64)) for name in names]


@pytest.mark.parametrize("colour", COLOURS)
def test_a_clip_is_described_for_each_query(model: VLJepa, colour: str) -> None:
    embeddings = model.embed(clip(model, colour), TEXTS)
    assert embeddings.shape == (2, DIMENSION)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-6)
    by_query = dict(zip(QUERIES, embeddings, strict=True))
    seen = {name: model.describe(name, row) for name, row in by_query.items()}
    assert seen["colour"].text == phrase(colour)
    assert seen["brightness"].text == phrase(BRIGHTNESS[colour])
    assert seen["colour"].share > 0.99


def test_the_order_of_the_queries_is_kept(model: VLJepa) -> None:
    features = clip(model, "green")
    forward = model.embed(features, TEXTS)
    backward = model.embed(features, TEXTS[::-1])
    np.testing.assert_allclose(forward, backward[::-1], atol=1e-6)


def test_the_newest_frames_come_last(model: VLJepa) -> None:
    embedding = model.embed(clip(model, "red", "red", "blue", "blue"), TEXTS)[0]
    assert model.describe("colour", embedding).text == phrase("blue")


def test_images_of_any_size_are_taken(model: VLJepa) -> None:
    reference = model.encode_frame(colour_frame("yellow"))
    for height, width in ((480, 640), (1, 1), (720, 1280), (640, 480)):
        features = model.encode_frame(colour_frame("yellow", height, width))
        np.testing.assert_allclose(features, reference, atol=1e-6)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VLJepa]:
    """A bundle in the form of the paper's: no trunk, one query per pass, no text encoder."""
    model = VLJepa.load(build_bare_bundle(tmp_path_factory.mktemp("bare") / "bundle"))
    yield model
    model.close()


def test_without_a_trunk_a_clip_is_made_of_frames(bare: VLJepa, model: VLJepa) -> None:
    frames = clip(bare, "red", "green", "blue")
    assert {(frame.shape, frame.dtype.name) for frame in frames} == {((32, 32, 3), "uint8")}
    expected = model.embed(clip(model, "red", "green", "blue"), TEXTS)
    np.testing.assert_allclose(bare.embed(frames, TEXTS), expected, atol=1e-5)


def test_a_frame_that_waits_for_its_clip_keeps_its_pixels(bare: VLJepa) -> None:
    """A camera's reader may fill the same memory again."""
    image = colour_frame("red")
    kept = bare.encode_frame(image)
    image[:] = 0
    np.testing.assert_array_equal(kept, colour_frame("red"))


def test_where_tokens_see_the_query_each_query_is_a_pass_of_its_own(
    bare: VLJepa, runs: Counter[str]
) -> None:
    frames = clip(bare, "red")
    assert not runs
    assert bare.embed(frames, TEXTS).shape == (2, DIMENSION)
    assert runs == {"x_encoder": 1, "predictor": 2}


def test_without_a_text_encoder_the_bundles_queries_are_answered_from_its_phrases(
    bare: VLJepa,
) -> None:
    embedding = bare.embed(clip(bare, "yellow"), TEXTS)[0]
    assert bare.describe("colour", embedding).text == phrase("yellow")


def test_without_a_text_encoder_other_texts_are_refused(bare: VLJepa) -> None:
    frames = clip(bare, "red")
    with pytest.raises(TextError, match="no text encoder, so it cannot embed texts"):
        bare.embed_text("red")
    with pytest.raises(TextError, match="no text encoder"):
        bare.answer(bare.embed(frames, TEXTS)[0], ["red", "green"])
    with pytest.raises(TextError, match="no tokens for the query 'Is it red"):
        bare.embed(frames, [TEXTS[0], "Is it red ?"])


def test_ten_queries_share_one_visual_pass(model: VLJepa, runs: Counter[str]) -> None:
    features = clip(model, "red")
    texts = [f"What colour is it {index} ?" for index in range(10)]
    assert runs == {"frame_encoder": model.bundle.clip.frames}
    model.embed(features, texts)
    runs.clear()
    assert model.embed(features, texts).shape == (10, DIMENSION)
    assert runs == {"x_encoder": 1, "predictor": 1}


def test_without_queries_nothing_runs(model: VLJepa, runs: Counter[str]) -> None:
    features = clip(model, "red")
    runs.clear()
    assert model.embed(features, []).shape == (0, DIMENSION)
    assert not runs


def test_a_query_may_be_new(model: VLJepa) -> None:
    embedding = model.embed(clip(model, "blue"), ["colour ?"])[0]
    assert model.describe("colour", embedding).text == phrase("blue")
    with pytest.raises(NoPhrasesError, match="my own"):
        model.describe("my own", embedding)


@pytest.mark.parametrize("word", COLOURS)
def test_a_text_meets_its_phrase_and_its_clip_in_one_space(model: VLJepa, word: str) -> None:
    embedding = model.embed_text(phrase(word))
    assert model.describe("colour", embedding).cosine == pytest.approx(1.0, abs=1e-6)
    seen = model.embed(clip(model, word), TEXTS)[0]
    assert embedding @ seen > 0.99


def test_answers_are_scored_as_the_softmax_of_scaled_cosines(model: VLJepa) -> None:
    answers = [phrase("red"), phrase("green"), "blue"]
    embedding = np.zeros(DIMENSION)
    embedding[:3] = 3.0, 2.0, 1.0
    cosines = [float(model.embed_text(answer) @ embedding) / math.sqrt(14) for answer in answers]
    weights = [math.exp(LOGIT_SCALE * cosine) for cosine in cosines]
    scores = model.answer(embedding, answers)
    np.testing.assert_allclose(scores, np.array(weights) / sum(weights), rtol=1e-5)
    assert scores.sum() == pytest.approx(1.0)


def test_one_answer_is_certain_and_none_is_refused(model: VLJepa) -> None:
    embedding = model.embed_text("red")
    assert model.answer(embedding, ["black"]).tolist() == [1.0]
    with pytest.raises(ValueError, match="at least one answer"):
        model.answer(embedding, [])


def test_an_empty_text_is_refused_wherever_it_comes_from(model: VLJepa) -> None:
    with pytest.raises(TextError):
        model.embed(clip(model, "red"), ["What ?", " "])
    with pytest.raises(TextError):
        model.embed_text("")
    with pytest.raises(TextError):
        model.answer(model.embed_text("red"), ["red", "\n"])


@pytest.mark.parametrize("frames", [0, 3, 5])
def test_a_clip_of_another_length_is_refused(model: VLJepa, frames: int) -> None:
    features = (clip(model, "red") * 2)[:frames]
    with pytest.raises(ValueError, match=f"{frames} frames, expected 4"):
        model.embed(features, TEXTS)


def test_features_that_are_not_numbers_do_not_come_out_as_an_embedding(model: VLJepa) -> None:
    features = clip(model, "red")
    with pytest.raises(BackendError, match="not finite"):
        model.embed([*features[:3], np.full_like(features[0], np.nan)], TEXTS)


def test_two_threads_get_what_one_gets(model: VLJepa) -> None:
    expected = {name: model.embed(clip(model, name), TEXTS) for name in COLOURS}
    start, wrong = threading.Barrier(2), []

    def work(names: list[str]) -> None:
        start.wait(timeout=10)
        for index in range(100):
            name = names[index % len(names)]
            got = model.embed(clip(model, name), TEXTS)
            model.phrases.add("colour", {phrase(name): model.embed_text(phrase(name))})
            text = model.describe("colour", got[0]).text
            fresh = model.embed_text(f"{name} {index}")
            scores = model.answer(got[0], [phrase(other) for other in names])
            right = text == phrase(name) and scores.argmax() == names.index(name)
            if not (right and np.array_equal(got, expected[name]) and np.isfinite(fresh).all()):
                wrong.append((name, text, scores))

    names = list(COLOURS)
    threads = [threading.Thread(target=work, args=(order,)) for order in (names, names[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert wrong == []


def test_a_closed_model_says_so_and_closing_twice_is_fine(colour_bundle: Path) -> None:
    model = VLJepa.load(colour_bundle)
    features = clip(model, "red")
    model.close()
    model.close()
    with pytest.raises(BackendError, match="closed"):
        model.encode_frame(colour_frame("red"))
    with pytest.raises(BackendError, match="closed"):
        model.embed(features, TEXTS)
    with pytest.raises(BackendError, match="closed"):
        model.embed_text("red")


def test_the_default_bundle_is_loaded_where_no_path_is_given(
    colour_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLJEPA_BUNDLE", str(colour_bundle))
    assert VLJepa.load().bundle.name == "colour"


def test_auto_chooses_a_backend_and_names_it(colour_bundle: Path) -> None:
    model = VLJepa.load(colour_bundle, backend="auto", threads=2)
    assert (model.backend.name, model.backend.precision) == ("onnxruntime", "fp32")


def test_unknown_backends_and_no_threads_are_refused(colour_bundle: Path) -> None:
    with pytest.raises(
        ValueError,
        match="no backend 'abacus'; there are auto, tensorrt, tensorrt_rtx, onnxruntime",
    ):
        VLJepa.load(colour_bundle, backend="abacus")
    with pytest.raises(ValueError, match="threads"):
        VLJepa.load(colour_bundle, threads=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"clip": {"frames": 5, "rate_hz": 10.0}},
        {"frame": {"height": 16, "width": 16}},
        {"max_query_tokens": 9},
    ],
)
def test_a_manifest_that_the_graphs_contradict_is_refused_when_loading(
    copy: Path, changes: dict[str, object]
) -> None:
    bundle = seal(copy, **changes)
    shape = (bundle.clip.frames, bundle.frame.height, bundle.frame.width, 3)
    Reference(np.zeros(shape, np.uint8), two_unit_vectors()).save(copy / "reference.npz")
    seal(copy)
    with pytest.raises(BundleError, match="the graphs do not run"):
        VLJepa.load(copy)


def two_unit_vectors() -> NDArray[np.float32]:
    return np.eye(2, DIMENSION, dtype=np.float32)


def spoil(file: Path) -> None:
    """Change the weights of a graph, and leave their shapes."""
    graph = onnx.load(str(file))
    for constant in graph.graph.initializer:
        values = onnx.numpy_helper.to_array(constant)
        if values.dtype == np.float32 and values.ndim > 1:
            constant.CopyFrom(onnx.numpy_helper.from_array(1 - values, constant.name))
    file.write_bytes(graph.SerializeToString())


def test_a_model_that_computes_nonsense_is_refused_when_loading(copy: Path) -> None:
    spoil(copy / "predictor.onnx")
    seal(copy)
    with pytest.raises(BundleError, match=r"do not compute what .* \(cosine .*; copy or export"):
        VLJepa.load(copy)


def test_a_text_encoder_that_computes_nonsense_is_refused_when_loading(copy: Path) -> None:
    spoil(copy / "y_encoder.onnx")
    tokens_of_the_queries_stay(copy)
    with pytest.raises(BundleError, match="Y-Encoder does not compute what .*; copy or export"):
        VLJepa.load(copy)


def tokens_of_the_queries_stay(copy: Path) -> None:
    """Make the reference that of the spoiled queries, so that only texts are wrong."""
    seal(copy)
    bundle = Bundle.load(copy)
    encoder, backend = TextEncoder(bundle), OnnxBackend(bundle)
    queries = [QueryEncoder(bundle, encoder).tokens(text) for text in TEXTS]
    clip = Reference.from_bundle(bundle).clip
    found = backend.embed(
        backend.encode_frames(clip)[None],
        np.stack([query.tokens for query in queries]),
        np.stack([query.mask for query in queries]),
    )
    Reference(clip, found.embeddings[0]).save(copy / "reference.npz")
    seal(copy)


def test_loading_runs_each_graph_no_more_than_it_must(
    colour_bundle: Path, runs: Counter[str]
) -> None:
    VLJepa.load(colour_bundle)
    frames = Bundle.load(colour_bundle).clip.frames
    texts = len(TEXTS) + 1
    expected = {"frame_encoder": frames, "x_encoder": 1, "predictor": 1, "y_encoder": texts}
    assert runs == expected


@pytest.mark.parametrize("axes", [(), (1,), (1, 1, 1, 1)])
def test_a_graph_whose_values_have_other_axes_is_refused_when_loading(
    copy: Path, axes: tuple[int, ...]
) -> None:
    file = copy / "predictor.onnx"
    graph = onnx.load(str(file))
    graph.graph.node[-1].output[0] = "all"
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(axes, np.float32), "no"))
    graph.graph.node.append(onnx.helper.make_node("Identity", ["no"], ["embeddings"]))
    graph.graph.output[0].type.tensor_type.ClearField("shape")
    file.write_bytes(graph.SerializeToString())
    seal(copy)
    with pytest.raises(BundleError, match="export the bundle again"):
        VLJepa.load(copy)


def test_a_graph_of_another_dimension_is_refused_when_loading(copy: Path) -> None:
    file = copy / "predictor.onnx"
    predictor = onnx.load(str(file))
    for node in predictor.graph.node:
        if node.output[0] == "embeddings":
            node.output[0] = "all"
    _append_first_columns(predictor, DIMENSION - 1)
    file.write_bytes(predictor.SerializeToString())
    seal(copy)
    with pytest.raises(BundleError, match=rf"\(2, {DIMENSION - 1}\).+expected \(2, {DIMENSION}\)"):
        VLJepa.load(copy)


def _append_first_columns(predictor: onnx.ModelProto, count: int) -> None:
    """Let the predictor give the first ``count`` columns of ``all``."""
    for name, value in (("from", 0), ("to", count), ("axis", 2)):
        constant = onnx.numpy_helper.from_array(np.array([value], dtype=np.int64), name)
        predictor.graph.initializer.append(constant)
    cut = onnx.helper.make_node("Slice", ["all", "from", "to", "axis"], ["embeddings"])
    predictor.graph.node.append(cut)
    predictor.graph.output[0].type.tensor_type.shape.dim[2].dim_value = count
