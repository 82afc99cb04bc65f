# SPDX-License-Identifier: Apache-2.0
"""The tubelet that ends with a frame."""

from __future__ import annotations

from vljepa_ros.stream.tubelet import tubelet_of


def test_it_is_the_newest_frames_and_stands_still_before_the_first() -> None:
    assert tubelet_of("abcdef", 4) == ["c", "d", "e", "f"]
    assert tubelet_of("ab", 4) == ["a", "a", "a", "b"]
    assert tubelet_of("a", 1) == ["a"]
