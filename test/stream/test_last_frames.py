# SPDX-License-Identifier: Apache-2.0
"""The last frames of a stream."""

from __future__ import annotations

from vljepa_ros.stream.last_frames import last_frames


def test_a_young_stream_stands_still_before_its_first_frame() -> None:
    assert last_frames("abcdef", 4) == ["c", "d", "e", "f"]
    assert last_frames("ab", 4) == ["a", "a", "a", "b"]
    assert last_frames("a", 1) == ["a"]
