# SPDX-License-Identifier: Apache-2.0
"""What the bundle knows of texts: moments that fit one, and the phrases that complete another."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from vljepa_ros.index.store import Store, StoreError
from vljepa_ros.index.stored import SearchHit
from vljepa_ros.index.text_search import TextSearch
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.bundle import Bundle, default_bundle_path
from vljepa_ros.runtime.bundle_files import BundleError
from vljepa_ros.runtime.phrases import PhraseBank


class StoreTexts:
    """Texts for one store. The bundle is read when it is needed. For any number of threads."""

    def __init__(self, store: Store, bundle: Path | None = None) -> None:
        """Name the bundle's folder; None is the shipped one."""
        self._store = store
        self._path = bundle
        self._loading = threading.RLock()

    def found(self, text: str, limit: int) -> list[SearchHit]:
        """Return the moments that fit a text best.

        Raises:
            StoreError: the bundle cannot be used, or indexed nothing here.
            TextError: there is nothing to look for.
        """
        try:
            with self._loading:
                search = self._search
            return search.find(text, limit)
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
    def _search(self) -> TextSearch:
        return TextSearch(self._store, self._bundle)
