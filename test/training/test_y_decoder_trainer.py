# SPDX-License-Identifier: Apache-2.0
"""A Y-Decoder learns what it is taught, and says what it was not."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch", reason="training is tested where torch is installed")

from vljepa_ros.training import y_decoder_trainer  # noqa: E402
from vljepa_ros.training.y_decoder_trainer import (  # noqa: E402
    DecoderExamples,
    new_decoder,
    train_decoder,
)

WHO, WHAT, WHERE = ("a robot", "the arm"), ("opens", "lifts", "holds"), ("a cup", "the red door")
SENTENCES = [" ".join(parts) for parts in itertools.product(WHO, WHAT, WHERE)]


def embeddings(sentences: list[str]):
    """Return embeddings whose parts stand for parts of the sentence, as a text encoder's do."""
    parts = (*WHO, *WHAT, *WHERE)
    rows = [[float(part in sentence) for part in parts] for sentence in sentences]
    return torch.nn.functional.normalize(torch.tensor(rows), dim=-1)


@pytest.fixture(scope="module")
def taught():
    """Return a decoder, and the sentence that it was not taught."""
    unheard = "the arm lifts a cup"
    heard = [each for each in SENTENCES if each != unheard]
    torch.manual_seed(0)
    decoder = new_decoder(heard, dimension=7, width=48)
    loss = train_decoder(
        decoder, DecoderExamples.of(decoder.vocabulary, embeddings(heard), heard), steps=300
    )
    return decoder, unheard, loss


def test_it_says_what_it_was_taught_and_is_sure_of_it(taught) -> None:
    decoder, unheard, loss = taught
    heard = [each for each in SENTENCES if each != unheard]
    assert decoder.sentences(embeddings(heard)) == heard
    assert (decoder.greedy_decode(embeddings(heard))[1] > 0.5).all()
    assert 0 < loss < 0.2 and not decoder.training


def test_it_says_a_sentence_that_nobody_taught_it(taught) -> None:
    decoder, unheard, _ = taught
    assert decoder.sentences(embeddings([unheard])) == [unheard]


def test_it_is_sized_for_its_sentences() -> None:
    config = new_decoder(["it waits", "it waits, now"], dimension=3).config
    assert set(config.words) == {" it", " waits", ",", " now"}
    assert (config.embedding, config.longest) == (3, 5)  # with the end
    with pytest.raises(ValueError, match="no word to learn"):
        new_decoder([" "], dimension=3)


def test_predictions_are_learned_beside_texts() -> None:
    """Embeddings that no text has: only the second kind of examples can teach them."""
    torch.manual_seed(0)
    sentences = ["it opens", "it closes"]
    decoder = new_decoder(sentences, dimension=4, width=32)
    texts = DecoderExamples.of(decoder.vocabulary, torch.eye(4)[:2], sentences)
    predictions = DecoderExamples.of(decoder.vocabulary, torch.eye(4)[2:], sentences)
    train_decoder(decoder, texts, predictions, steps=120)
    assert decoder.sentences(torch.eye(4)) == sentences * 2


def test_the_same_seed_gives_the_same_decoder() -> None:
    def weights(seed: int):
        torch.manual_seed(0)
        decoder = new_decoder(SENTENCES, dimension=7, width=8)
        examples = DecoderExamples.of(decoder.vocabulary, embeddings(SENTENCES), SENTENCES)
        train_decoder(decoder, examples, steps=3, seed=seed)
        return decoder.next.weight

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_texts_are_moved_aside_and_toward_others_and_stay_unit_vectors() -> None:
    count = 20
    texts = torch.eye(400)[:count]
    examples = DecoderExamples(texts, torch.zeros(count, 1, dtype=torch.int64))
    moved = y_decoder_trainer._moved(examples, torch.Generator().manual_seed(0)).embeddings
    torch.testing.assert_close(moved.norm(dim=-1), torch.ones(count))
    assert (moved[:, count:].norm(dim=-1) > 0).all(), "aside: where no text is"
    toward = (moved @ texts.T).fill_diagonal_(0).max(1).values
    assert (toward > 0.2).any() and ((moved - texts).norm(dim=-1) > 0.02).all()


def test_what_stands_after_the_end_teaches_nothing() -> None:
    """A short sentence in a batch with long ones is learned as if it were alone."""
    torch.manual_seed(0)
    decoder = new_decoder(SENTENCES, dimension=7, width=8)
    examples = DecoderExamples.of(decoder.vocabulary, embeddings(SENTENCES), SENTENCES)
    assert examples.sentences.shape == (12, 7)
    short = decoder.vocabulary.numbers("a robot opens a cup")
    assert examples.sentences[0].tolist() == [*short, -1]
