# SPDX-License-Identifier: Apache-2.0
"""The text decoder of a bundle, and the one interface that it shares with the phrase bank."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from support.colour_bundle import COLOURS, DIMENSION, LEVELS, add_text_decoder, seal, sentence
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.choose_decoder import choose_decoder
from vljepa_ros.runtime.decoder import DECODERS
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.runtime.text_decoder import TextDecoder
from vljepa_ros.stream.vectors import softmax


@pytest.fixture
def root(colour_bundle: Path, tmp_path: Path) -> Path:
    """Return a bundle of this test's own that has a text decoder."""
    copy = Path(shutil.copytree(colour_bundle, tmp_path / "speaking"))
    add_text_decoder(copy)
    return copy


def write_words(root: Path, content: str) -> Bundle:
    (root / "words.json").write_text(content, encoding="utf-8")
    return seal(root)


def test_it_speaks_what_no_bank_holds_with_its_probability(root: Path) -> None:
    bundle = Bundle.load(root)
    decoder = TextDecoder.from_bundle(bundle)
    stored = {text for part in PhraseBank.from_bundle(bundle).texts.values() for text in part}
    for axis, word in enumerate((*COLOURS, *LEVELS)):
        embedding = np.full(DIMENSION, 0.1)
        embedding[axis] = 2.0
        spoken = decoder.best("colour", embedding)
        assert spoken.text == sentence(word) not in stored
        unit = embedding[: len(COLOURS) + len(LEVELS)] / np.linalg.norm(embedding)
        assert spoken.share == pytest.approx(float(softmax(10 * unit)[axis]), abs=1e-6)


def test_the_query_and_the_length_of_the_embedding_change_nothing(root: Path) -> None:
    decoder = TextDecoder.from_bundle(Bundle.load(root))
    embedding = np.arange(DIMENSION)
    found = decoder.best("colour", embedding)
    assert decoder.best("another", [float(7 * value) for value in embedding]) == found


@pytest.mark.parametrize(
    "bad", [np.ones(DIMENSION - 1), np.zeros(DIMENSION), np.full(DIMENSION, np.nan), np.ones(())]
)
def test_an_embedding_that_cannot_be_one_is_refused(root: Path, bad: object) -> None:
    with pytest.raises(ValueError, match="embedding"):
        TextDecoder.from_bundle(Bundle.load(root)).best("colour", bad)  # type: ignore[arg-type]


def test_both_decoders_are_loaded_by_name(root: Path) -> None:
    bundle = Bundle.load(root)
    phrases = PhraseBank.from_bundle(bundle)
    decoders = [choose_decoder(name, bundle, phrases) for name in DECODERS]
    assert decoders[0] is phrases and isinstance(decoders[1], TextDecoder)
    red = np.eye(DIMENSION)[0]
    assert [each.best("colour", red).text for each in decoders] == [
        "the scene is red",
        "it looks red, surely",
    ]
    with pytest.raises(ValueError, match="no decoder 'gru'; there are phrases, sentences"):
        choose_decoder("gru", bundle, phrases)


def test_a_bundle_without_a_text_decoder_says_so(colour_bundle: Path) -> None:
    bundle = Bundle.load(colour_bundle)
    with pytest.raises(BundleError, match=r"has no y_decoder.*use the decoder 'phrases'"):
        choose_decoder("sentences", bundle, PhraseBank.from_bundle(bundle))


def test_the_model_still_describes_with_phrases(root: Path) -> None:
    assert VLJepa.load(root).describe("colour", np.eye(DIMENSION)[0]).text == "the scene is red"


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("{", "Expecting"),
        ("[]", "must be an object"),
        ('{"words": [" it", 3]}', "must be a list of texts"),
        ('{"words": [" it", " looks"]}', "said word 5, but there are 2"),
    ],
)
def test_words_that_do_not_fit_are_found_when_it_is_loaded(
    root: Path, content: str, cause: str
) -> None:
    bundle = write_words(root, content)
    with pytest.raises(BundleError, match=cause):
        TextDecoder.from_bundle(bundle)


def test_a_graph_for_another_space_is_found_when_it_is_loaded(root: Path) -> None:
    with pytest.raises(BundleError, match=r"y_decoder\.onnx: does not speak"):
        TextDecoder.from_bundle(seal(root, dimension=DIMENSION + 1))


def test_a_word_beyond_the_list_that_comes_later_is_an_error_too(root: Path) -> None:
    pieces = json.loads((root / "words.json").read_text())["words"]
    decoder = TextDecoder.from_bundle(write_words(root, json.dumps({"words": pieces[:-1]})))
    with pytest.raises(BackendError, match="said word 12, but there are 11"):
        decoder.best("brightness", np.eye(DIMENSION)[len(COLOURS) + 1])


def test_another_graph_in_its_place_is_found(root: Path) -> None:
    shutil.copy(root / "y_encoder.onnx", root / "y_decoder.onnx")
    with pytest.raises(BundleError, match="as y_decoder it must take"):
        TextDecoder.from_bundle(seal(root))


def test_the_manifest_must_name_the_words(root: Path) -> None:
    manifest = json.loads((root / "manifest.json").read_text())
    (root / "words.json").unlink()
    with pytest.raises(BundleError, match=r"uses 'words.json', but 'files' does not list it"):
        seal(root)
    del manifest["words"]
    (root / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="words is missing"):
        Bundle.load(root)
