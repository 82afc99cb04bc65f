# SPDX-License-Identifier: Apache-2.0
"""Moments of a store for a text, and when they were."""

from __future__ import annotations

from datetime import datetime, timezone

from vljepa_ros.index.store import Store, StoreError
from vljepa_ros.index.stored import SearchHit, StoredRecording
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.text_encoder import TextEncoder
from vljepa_ros.runtime.tokenizer import TextError

_CLOCK_NS = 946_684_800_000_000_000  # the year 2000: later stamps are times of the clock


class TextSearch:
    """Embeds texts with a bundle and looks for them. May be used from several threads."""

    def __init__(self, store: Store, bundle: Bundle) -> None:
        """Load the text encoder.

        Raises:
            TextError: the bundle has none.
            StoreError: no recording of the store is of the bundle's space.
        """
        if bundle.tokenizer is None:
            raise TextError(
                f"the bundle {bundle.name} has no text encoder, so it cannot embed texts: export "
                "it without --without-text-encoder"
            )
        self._store, self._space_id = store, bundle.space_id
        others = self.other_spaces()
        if others and len(others) == len(store.recordings()):
            raise StoreError(
                f"{store.location} holds embeddings of {others[0].space_id}, and those do not "
                f"compare with texts of {bundle.space_id}: name the bundle that indexed it "
                f"with --bundle, or run `vljepa index --reindex --store {store.location}`"
            )
        self._encoder = TextEncoder(bundle)

    def other_spaces(self) -> list[StoredRecording]:
        """Return the recordings that are not searched, because another model indexed them."""
        recordings = self._store.recordings()
        return [one for one in recordings if one.space_id != self._space_id]

    def find(
        self, text: str, limit: int = 10, query: str = "", recording: str = "", where: str = ""
    ) -> list[SearchHit]:
        """Return the moments that fit a text best.

        Args:
            text: what is looked for.
            limit: how many moments at most.
            query: name of the only query that counts; "" is all.
            recording: id of a recording or a part of its path or topic; "" is all.
            where: further condition on the segments' columns, in SQL.

        Raises:
            StoreError: the store cannot be read, or has no such recording or query.
            TextError: the text is empty.
            BackendError: the text encoder failed.
        """
        recordings = _named(self._store, recording) if recording else []
        _check_query(self._store.recordings(), query)
        vector = self._encoder.encode(text).embedding
        return self._store.search(
            vector,
            self._space_id,
            limit=limit,
            query=query,
            recordings=recordings,
            where=where,
        )


def between(start: str, end: str) -> str:
    """Return the condition, in SQL, that a segment is shown between two times; "" is no limit.

    Raises:
        ValueError: a text is no time.
    """
    conditions = []
    if start:
        column, value = _limit("end", start)
        conditions.append(f"{quoted_column(column)} >= {value}")
    if end:
        column, value = _limit("start", end)
        conditions.append(f"{quoted_column(column)} <= {value}")
    return " AND ".join(conditions)


def quoted_column(name: str) -> str:
    """Return a column's name as it stands in SQL; some are words of SQL."""
    return f"`{name}`"


def date_of(recording: StoredRecording, stamp_ns: int) -> str:
    """Return the date and time of a stamp (UTC); "" if the recording has no clock."""
    if recording.start_ns < _CLOCK_NS:
        return ""
    time = datetime.fromtimestamp(stamp_ns / 1e9, timezone.utc)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _limit(end: str, text: str) -> tuple[str, str]:
    """Return the column that a time is compared with, and its value there."""
    try:
        return end, repr(float(text))
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no time: write seconds from the first image (12.5) or a date and time "
            "(2026-05-01T14:30)"
        ) from error
    return f"{end}_ns", str(round(time.astimezone().timestamp() * 1e9))


def _named(store: Store, name: str) -> list[str]:
    recordings = store.recordings()
    exact = [one.id for one in recordings if one.id == name]
    found = exact or [one.id for one in recordings if name in f"{one.path} {one.topic}"]
    if not found:
        raise StoreError(f"{store.location} holds no recording {name!r}")
    return found


def _check_query(recordings: list[StoredRecording], query: str) -> None:
    known = dict.fromkeys(name for one in recordings for name in one.queries)
    if query and query not in known:
        raise StoreError(f"no recording was asked {query!r}; there are {', '.join(known)}")
