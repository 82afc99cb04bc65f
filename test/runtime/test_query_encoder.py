# SPDX-License-Identifier: Apache-2.0
"""Queries become what the Predictor reads, from the Y-Encoder, from a file or from a table."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from support.colour_bundle import (
    DIMENSION,
    MAX_QUERY_TOKENS,
    QUERIES,
    build_bare_bundle,
    seal,
)
from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.query_encoder import QueryEncoder
from vljepa_ros.runtime.text_encoder import TextEncoder
from vljepa_ros.runtime.tokenizer import TextError

WIDTH = DIMENSION + 2


@pytest.fixture(scope="module")
def text_encoder(colour_bundle: Path) -> TextEncoder:
    return TextEncoder(Bundle.load(colour_bundle))


@pytest.fixture(scope="module")
def encoded(colour_bundle: Path, text_encoder: TextEncoder) -> QueryEncoder:
    return QueryEncoder(Bundle.load(colour_bundle), text_encoder)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> QueryEncoder:
    bundle = build_bare_bundle(tmp_path_factory.mktemp("stored") / "bundle")
    return QueryEncoder(Bundle.load(bundle), None)


@pytest.fixture(scope="module")
def table_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_bare_bundle(tmp_path_factory.mktemp("table") / "bundle", table=True)


@pytest.fixture
def copy(table_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(table_bundle, tmp_path / "copy"))


def test_tokens_are_the_states_padded_with_zeros(
    encoded: QueryEncoder, text_encoder: TextEncoder
) -> None:
    states = text_encoder.encode(QUERIES["colour"]).states
    query = encoded.tokens(QUERIES["colour"])
    assert states is not None
    real = len(states)
    assert 0 < real < MAX_QUERY_TOKENS
    assert query.tokens.shape == (MAX_QUERY_TOKENS, WIDTH)
    np.testing.assert_array_equal(query.tokens[:real], states)
    assert (query.tokens[real:] == 0).all()
    assert query.mask.dtype == np.bool_
    assert query.mask.tolist() == [True] * real + [False] * (MAX_QUERY_TOKENS - real)


@pytest.mark.parametrize("count", [MAX_QUERY_TOKENS, MAX_QUERY_TOKENS + 1, 5000])
def test_a_long_query_fills_the_tokens_and_is_cut(
    encoded: QueryEncoder, table_bundle: Path, count: int
) -> None:
    for encoder in (encoded, QueryEncoder(Bundle.load(table_bundle), None)):
        query = encoder.tokens(" ".join(["red"] * count))
        assert query.mask.all()
        assert query.tokens.shape == (MAX_QUERY_TOKENS, WIDTH)


def test_stored_tokens_are_those_that_the_text_encoder_gives(
    encoded: QueryEncoder, stored: QueryEncoder
) -> None:
    for text in QUERIES.values():
        for spelled in (text, f"  {text}\n"):
            np.testing.assert_array_equal(
                stored.tokens(spelled).tokens, encoded.tokens(text).tokens
            )
            np.testing.assert_array_equal(stored.tokens(spelled).mask, encoded.tokens(text).mask)


def test_a_query_that_is_not_stored_is_refused_with_what_is_known(stored: QueryEncoder) -> None:
    with pytest.raises(TextError, match="no tokens for the query 'is it red \\?'") as caught:
        stored.tokens("is it red ?")
    assert all(text in str(caught.value) for text in QUERIES.values())
    assert "--query-table" in str(caught.value)


@pytest.mark.parametrize("text", ["", " \n", "\x00"])
def test_an_empty_query_is_refused_by_every_source(
    encoded: QueryEncoder, stored: QueryEncoder, table_bundle: Path, text: str
) -> None:
    for encoder in (encoded, stored, QueryEncoder(Bundle.load(table_bundle), None)):
        with pytest.raises(TextError, match="empty"):
            encoder.tokens(text)


def test_with_a_table_any_query_has_tokens(table_bundle: Path, encoded: QueryEncoder) -> None:
    encoder = QueryEncoder(Bundle.load(table_bundle), None)
    found, expected = encoder.tokens("is it red ?"), encoded.tokens("is it red ?")
    assert found.tokens.dtype == np.float32
    np.testing.assert_allclose(found.tokens, expected.tokens, rtol=1e-3)  # float16
    np.testing.assert_array_equal(found.mask, expected.mask)


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.zeros((3, WIDTH), np.float16), id="too few rows"),
        pytest.param(np.zeros((99, WIDTH), np.float64), id="another type"),
        pytest.param(np.zeros(99, np.float16), id="no table"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(copy: Path, array: np.ndarray) -> None:
    np.save(copy / "query_table.npy", array)
    with pytest.raises(BundleError, match=r"query_table\.npy: is no table .+; export") as caught:
        QueryEncoder(seal(copy), None)
    assert caught.value.file == copy.resolve() / "query_table.npy"


@pytest.mark.parametrize("content", [b"", b"rubbish"])
def test_a_file_of_tokens_that_is_none_is_refused(copy: Path, content: bytes) -> None:
    (copy / "query_tokens.npz").write_bytes(content)
    with pytest.raises(BundleError, match=r"query_tokens\.npz: does not hold"):
        QueryEncoder(seal(copy), None)


def test_a_file_without_the_tokens_of_a_query_is_refused(copy: Path) -> None:
    np.savez(copy / "query_tokens.npz", colour=np.ones((2, WIDTH), np.float32))
    with pytest.raises(BundleError, match="brightness"):
        QueryEncoder(seal(copy), None)
