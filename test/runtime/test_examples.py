# SPDX-License-Identifier: Apache-2.0
"""Visual examples: what they answer, how many there may be, and the file that keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vljepa_ros.runtime.decoder import Description
from vljepa_ros.runtime.example_answers import ExampleAnswers
from vljepa_ros.runtime.examples import MAX_CLIPS, MAX_CLIPS_PER_QUERY, MAX_TEXTS, Examples
from vljepa_ros.runtime.examples_file import ExamplesFileError, read_examples, write_examples
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.runtime.signals import choose_signal
from vljepa_ros.stream.change import ChangeConfig, ChangeDetector
from vljepa_ros.stream.vectors import EmbeddingError, unit

SIZE, DIMENSION = 8, 4
EMBEDDING = unit([1.0, 0.1, 0.0, 0.0])


def clips(place: int, count: int = 5, seed: int = 0) -> NDArray[np.float32]:
    """Features of a scene: noise around 10, but for a place that is brighter."""
    rows = np.random.default_rng(seed).normal(10.0, 0.1, (count, SIZE))
    rows[:, place] += 1.0
    return rows.astype(np.float32)


def halved(query: str, share: float, unfamiliarity: float) -> float:
    """Stand for a calibration."""
    return share / 2.0


@pytest.fixture
def examples() -> Examples:
    it = Examples("space")
    it.add("state", "open", clips(0))
    it.add("state", "closed", clips(1))
    return it


@pytest.fixture
def answers(examples: Examples) -> ExampleAnswers:
    bank = PhraseBank({"state": ["phrase"], "other": ["words"]}, np.eye(DIMENSION)[:2], 10.0)
    return ExampleAnswers(bank, choose_signal("answers", bank), halved, bank, examples)


def test_two_texts_answer_a_query_and_one_does_not(examples: Examples) -> None:
    examples.add("alone", "only", clips(2))
    assert examples.taught("alone") is None
    taught = examples.taught("state")
    assert taught is not None and taught.texts == ("open", "closed")
    for place, clip in enumerate((clips(0, 1, 1)[0], clips(1, 1, 2)[0])):
        shares = taught.shares(clip)
        assert shares.argmax() == place and shares.sum() == pytest.approx(1.0)
        assert (np.abs(taught.nearness(clip)) <= 1.0).all()


def test_a_feature_that_never_varies_does_no_harm(examples: Examples) -> None:
    for text, row in (("a", clips(0)), ("b", clips(1))):
        row[:, 7] = 3.0
        examples.add("still", text, row)
    clip = clips(1, 1, 5)[0]
    clip[7] = 3.0
    taught = examples.taught("still")
    assert taught is not None and taught.shares(clip).argmax() == 1


def test_examples_of_one_clip_answer_too() -> None:
    examples = Examples("space")
    examples.add("q", "a", clips(0, 1))
    examples.add("q", "b", clips(0, 1))  # the same clip under two names
    taught = examples.taught("q")
    assert taught is not None
    np.testing.assert_allclose(taught.shares(clips(3, 1)[0]), [0.5, 0.5])


def test_more_than_the_limits_are_refused_and_change_nothing(examples: Examples) -> None:
    before = examples.counts
    for texts, rows, cause in (
        (("open",), clips(0, MAX_CLIPS_PER_QUERY), "example clips for query 'state'"),
        (("open",), clips(0)[:, :5], r"shape \(5, 5\), expected \(clips, 8\)"),
        (("open",), clips(0, 0), "shape"),
        (("open",), np.full((1, SIZE), np.nan, dtype=np.float32), "not finite"),
    ):
        with pytest.raises(ValueError, match=cause):
            examples.add("state", texts[0], rows)
    assert examples.counts == before
    for number in range(MAX_TEXTS):
        examples.add("many", f"text {number}", clips(0, 1))
    with pytest.raises(ValueError, match=f"more than {MAX_TEXTS} texts"):
        examples.add("many", "one more", clips(0, 1))
    with pytest.raises(ValueError, match="for all queries"):
        for number in range(MAX_CLIPS // 1000 + 1):
            examples.add(f"query {number}", "text", clips(0, 1000))
    assert examples.total <= MAX_CLIPS


def test_removing_is_all_or_nothing(examples: Examples) -> None:
    with pytest.raises(ValueError, match="no examples of 'ajar'"):
        examples.remove("state", ["open", "ajar"])
    assert set(examples.counts["state"]) == {"open", "closed"}
    examples.remove("state", ["open"])
    assert examples.counts == {"state": {"closed": 5}} and examples.taught("state") is None
    examples.remove("state", [])
    with pytest.raises(ValueError, match="query 'state' has no examples"):
        examples.remove("state", [])


def test_the_mean_of_a_state_is_answered_as_its_clips_are(answers: ExampleAnswers) -> None:
    """The features go through the change detector with the embedding, and disturb no cosine."""
    detector = ChangeDetector(ChangeConfig())
    rows = clips(1, 6, 3)
    for index, clip in enumerate(rows):
        vector = answers.seen("state", EMBEDDING, clip)
        signal = answers.signal("state", vector)
        detector.update(index * 100_000_000, vector, signal)
    segment = detector.finish()
    assert segment is not None
    np.testing.assert_allclose(answers.embedding(segment.embedding), EMBEDDING, atol=1e-6)
    mean = answers.features(segment.embedding)
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-5)
    found = answers.best("state", segment.embedding)
    assert found.text == "closed" and np.isnan(found.cosine)


def test_a_query_without_examples_is_answered_by_the_decoder(answers: ExampleAnswers) -> None:
    assert not answers.answers("other")
    assert answers.seen("other", EMBEDDING, None) is EMBEDDING
    found = answers.best("other", EMBEDDING)
    assert found.text == "words" and found.cosine == pytest.approx(float(EMBEDDING[1]))
    candidates = answers.candidates("other", EMBEDDING)
    assert candidates is not None and candidates.texts == ("words",)
    assert answers.candidates("unknown", EMBEDDING) is None


def test_an_answer_from_examples_has_no_calibration(answers: ExampleAnswers) -> None:
    assert answers.score("state", 0.8, 1.0) == 0.8
    assert answers.score("other", 0.8, 1.0) == 0.4


def test_a_state_that_began_with_examples_has_words_after_they_went(
    answers: ExampleAnswers,
) -> None:
    vector = answers.seen("state", EMBEDDING, clips(0)[0])
    answers.examples.remove("state", [])
    found: Description = answers.best("state", vector)
    assert found.text == "phrase" and found.share == 1.0


def test_features_that_are_missing_or_of_another_model_are_refused(
    answers: ExampleAnswers,
) -> None:
    with pytest.raises(EmbeddingError, match="none visual features, the examples have 8"):
        answers.seen("state", EMBEDDING, None)
    with pytest.raises(EmbeddingError, match="3 visual features"):
        answers.seen("state", EMBEDDING, np.ones(3, dtype=np.float32))


def test_a_file_gives_back_what_was_written(examples: Examples, tmp_path: Path) -> None:
    file = tmp_path / "examples.npz"
    assert write_examples(file, examples) == 10
    found = read_examples(file, "space")
    assert found.counts == examples.counts
    for (*_, written), (*_, read) in zip(examples.rows(), found.rows(), strict=True):
        np.testing.assert_array_equal(written, read)
    examples.remove("state", ["open"])
    assert write_examples(file, examples) == 5  # an older file of examples is replaced
    assert read_examples(file, "space").counts == examples.counts


def test_the_home_folder_of_a_file_may_be_a_tilde(
    examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_examples(tmp_path / "e.npz", examples)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_examples(Path("~/e.npz"), "space").counts == examples.counts


def test_examples_of_another_model_are_refused(examples: Examples, tmp_path: Path) -> None:
    write_examples(tmp_path / "e.npz", examples)
    with pytest.raises(ExamplesFileError, match="of the model 'space', but the bundle is 'other'"):
        read_examples(tmp_path / "e.npz", "other")


def test_nothing_but_examples_is_replaced(examples: Examples, tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, features=np.ones(3))
    before = data.read_bytes()
    with pytest.raises(ExamplesFileError, match="it is not replaced: choose another name"):
        write_examples(data, examples)
    assert data.read_bytes() == before
    with pytest.raises(ExamplesFileError, match="ends with .npz"):
        write_examples(tmp_path / "notes.txt", examples)
    with pytest.raises(ExamplesFileError, match="cannot be written: No such file"):
        write_examples(tmp_path / "missing" / "e.npz", examples)
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(ExamplesFileError, match="no regular file .* it is not replaced"):
        write_examples(tmp_path / "folder.npz", examples)
    with pytest.raises(ExamplesFileError, match="File name too long"):
        write_examples(tmp_path / f"{'x' * 300}.npz", examples)
    with pytest.raises(ExamplesFileError, match="there are no examples"):
        write_examples(tmp_path / "e.npz", Examples("space"))


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"of": np.zeros(10, dtype=np.int32)}, "do not fit each other"),
        ({"of": np.zeros(9, dtype=np.int32)}, "do not fit each other"),
        ({"features": np.ones((10, 8))}, "features float64"),
        ({"features": np.full((10, 8), np.inf, dtype=np.float32)}, "not finite"),
        ({"about": np.frombuffer(b"[]", dtype=np.uint8)}, "must be an object"),
        ({"about": np.frombuffer(b"\xff{", dtype=np.uint8)}, "holds no usable examples"),
        ({"about": np.frombuffer(b'{"space_id": "space"}', dtype=np.uint8)}, "queries is missing"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_in_words(
    examples: Examples, tmp_path: Path, changes: dict[str, NDArray[np.generic]], cause: str
) -> None:
    file = tmp_path / "e.npz"
    write_examples(file, examples)
    with np.load(file) as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(file, **{**arrays, **changes})
    with pytest.raises(ExamplesFileError, match=cause) as caught:
        read_examples(file, "space")
    assert str(file) in str(caught.value)
    with pytest.raises(ExamplesFileError, match="cannot be read"):
        read_examples(tmp_path / "missing.npz", "space")
