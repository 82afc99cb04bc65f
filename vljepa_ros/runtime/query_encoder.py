# SPDX-License-Identifier: Apache-2.0
"""Turns queries into the tokens that the Predictor reads, from what the bundle holds.

The default model takes them from its Y-Encoder. The paper's takes them from Llama's table of token
embeddings, half a gigabyte: a bundle holds the tokens of its own queries, and the table only if it
was exported with it. The table is mapped, so a question costs the few rows that it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.bundle import Bundle, BundleError, QueryTable
from vljepa_ros.runtime.stored_arrays import map_npy, parse_npz
from vljepa_ros.runtime.text_encoder import TextEncoder, load_tokenizer
from vljepa_ros.runtime.tokenizer import MAX_CHARACTERS, TextError
from vljepa_ros.stream.clean_text import clean_text

_States = NDArray[np.float32]
_EXPORT_AGAIN = "export the bundle again"
_CACHED_QUERIES = 128
_MOST_BYTES = 1 << 26  # of one query's tokens; the paper's largest has 4 MB


@dataclass(frozen=True)
class QueryTokens:
    """One query for the predictor: tokens (L, E) zero padded, mask (L) True on the real ones."""

    tokens: NDArray[np.float32]
    mask: NDArray[np.bool_]


class QueryEncoder:
    """Gives the tokens of queries. May be called from several threads."""

    def __init__(self, bundle: Bundle, text_encoder: TextEncoder | None) -> None:
        """Open what the bundle says the tokens come from.

        Raises:
            BundleError: a file cannot be used.
        """
        self._length = bundle.max_query_tokens
        self._states = _from_bundle(bundle) or _from_text_encoder(bundle, text_encoder)
        # every clip needs the same ones; bounded, because texts come from services as well
        self._padded = lru_cache(maxsize=_CACHED_QUERIES)(self._pad)

    def tokens(self, text: str) -> QueryTokens:
        """Return a query's tokens, cut and zero padded to the bundle's ``max_query_tokens``.

        The arrays are shared with a cache and read-only.

        Raises:
            TextError: the text is empty, or the bundle has no tokens for it.
            BackendError: the Y-Encoder is closed or failed.
        """
        return self._padded(clean_text(text, limit=MAX_CHARACTERS))

    def close(self) -> None:
        """Forget the cached queries."""
        self._padded.cache_clear()

    def _pad(self, text: str) -> QueryTokens:
        states = self._states(text)[: self._length]
        tokens = np.zeros((self._length, states.shape[1]), dtype=np.float32)
        tokens[: len(states)] = states
        mask: NDArray[np.bool_] = np.arange(self._length) < len(states)
        for array in (tokens, mask):
            array.setflags(write=False)
        return QueryTokens(tokens, mask)


def _from_text_encoder(
    bundle: Bundle, text_encoder: TextEncoder | None
) -> Callable[[str], _States]:
    assert text_encoder is not None, "the manifest says so"

    def states(text: str) -> _States:
        found = text_encoder.encode(text).states
        assert found is not None, "the graph was checked"
        return found

    return states


def _from_bundle(bundle: Bundle) -> Callable[[str], _States] | None:
    files = bundle.query_tokens
    if files is None:
        return None
    known = _read_known(bundle, files.known)
    more = _unknown(bundle) if files.table is None else _looked_up(bundle, files.table)
    return lambda text: known[text] if text in known else more(text)


def _read_known(bundle: Bundle, name: str) -> dict[str, _States]:
    """Read the tokens (L, E) of the bundle's own queries, by text."""
    queries = bundle.queries
    try:
        arrays = parse_npz(bundle.read(name), [*queries], _MOST_BYTES * len(queries))
        return {
            clean_text(text, limit=MAX_CHARACTERS): _checked(arrays[query], np.float32)
            for query, text in queries.items()
        }
    except ValueError as error:
        cause = f"does not hold the tokens of the queries ({error})"
        raise BundleError(bundle.root / name, cause, _EXPORT_AGAIN) from error


def _unknown(bundle: Bundle) -> Callable[[str], _States]:
    def refuse(text: str) -> _States:
        if not text:
            raise TextError("the text is empty: it has no word to encode")
        known = ", ".join(repr(query) for query in bundle.queries.values())
        raise TextError(
            f"the bundle has no tokens for the query {text!r}, only for {known}; "
            "export it with --query-table to ask anything"
        )

    return refuse


def _looked_up(bundle: Bundle, files: QueryTable) -> Callable[[str], _States]:
    tokens = load_tokenizer(bundle, files.tokenizer, bundle.max_query_tokens)
    try:
        table = map_npy(bundle.root / files.rows)
        if len(_checked(table, np.float16)) < tokens.vocabulary:
            raise ValueError(f"{len(table)} rows for {tokens.vocabulary} tokens")
    except (ValueError, OSError) as error:
        cause = f"is no table ({error})"
        raise BundleError(bundle.root / files.rows, cause, _EXPORT_AGAIN) from error
    return lambda text: table[tokens.of(text)].astype(np.float32)


def _checked(array: NDArray[Any], dtype: type) -> NDArray[Any]:
    if array.dtype != dtype or array.ndim != 2 or not len(array):
        raise ValueError(f"{array.dtype} {array.shape}")
    return array
