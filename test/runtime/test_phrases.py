# SPDX-License-Identifier: Apache-2.0
"""The phrase bank against sums done by hand."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.colour_bundle import COLOURS, LEVELS, phrase, seal
from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.phrases import (
    ALL,
    MAX_ADDED,
    MAX_ADDED_PER_QUERY,
    NoPhrasesError,
    PhraseBank,
)
from vljepa_ros.stream.vectors import softmax

TEXTS = {"action": ["waits", "reaches"], "object": ["closed", "open", "ajar"]}
ROWS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0.8, 0], [0, 0.6, 0.8]], dtype=np.float32)


def bank(logit_scale: float = 10.0) -> PhraseBank:
    return PhraseBank(TEXTS, ROWS, logit_scale)


def test_the_nearest_phrase_of_the_query_wins_with_its_probability() -> None:
    best = bank(logit_scale=10.0).best("action", [3.0, 4.0, 0.0])
    assert best.text == "reaches"
    assert best.cosine == pytest.approx(0.8)
    assert best.share == pytest.approx(math.exp(8) / (math.exp(6) + math.exp(8)))


def test_the_probabilities_are_those_of_the_query_s_phrases_in_their_order() -> None:
    found = bank(logit_scale=2.0).probabilities("object", [0.0, 0.0, 5.0])
    weights = np.exp([2.0, 0.0, 1.6])
    np.testing.assert_allclose(found, weights / weights.sum(), rtol=1e-6)
    with pytest.raises(ValueError, match="expected"):
        bank().probabilities("object", [1.0, 0.0])


def test_each_query_has_its_own_candidates() -> None:
    best = bank(logit_scale=2.0).best("object", [0.0, 0.0, 1.0])
    weights = [math.exp(2.0), math.exp(0.0), math.exp(1.6)]
    assert best.text == "closed"
    assert best.share == pytest.approx(weights[0] / sum(weights))


@pytest.mark.parametrize("query", ["own", "none"])
def test_a_query_without_phrases_has_no_answer(query: str) -> None:
    phrases = PhraseBank({**TEXTS, "none": []}, ROWS, 10.0)
    assert not phrases.can_answer(query)
    for ask in (phrases.best, phrases.probabilities):
        with pytest.raises(NoPhrasesError, match=f"query '{query}' has no phrases"):
            ask(query, [0.0, 0.0, 1.0])


def test_a_query_without_phrases_is_answered_from_the_whole_bank_on_request() -> None:
    phrases = PhraseBank(TEXTS, ROWS, 2.0, ALL)
    best = phrases.best("own", [0.0, 0.0, 1.0])
    weights = [1.0, 1.0, math.exp(2.0), 1.0, math.exp(1.6)]
    assert best.text == "closed"
    assert best.share == pytest.approx(weights[2] / sum(weights))
    assert phrases.best("action", [0.0, 0.1, 1.0]).text == "reaches"  # it has its own


def test_rows_are_scaled_to_unit_length() -> None:
    best = PhraseBank(TEXTS, 7 * ROWS, 10.0).best("action", [0.0, 5.0, 0.0])
    assert best.cosine == pytest.approx(1.0)


def test_an_added_phrase_is_a_candidate_of_its_query_and_of_the_whole_bank() -> None:
    phrases = PhraseBank(TEXTS, ROWS, 10.0, ALL)
    phrases.add("action", {"lifts": [0.0, 0.0, 2.0]})
    phrases.add("new", {"spins": [0.0, -1.0, 0.0]})
    assert phrases.best("action", [0, 0, 1]).text == "lifts"
    assert phrases.best("unknown", [0, -1, 0]).text == "spins"
    assert phrases.texts["action"] == ("waits", "reaches", "lifts")
    assert phrases.texts["new"] == ("spins",)


def test_adding_a_text_again_replaces_its_embedding() -> None:
    phrases = bank()
    phrases.add("action", {"waits": [0.0, 0.0, 1.0]})
    assert phrases.texts["action"] == ("waits", "reaches")
    assert phrases.best("action", [0, 0, 1]).text == "waits"
    assert phrases.best("action", [1, 0.1, 0]).text == "reaches"


def test_removed_phrases_are_no_candidates_any_more() -> None:
    phrases = PhraseBank(TEXTS, ROWS, 10.0, ALL)
    phrases.remove("object", ["closed"])
    assert phrases.texts["object"] == ("open", "ajar")
    assert phrases.best("object", [0, 0, 1]).text == "ajar"
    assert phrases.best("own", [0, 0, 1]).text == "ajar"
    phrases.remove("object", [])
    phrases.remove("action", ["waits", "reaches"])
    assert phrases.texts == {}
    assert not phrases.can_answer("object") and not phrases.can_answer("own")
    phrases.add("object", {"shut": [0.0, 0.0, 1.0]})
    assert phrases.best("object", [0, 0, 1]).text == "shut"


def test_phrases_are_removed_all_or_none() -> None:
    phrases = bank()
    with pytest.raises(ValueError, match="query 'action' has no phrase 'sings'"):
        phrases.remove("action", ["waits", "sings"])
    with pytest.raises(NoPhrasesError):
        phrases.remove("own", [])
    assert phrases.texts["action"] == ("waits", "reaches")


def many(number: int) -> dict[str, list[float]]:
    return {f"phrase {index}": [1.0, 0.0, 0.0] for index in range(number)}


def test_a_query_takes_a_limited_number_of_phrases_beside_the_first() -> None:
    phrases = bank()
    phrases.add("action", {**many(MAX_ADDED_PER_QUERY), "waits": [1.0, 0.0, 0.0]})
    phrases.add("action", many(3))  # anew, so there are no more
    with pytest.raises(ValueError, match=f"257 phrases .*may be {MAX_ADDED_PER_QUERY}"):
        phrases.add("action", {"one more": [1.0, 0.0, 0.0]})
    phrases.remove("action", ["phrase 7"])
    phrases.check_room("action", ["one more"])


def test_all_queries_together_take_a_limited_number_of_phrases() -> None:
    phrases = bank()
    for number in range(MAX_ADDED // 256):
        phrases.add(f"q{number}", many(256))
    with pytest.raises(ValueError, match=f"2049 phrases .*may be {MAX_ADDED} "):
        phrases.check_room("action", ["one more"])


@pytest.mark.parametrize(
    "bad", [[1.0, 0.0], [math.nan, 0.0, 1.0], [0.0, 0.0, 0.0], [[1.0, 0.0, 0.0]], [], 1.0]
)
def test_an_unusable_embedding_is_refused(bad: Any) -> None:
    phrases = bank()
    with pytest.raises(ValueError, match="embedding"):
        phrases.best("action", bad)
    with pytest.raises(ValueError, match="embedding"):
        phrases.add("action", {"text": bad})
    assert phrases.texts["action"] == ("waits", "reaches")


@pytest.mark.parametrize("rows", [ROWS[:4], np.zeros_like(ROWS), ROWS[0], np.full((5, 3), np.nan)])
def test_rows_that_do_not_fit_the_texts_are_refused(rows: Any) -> None:
    with pytest.raises(ValueError, match="embedding"):
        PhraseBank(TEXTS, rows, 10.0)


@given(st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=20), st.floats(0.01, 100.0))
def test_softmax_agrees_with_its_definition(cosines: list[float], scale: float) -> None:
    logits = [scale * cosine for cosine in cosines]
    by_hand = [1 / math.fsum(math.exp(other - own) for other in logits) for own in logits]
    np.testing.assert_allclose(softmax(logits), by_hand, rtol=1e-5, atol=1e-30)


def test_softmax_of_huge_logits_is_finite() -> None:
    np.testing.assert_array_equal(softmax([1e6, 0.0, 1e6]), [0.5, 0.0, 0.5])


def damaged(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


def test_the_bank_of_a_bundle_is_read(colour_bundle: Path) -> None:
    phrases = PhraseBank.from_bundle(Bundle.load(colour_bundle))
    assert phrases.texts["colour"] == tuple(map(phrase, COLOURS))
    assert phrases.texts["brightness"] == tuple(map(phrase, LEVELS))


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"colour": "text"}', '{"colour": [""]}', '{"colour": [1]}']
)
def test_a_bad_phrase_file_is_named(colour_bundle: Path, tmp_path: Path, content: str) -> None:
    copy = damaged(colour_bundle, tmp_path)
    (copy / "phrases.json").write_text(content, encoding="utf-8")
    with pytest.raises(BundleError, match=r"phrases\.json: .+; export"):
        PhraseBank.from_bundle(seal(copy))


def test_a_text_without_a_row_is_found(colour_bundle: Path, tmp_path: Path) -> None:
    copy = damaged(colour_bundle, tmp_path)
    texts = json.loads((copy / "phrases.json").read_text(encoding="utf-8"))
    texts["colour"].append("one too many")
    (copy / "phrases.json").write_text(json.dumps(texts), encoding="utf-8")
    with pytest.raises(BundleError, match=r"phrases\.npy: 9 phrases"):
        PhraseBank.from_bundle(seal(copy))


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((8, 10), dtype=np.float32),
        np.ones((8, 10), dtype=np.float64),
        np.ones((8, 11), dtype=np.float32),
        np.ones(8, dtype=np.float32),
    ],
)
def test_bad_rows_are_found(colour_bundle: Path, tmp_path: Path, rows: Any) -> None:
    copy = damaged(colour_bundle, tmp_path)
    np.save(copy / "phrases.npy", rows)
    with pytest.raises(BundleError, match=r"phrases\.npy"):
        PhraseBank.from_bundle(seal(copy))


class _Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_nothing_is_unpickled(colour_bundle: Path, tmp_path: Path) -> None:
    copy = damaged(colour_bundle, tmp_path)
    trap = np.array([_Trap(tmp_path / "code ran")], dtype=object)
    np.save(copy / "phrases.npy", trap, allow_pickle=True)
    with pytest.raises(BundleError, match=r"phrases\.npy"):
        PhraseBank.from_bundle(seal(copy))
    assert not (tmp_path / "code ran").exists()


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"rubbish"])
def test_a_file_that_is_no_array_is_found(
    colour_bundle: Path, tmp_path: Path, content: bytes
) -> None:
    copy = damaged(colour_bundle, tmp_path)
    (copy / "phrases.npy").write_bytes(content)
    with pytest.raises(BundleError, match=r"phrases\.npy"):
        PhraseBank.from_bundle(seal(copy))
