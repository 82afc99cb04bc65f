# SPDX-License-Identifier: Apache-2.0
"""Which decoder puts embeddings into words, by name."""

from __future__ import annotations

from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.decoder import DECODERS, PHRASES, SENTENCES, Decoder
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.runtime.text_decoder import TextDecoder


def available_decoders(bundle: Bundle) -> tuple[str, ...]:
    """Return which of :data:`DECODERS` a bundle has."""
    return DECODERS if bundle.words is not None else (PHRASES,)


def choose_decoder(name: str, bundle: Bundle, phrases: PhraseBank) -> Decoder:
    """Return one of :data:`DECODERS`: the bundle's phrase bank, or its text decoder, loaded.

    Raises:
        ValueError: there is no such decoder.
        BundleError: the bundle has no text decoder, or its files cannot be used.
    """
    if name == PHRASES:
        return phrases
    if name == SENTENCES:
        return TextDecoder.from_bundle(bundle)
    raise ValueError(f"no decoder {name!r}; there are {', '.join(DECODERS)}")
