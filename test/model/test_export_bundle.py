# SPDX-License-Identifier: Apache-2.0
"""An exported bundle answers as the model in torch does, or there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("onnxscript", reason="the export needs onnxscript")
pytest.importorskip("transformers", reason="the text towers are those of transformers")

from support.colour_bundle import build_colour_bundle  # noqa: E402
from support.tiny_model import (  # noqa: E402
    PHRASES,
    QUERIES,
    TINY_DEFAULT,
    TINY_PAPER,
    contents,
    random_clips,
    tiny_model,
)
from vljepa_ros.files import OccupiedError  # noqa: E402
from vljepa_ros.model.export.contents import Choices, EncodedTexts  # noqa: E402
from vljepa_ros.model.export.export_bundle import export_bundle  # noqa: E402
from vljepa_ros.model.export.export_error import ExportError  # noqa: E402
from vljepa_ros.model.int8 import round_to_int8  # noqa: E402
from vljepa_ros.model.normalise import normalised  # noqa: E402
from vljepa_ros.model.vljepa import Tokens  # noqa: E402
from vljepa_ros.runtime.bundle import Bundle  # noqa: E402
from vljepa_ros.runtime.clip_embedder import ClipEmbedder, Frame  # noqa: E402
from vljepa_ros.runtime.model import VLJepa  # noqa: E402
from vljepa_ros.runtime.reference import Reference  # noqa: E402
from vljepa_ros.runtime.tokenizer import TextError  # noqa: E402


def export(config, folder: Path, choices: Choices | None = None, model=None) -> Bundle:
    model = model or tiny_model(config)
    return export_bundle(
        model, folder / "bundle", contents(config, folder), random_clips(config), choices
    )


@pytest.fixture
def paper(paper_bundle: Path) -> Path:
    return paper_bundle


def test_a_model_of_the_papers_form_answers_as_in_torch(paper: Path, tmp_path: Path) -> None:
    model = tiny_model(TINY_PAPER)
    texts = EncodedTexts(model, contents(TINY_PAPER, tmp_path))
    (clip,) = random_clips(TINY_PAPER, 1)
    loaded = VLJepa.load(paper)
    questions = [*QUERIES.values(), "what is open ?"]  # the last one through the table
    found = loaded.embed([loaded.encode_frame(frame) for frame in clip], questions)
    for question, embedding in zip(questions, found, strict=True):
        tokens = texts.query(question)
        mask = torch.ones(1, 1, len(tokens), dtype=torch.bool)
        with torch.no_grad():
            pixels = normalised(torch.from_numpy(clip))[None]
            expected = model.embed(pixels, Tokens(tokens[None, None], mask))[0, 0]
        np.testing.assert_allclose(embedding, expected, atol=2e-4)  # float16 of the table
    for text in PHRASES["thing"]:
        np.testing.assert_allclose(loaded.embed_text(text), texts.embedding(text)[0], atol=1e-5)
        assert loaded.describe("thing", loaded.embed_text(text)).text == text


def test_the_stream_of_frames_is_described(paper: Path) -> None:
    model = VLJepa.load(paper)
    embedder = ClipEmbedder(model, ["*"])
    clip = random_clips(TINY_PAPER, 1)[0]
    results = [
        embedder.add({"": Frame(second * 10**9, "camera", image, restart=False)})
        for second, image in enumerate(clip)
    ]
    assert results[:-1] == [{}, {}, {}]
    expected = model.embed(list(clip), list(QUERIES.values()))
    np.testing.assert_array_equal(list(results[-1][""].vectors.values()), expected)


def test_the_manifest_tells_what_was_exported(paper: Path) -> None:
    bundle = Bundle.load(paper)
    assert set(bundle.graphs) == {"x_encoder", "predictor", "y_encoder"}
    assert {"x_encoder.onnx.data", "predictor.onnx.data"} <= set(bundle.files)
    assert set(bundle.parity) == set(bundle.graphs)
    assert all(0 <= error <= 1e-4 for error in bundle.parity.values())
    assert bundle.int8_weights == ()
    assert bundle.words is None and "words.json" not in bundle.files
    assert (bundle.clip.frames, bundle.clip.rate_hz) == (4, 1.0)
    assert (bundle.dimension, bundle.max_query_tokens, bundle.max_text_tokens) == (12, 6, 16)


def test_the_reference_is_a_clip_and_what_the_bundle_makes_of_it(paper: Path) -> None:
    model = VLJepa.load(paper)
    reference = Reference.from_bundle(model.bundle)
    np.testing.assert_array_equal(reference.clip, random_clips(TINY_PAPER)[0])
    found = model.embed(list(reference.clip), list(QUERIES.values()))
    np.testing.assert_allclose(found, reference.embeddings, atol=1e-5)


def test_damaged_weights_beside_a_graph_are_found(paper: Path, tmp_path: Path) -> None:
    import shutil

    from vljepa_ros.runtime.bundle import BundleError

    copy = Path(shutil.copytree(paper, tmp_path / "copy"))
    file = copy / "predictor.onnx.data"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(BundleError, match=r"predictor\.onnx\.data: sha256"):
        VLJepa.load(copy)


def test_an_installed_bundle_of_links_finds_its_weights(paper: Path, tmp_path: Path) -> None:
    """``colcon build --symlink-install`` installs nothing but links."""
    for file in paper.iterdir():
        (tmp_path / file.name).symlink_to(file)
    assert VLJepa.load(tmp_path).bundle.name == "vl-jepa"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> VLJepa:
    """Load an export of a tiny model of the paper's form without its text encoder."""
    choices = Choices(text_encoder=False)
    return VLJepa.load(export(TINY_PAPER, tmp_path_factory.mktemp("bare"), choices).root)


def test_without_a_text_encoder_the_exported_queries_are_answered(bare: VLJepa) -> None:
    files = {file.name for file in bare.bundle.root.iterdir()}
    assert not {"y_encoder.onnx", "tokenizer.json", "query_table.npy"} & files
    (clip,) = random_clips(TINY_PAPER, 1)
    embeddings = bare.embed(list(clip), list(QUERIES.values()))
    assert bare.describe("thing", embeddings[0]).text in PHRASES["thing"]


def test_without_a_text_encoder_other_texts_are_refused_with_the_way_out(bare: VLJepa) -> None:
    with pytest.raises(TextError, match="no text encoder.+--without-text-encoder"):
        bare.embed_text("a door")
    with pytest.raises(TextError, match="no tokens for the query 'is it red"):
        bare.encode_query("is it red ?")


def test_the_space_is_the_same_with_and_without_a_text_encoder(paper: Path, bare: VLJepa) -> None:
    assert Bundle.load(paper).space_id == bare.bundle.space_id


def test_a_model_with_a_trunk_answers_as_in_torch(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason="the trunk comes from this package")
    from vljepa_ros.model.frame_encoder import FrameEncoder

    model = tiny_model(TINY_DEFAULT)
    round_to_int8(model.y_encoder.tower)
    choices = Choices(int8_weights=True)
    bundle = export(TINY_DEFAULT, tmp_path, choices, model)
    assert bundle.int8_weights == ("y_encoder",)
    assert set(bundle.parity) == {"frame_encoder", "x_encoder", "predictor", "y_encoder"}
    loaded = VLJepa.load(bundle.root)
    texts = EncodedTexts(model, contents(TINY_DEFAULT, tmp_path))
    (clip,) = random_clips(TINY_DEFAULT, 1)
    questions = [*QUERIES.values(), "a new question ?"]
    found = loaded.embed([loaded.encode_frame(frame) for frame in clip], questions)
    features = FrameEncoder()(torch.from_numpy(clip))[None]
    for question, embedding in zip(questions, found, strict=True):
        states = texts.query(question)
        mask = torch.ones(1, 1, len(states), dtype=torch.bool)
        with torch.no_grad():
            expected = model.embed(features, Tokens(states[None, None], mask))[0, 0]
        np.testing.assert_allclose(embedding, expected, atol=1e-4)


class Unfaithful(torch.nn.Module):
    """Counts its calls in what it returns, so that torch and the graph disagree."""

    calls = 0.0

    def forward(self, x):
        self.calls += 1.0
        return x + self.calls


def test_a_model_that_its_graphs_do_not_equal_leaves_what_was_there(tmp_path: Path) -> None:
    model = tiny_model(TINY_PAPER)
    model.predictor.norm = Unfaithful()
    old = build_colour_bundle(tmp_path / "bundle")
    before = {file.name: file.read_bytes() for file in old.iterdir()}
    with pytest.raises(ExportError, match="predictor differs from torch by"):
        export(TINY_PAPER, tmp_path, Choices(text_encoder=False), model)
    assert {file.name: file.read_bytes() for file in old.iterdir()} == before
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"bundle"}


def test_a_model_that_gives_no_numbers_is_not_exported(tmp_path: Path) -> None:
    model = tiny_model(TINY_PAPER)
    torch.nn.init.constant_(model.x_encoder.norm.weight, torch.nan)
    with pytest.raises(ExportError, match="x_encoder differs from torch by nan"):
        export(TINY_PAPER, tmp_path, Choices(text_encoder=False), model)


def test_the_model_card_stays_and_the_rest_of_an_older_bundle_goes(tmp_path: Path) -> None:
    old = build_colour_bundle(tmp_path / "bundle")
    (old / "README.md").write_text("# Card")
    export(TINY_PAPER, tmp_path, Choices(text_encoder=False))
    assert (old / "README.md").read_text() == "# Card"
    assert Bundle.load(old).name == "vl-jepa"
    assert not (old / "frame_encoder.onnx").exists()
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"bundle"}


def test_what_is_no_bundle_is_never_replaced(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(OccupiedError, match="is no bundle, it holds thesis.tex"):
        export(TINY_PAPER, tmp_path, Choices(text_encoder=False))
    assert [path.name for path in out.iterdir()] == ["thesis.tex"]
    assert (out / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize(
    ("config", "choices", "cause"),
    [
        (TINY_DEFAULT, Choices(query_table=True), "no table of query tokens"),
        (TINY_PAPER, Choices(text_encoder=False, int8_weights=True), "left out"),
        (replace(TINY_PAPER, clip_frames=2), None, r"the model takes \(4, 32, 32, 3\)"),
    ],
)
def test_what_cannot_be_exported_is_refused_at_once(config, choices, cause, tmp_path) -> None:
    model = tiny_model(TINY_PAPER if config.queries_from == "table" else TINY_DEFAULT)
    with pytest.raises(ExportError, match=cause):
        export(config, tmp_path, choices, model)


def test_a_model_without_queries_or_phrases_is_refused(tmp_path: Path) -> None:
    whole = contents(TINY_PAPER, tmp_path)
    for part in ("queries", "phrases"):
        with pytest.raises(ExportError, match="at least one query and one phrase"):
            export_bundle(
                tiny_model(TINY_PAPER),
                tmp_path / "bundle",
                replace(whole, **{part: {}}),
                random_clips(TINY_PAPER),
            )
