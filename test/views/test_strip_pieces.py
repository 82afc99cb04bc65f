# SPDX-License-Identifier: Apache-2.0
"""Short states become pieces that can be read, and lose none of their time."""

from __future__ import annotations

import numpy as np

from vljepa_ros.views.strip_pieces import Piece, pieces


def cuts(*widths: int) -> list[tuple[int, int, str]]:
    edges = np.cumsum([0, *widths]).tolist()
    return [
        (a, b, f"text {n % 3}") for n, (a, b) in enumerate(zip(edges, edges[1:], strict=False))
    ]


def test_wide_segments_stay_as_they_are() -> None:
    found = pieces(cuts(100, 30, 200))
    assert [(one.left, one.right, list(one.texts)) for one in found] == [
        (0, 100, ["text 0"]),
        (100, 130, ["text 1"]),
        (130, 330, ["text 2"]),
    ]


def test_narrow_neighbours_are_joined_until_they_are_wide_enough() -> None:
    found = pieces(cuts(*[3] * 400))
    assert [one.left for one in found[1:]] == [one.right for one in found[:-1]]
    assert all(64 <= one.right - one.left < 80 for one in found[:-1])
    assert sum(sum(one.texts.values()) for one in found) == 1200


def test_a_wide_segment_ends_a_piece_and_is_not_joined() -> None:
    found = pieces(cuts(5, 5, 100, 5, 5))
    assert [(one.left, one.right) for one in found] == [(0, 10), (10, 110), (110, 120)]


def test_narrow_segments_with_a_hole_between_are_not_joined() -> None:
    found = pieces([(0, 5, "a"), (50, 55, "b")])
    assert [(one.left, one.right) for one in found] == [(0, 5), (50, 55)]


def test_layers_fill_the_strip_by_share_and_the_longest_is_first() -> None:
    piece = Piece(0, 60)
    piece.texts.update({"short": 10, "long": 40, "middle": 10})
    layers = list(piece.layers(26))
    assert layers[0][0] == "long"
    assert layers[0][1] == 0
    assert layers[-1][2] == 26
    assert [b[1] for b in layers[1:]] == [a[2] for a in layers[:-1]]
    assert layers[0][2] > 26 // 2


def test_many_texts_fit_into_a_low_strip() -> None:
    piece = Piece(0, 100)
    piece.texts.update({str(n): 1 for n in range(100)})
    layers = list(piece.layers(26))
    assert layers[0][2] <= 26
    assert layers[-1][2] == 26
