# SPDX-License-Identifier: Apache-2.0
"""MCAP files, read from the beginning to the end or to the last whole record.

The index at the end is only asked for the topics. A recorder that was killed wrote none, and what
stands before it is as good as in any other file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vljepa_ros.recordings.bag_file import BagFile, BagTopic, StoredMessage, full_type
from vljepa_ros.recordings.source import SourceError

if TYPE_CHECKING:
    from mcap.records import Channel, Schema

MAGIC = b"\x89MCAP0\r\n"
_DAMAGED_CHUNK = "bag file is damaged: a chunk of messages is left out"
_ENDS_EARLY = "bag file ends early: what is whole is played"


class McapFile(BagFile):
    """One MCAP file, of any profile and with schemas of any encoding."""

    def __init__(self, path: Path, problems: Counter[str]) -> None:
        """Check that the library is there.

        Raises:
            SourceError: the package `mcap` is missing.
        """
        super().__init__(path, problems)
        try:
            import mcap.reader  # noqa: F401
        except ImportError as error:
            raise SourceError(
                f"{path} is an MCAP file, and the Python package that reads it is missing: "
                "pip install mcap"
            ) from error

    def topics(self) -> tuple[list[BagTopic], str]:
        """Return the topics from the index at the end, or from the whole file if it has none."""
        if indexed := self._indexed_topics():
            return indexed, ""
        found: dict[int, BagTopic] = {}
        counts: Counter[int] = Counter()
        ending: list[str] = []
        for topic, channel, message in self._read(ending):
            found[channel] = topic
            counts[channel] += message is not None
        topics = [
            BagTopic(topic.name, topic.type, topic.encoding, counts[channel])
            for channel, topic in found.items()
        ]
        return topics, "".join(ending)

    def messages(self, topic: BagTopic) -> Iterator[StoredMessage]:
        """Yield the topic's messages, also those after a damaged chunk."""
        ending: list[str] = []
        for found, _, message in self._read(ending):
            if message is not None and (found.name, found.type) == (topic.name, topic.type):
                yield message
        if ending:
            self._problems[_ENDS_EARLY] += 1

    def _indexed_topics(self) -> list[BagTopic]:
        from mcap.reader import make_reader

        with self.path.open("rb") as stream, suppress(Exception):  # the library's and its parsers'
            summary = make_reader(stream).get_summary()
            if summary and summary.statistics:
                counts = summary.statistics.channel_message_counts
                return [
                    _topic(channel, summary.schemas, counts.get(channel.id, 0))
                    for channel in summary.channels.values()
                ]
        return []

    def _read(self, ending: list[str]) -> Iterator[tuple[BagTopic, int, StoredMessage | None]]:
        """Yield (topic, channel, message), with None as message if a channel is announced.

        `ending` gets the reason if the file has no proper end.
        """
        from mcap.records import Channel, Message, Schema

        schemas: dict[int, Schema] = {}
        topics: dict[int, BagTopic] = {}
        for record in self._records(ending):
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Channel):
                topics[record.id] = _topic(record, schemas)
                yield topics[record.id], record.id, None
            elif isinstance(record, Message) and record.channel_id in topics:
                yield topics[record.channel_id], record.channel_id, (record.log_time, record.data)

    def _records(self, ending: list[str]) -> Iterator[Any]:
        """Yield all records, those of chunks as well."""
        from mcap.records import Chunk
        from mcap.stream_reader import StreamReader, breakup_chunk

        size = self.path.stat().st_size
        with self.path.open("rb") as stream:
            records = StreamReader(stream, emit_chunks=True, record_size_limit=size).records
            while True:
                try:
                    record = next(records, None)
                except Exception as error:  # the library's own and those of its parsers
                    ending.append(f"its end is missing ({type(error).__name__})")
                    return
                if record is None:
                    return
                if not isinstance(record, Chunk):
                    yield record
                    continue
                try:
                    inside = breakup_chunk(record, validate_crc=True)
                except Exception:  # what the decompressors raise
                    self._problems[_DAMAGED_CHUNK] += 1
                else:
                    yield from inside


def _topic(channel: Channel, schemas: dict[int, Schema], messages: int = 0) -> BagTopic:
    schema = schemas.get(channel.schema_id)
    kind = full_type(schema.name) if schema else "unknown type"
    return BagTopic(channel.topic, kind, channel.message_encoding, messages)
