# SPDX-License-Identifier: Apache-2.0
"""Texts as vectors of a bundle's space, for the search box."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.index.store import StoreError
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.bundle import Bundle, default_bundle_path
from vljepa_ros.runtime.bundle_files import BundleError
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.runtime.text_encoder import TextEncoder


class TextVectors:
    """The Y-Encoder and the phrases of a bundle. For any number of threads."""

    def __init__(self, bundle: Path | None = None) -> None:
        """Name the bundle's folder; None is the shipped one."""
        self._path = bundle
        self._loading = threading.RLock()

    def of(self, text: str, spaces: Collection[str]) -> tuple[NDArray[np.float32], str]:
        """Return the unit vector (dimension) of a text, and its space.

        Args:
            text: what to look for.
            spaces: those of the vectors that it will be compared with.

        Raises:
            StoreError: the bundle is of none of these spaces, or cannot be used.
            TextError: there is nothing to encode.
        """
        with self._loading:
            try:
                space_id = self._bundle.space_id
                if spaces and space_id not in spaces:
                    raise StoreError(
                        "the store was indexed with another model than "
                        f"{self._bundle.name} {self._bundle.version}: name that model's bundle "
                        "with --bundle, or index again"
                    )
                return self._encoder.encode(text).embedding, space_id
            except (BundleError, BackendError) as error:
                raise StoreError(f"texts cannot be embedded: {error}") from error

    def phrases(self, space_id: str) -> Mapping[str, tuple[str, ...]]:
        """Return the phrases of each query; none if the bundle is of another space."""
        with self._loading:
            try:
                return self._phrases if self._bundle.space_id == space_id else {}
            except BundleError:
                return {}

    @cached_property
    def _bundle(self) -> Bundle:
        return Bundle.load(default_bundle_path() if self._path is None else self._path)

    @cached_property
    def _phrases(self) -> Mapping[str, tuple[str, ...]]:
        return PhraseBank.from_bundle(self._bundle).texts

    @cached_property
    def _encoder(self) -> TextEncoder:
        if self._bundle.tokenizer is None:
            raise StoreError(f"{self._bundle.root} has no text encoder, so nothing can be sought")
        return TextEncoder(self._bundle)
