# SPDX-License-Identifier: Apache-2.0
"""Texts to token numbers, in the same way at export and on a robot."""

from __future__ import annotations

from tokenizers import Tokenizer

from vljepa_ros.stream.clean_text import clean_text

MAX_CHARACTERS = 4096
UNKNOWN_WORDS = "qzxvjk \ua66e \U00013000"  # letters that no honest vocabulary has as words


class TextError(ValueError):
    """A text cannot be encoded; the message says why."""


class TextTokenizer:
    """A tokenizer that neither pads nor gives more than ``max_tokens`` tokens."""

    def __init__(self, content: bytes, max_tokens: int) -> None:
        """Take the content of a tokenizer.json.

        Raises:
            ValueError: this release of tokenizers does not read it, or it fails for words that it
                does not know.
        """
        try:
            self._tokenizer = Tokenizer.from_str(content.decode("utf-8"))
        except Exception as error:  # tokenizers raises plain Exception
            raise ValueError(
                f"no tokenizer that this release of tokenizers reads ({error})"
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length=max_tokens)
        self._encode(UNKNOWN_WORDS)

    @property
    def vocabulary(self) -> int:
        """The number of tokens that there are; their numbers are below it."""
        return 1 + max(self._tokenizer.get_vocab(with_added_tokens=True).values())

    def of(self, text: str) -> list[int]:
        """Return the token numbers of a text; white space and control characters do not count.

        Raises:
            TextError: nothing is left to encode, or the tokenizer fails.
        """
        clean = clean_text(text, limit=MAX_CHARACTERS)
        ids = self._encode(clean) if clean else []
        if not ids:
            raise TextError("the text is empty: it has no word to encode")
        return ids

    def _encode(self, clean: str) -> list[int]:
        try:
            return list(self._tokenizer.encode(clean).ids)
        except Exception as error:  # tokenizers raises plain Exception
            raise TextError(f"the tokenizer has no tokens for {clean[:64]!r} ({error})") from error
