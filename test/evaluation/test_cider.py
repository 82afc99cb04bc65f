# SPDX-License-Identifier: Apache-2.0
"""CIDEr-D against the code that made the metric known, and its edges."""

from __future__ import annotations

import random

import numpy as np
import pytest

from vljepa_ros.evaluation import cider as cider_module
from vljepa_ros.evaluation.cider import Corpus, cider, words

WORDS = ["a", "the", "robot", "opens", "closes", "drawer", "red", "cup", "slowly", "and", "holds"]


def sentence(draw: random.Random, longest: int = 14) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(draw.randint(1, longest)))


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_those_of_pycocoevalcap(seed: int) -> None:
    reference = pytest.importorskip("pycocoevalcap.cider.cider")
    draw = random.Random(seed)
    references = [[sentence(draw) for _ in range(draw.randint(1, 5))] for _ in range(15)]
    references += references[:5]
    candidates = [
        draw.choice([draw.choice(own), sentence(draw), f"{own[0]} {sentence(draw)}", "unheard"])
        for own in references
    ]
    mean, expected = reference.Cider().compute_score(
        dict(enumerate(references)), {i: [one] for i, one in enumerate(candidates)}
    )
    found = cider(candidates, references)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.mean() == pytest.approx(mean, abs=1e-6)
    assert found.max() > 1


def test_a_corpus_scores_any_sentence_against_any_clip() -> None:
    draw = random.Random(0)
    references = [[sentence(draw) for _ in range(3)] for _ in range(4)] * 2
    corpus = Corpus(references)
    for candidate in (references[0][0], sentence(draw)):
        expected = cider([candidate] * 8, references)
        found = [corpus.score(candidate, clip) for clip in references]
        np.testing.assert_array_equal(found, expected)
        assert expected.max() > 0


def test_a_score_is_kept_for_all_references_together() -> None:
    corpus = Corpus([["it waits", "it turns"], ["it waits", "the robot stops"]])
    first = corpus.score("it turns", ["it waits", "it turns"])
    assert first > corpus.score("it turns", ["it waits", "the robot stops"])


def test_what_was_scored_once_is_not_scored_again(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[list[str]] = []
    ngrams = cider_module._ngrams
    monkeypatch.setattr(
        cider_module, "_ngrams", lambda tokens: counted.append(tokens) or ngrams(tokens)
    )
    references = [["a robot waits", "it waits"], ["a robot turns"]]
    cider(["it waits", "a robot turns"] * 50, references * 50)
    assert len(counted) == 2 * len(references[0] + references[1])


def test_a_sentence_without_references_is_refused() -> None:
    with pytest.raises(ValueError, match="reference"):
        Corpus([["a"], ["b"]]).score("a", [])


def test_the_clips_own_words_score_ten_and_foreign_ones_nothing() -> None:
    references = [["a robot opens the red drawer"], ["someone walks her dog outside"]]
    assert cider(["a robot opens the red drawer", "blue"], references) == pytest.approx([10, 0])


def test_words_that_every_clip_has_count_nothing() -> None:
    references = [["the robot waits"], ["the robot turns"], ["the robot stops"]]
    scores = cider(["the robot", "the robot turns", ""], references)
    assert scores[0] == scores[2] == 0
    assert scores[1] > 5


def test_a_sentence_of_another_length_scores_less() -> None:
    references = [["open drawer"], ["close door"]]
    short, long = ("open drawer", "open drawer" + " x" * 12)
    assert cider([short, ""], references)[0] > 5 * cider([long, ""], references)[0] > 0


def test_case_and_punctuation_do_not_count() -> None:
    assert words("The robot's arm -- 2 UP.") == ["the", "robot's", "arm", "2", "up"]
    references = [["Opens: the drawer!"], ["It waits."]]
    assert cider(["opens the drawer", "it waits"], references) == pytest.approx([7.5, 5])


@pytest.mark.parametrize(
    ("candidates", "references"),
    [(["a"], [["a"], ["b"]]), (["a"], [["a"]]), (["a", "b"], [["a"], []]), ([], [])],
)
def test_what_cannot_be_scored_is_refused(
    candidates: list[str], references: list[list[str]]
) -> None:
    with pytest.raises(ValueError):
        cider(candidates, references)
