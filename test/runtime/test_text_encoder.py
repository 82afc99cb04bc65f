# SPDX-License-Identifier: Apache-2.0
"""Texts become embeddings and token states, once each, whatever a stranger sends."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.colour_bundle import DIMENSION, MAX_TEXT_TOKENS, seal
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.onnx_session import OnnxGraph
from vljepa_ros.runtime.text_encoder import TextEncoder
from vljepa_ros.runtime.tokenizer import TextError


@pytest.fixture(scope="module")
def encoder(colour_bundle: Path) -> Iterator[TextEncoder]:
    encoder = TextEncoder(Bundle.load(colour_bundle))
    yield encoder
    encoder.close()


def words(count: int) -> str:
    return " ".join(["red"] * count)


def test_a_text_gives_a_state_per_token_and_a_unit_embedding(encoder: TextEncoder) -> None:
    embedding, states = encoder.encode("the scene is red")
    assert states.shape == (4, DIMENSION + 2)
    assert embedding.shape == (DIMENSION,)
    assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-6)
    assert embedding.dtype == np.float32


def test_a_text_of_ten_kilobytes_is_cut_to_the_token_limit(encoder: TextEncoder) -> None:
    text = words(2500)
    assert len(text) >= 9_999
    embedding, states = encoder.encode(text)
    assert len(states) == MAX_TEXT_TOKENS
    assert np.isfinite(embedding).all()


@pytest.mark.parametrize(
    "text", ["🤖", "👨‍👩‍👧 red", "你好", "\x1b[31m?", "red\x00blue", "\ud800 red"]
)
def test_unusual_characters_are_encoded(encoder: TextEncoder, text: str) -> None:
    embedding = encoder.encode(text).embedding
    assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\x00\x07", "\u202e"])
def test_a_text_without_anything_to_encode_is_refused(encoder: TextEncoder, text: str) -> None:
    with pytest.raises(TextError, match="empty"):
        encoder.encode(text)


def test_white_space_does_not_matter(encoder: TextEncoder) -> None:
    plain = encoder.encode("the scene is red")
    spaced = encoder.encode("  the scene\n is\tred ")
    assert plain.embedding is spaced.embedding


def test_a_known_text_is_not_encoded_again(
    encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    run = OnnxGraph.run

    def counted(graph: OnnxGraph, *arguments: object) -> object:
        runs.append(graph)
        return run(graph, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(OnnxGraph, "run", counted)
    for _ in range(3):
        encoder.encode("is it yellow ?")
    assert len(runs) == 1


def test_what_the_cache_shares_cannot_be_changed(encoder: TextEncoder) -> None:
    embedding, states = encoder.encode("red")
    for array in (states, embedding):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_the_cache_is_bounded(encoder: TextEncoder) -> None:
    first = encoder.encode("red 0").embedding
    for index in range(1, 200):
        encoder.encode(f"red {index}")
    assert encoder.encode("red 0").embedding is not first


def test_a_closed_encoder_says_so(colour_bundle: Path) -> None:
    encoder = TextEncoder(Bundle.load(colour_bundle))
    encoder.encode("red")
    encoder.close()
    with pytest.raises(BackendError, match="closed"):
        encoder.encode("red")


@pytest.mark.parametrize("content", [b"", b"{}", b"rubbish", b"\xff\xfe"])
def test_a_bad_tokenizer_is_named(colour_bundle: Path, tmp_path: Path, content: bytes) -> None:
    copy = Path(shutil.copytree(colour_bundle, tmp_path / "copy"))
    (copy / "tokenizer.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"tokenizer\.json: .*tokenizer.*; export"):
        TextEncoder(seal(copy))


def test_a_tokenizer_that_pads_by_itself_is_stopped(colour_bundle: Path, tmp_path: Path) -> None:
    """Exported tokenizers often carry padding to a fixed length with them."""
    from tokenizers import Tokenizer

    copy = Path(shutil.copytree(colour_bundle, tmp_path / "copy"))
    tokenizer = Tokenizer.from_file(str(copy / "tokenizer.json"))
    tokenizer.enable_padding(length=32)
    tokenizer.enable_truncation(max_length=2)
    tokenizer.save(str(copy / "tokenizer.json"))
    states = TextEncoder(seal(copy)).encode("the scene is red").states
    assert len(states) == 4
