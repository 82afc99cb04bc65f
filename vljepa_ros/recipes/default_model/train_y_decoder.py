# SPDX-License-Identifier: Apache-2.0
"""Train the text decoder of the default model, after the model.

``python -m vljepa_ros.recipes.default_model.train_y_decoder``

It learns training paraphrases from their embeddings, and the canonical sentence of a clip's label
from what the model predicts about the clip. It is written into the model directory. Every tenth
paraphrase is left out; at the end the command says how many of these it decodes all the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from vljepa_ros.model.directory import load_model, open_directory
from vljepa_ros.model.vljepa import Tokens, VLJepaModel
from vljepa_ros.model.y_decoder_files import save_decoder
from vljepa_ros.recipes.default_model.episode_groups import load_training
from vljepa_ros.recipes.default_model.episodes import (
    QUERY_NAMES,
    StoredEpisode,
    simulated,
)
from vljepa_ros.recipes.default_model.features import EpisodeFeatures
from vljepa_ros.recipes.default_model.frame_set import Features
from vljepa_ros.recipes.default_model.label_set import LabelSet
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.texts import FrozenText
from vljepa_ros.recipes.default_model.whole_streams import answers
from vljepa_ros.training.y_decoder_texts import embed_sentences
from vljepa_ros.training.y_decoder_trainer import (
    STEPS,
    DecoderExamples,
    new_decoder,
    train_decoder,
)

EVERY_EPISODE = 4  # a quarter of the episodes shows everything
LEFT_OUT = 10  # every tenth paraphrase


def main() -> None:
    """Parse the command line, train and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--model", type=Path, default=Path("run/model"))
    parser.add_argument("--steps", type=int, default=STEPS)
    args = parser.parse_args()
    train(args.data, args.model, args.steps)


def train(data: Path, folder: Path, steps: int) -> None:
    """Train on the training episodes in ``data``, for the model in ``folder``."""
    directory, model = open_directory(folder), load_model(folder)
    # what people say of single clips is no vocabulary to speak from
    episodes = simulated(load_training(data))
    label_set = LabelSet.of(episodes)
    text = FrozenText(
        model.y_encoder, directory.text_tokenizer, model.config.predictor.max_query_tokens
    )
    some = episodes[::EVERY_EPISODE]
    predicted, said = _predictions(model, some, EpisodeFeatures(data), _questions(text))
    heard, unheard = _split(label_set)
    torch.manual_seed(0)
    decoder = new_decoder(heard, model.config.embedding)
    tokenizer = directory.text_tokenizer
    texts = DecoderExamples.of(decoder.vocabulary, embed_sentences(model, tokenizer, heard), heard)
    predictions = DecoderExamples.of(decoder.vocabulary, predicted, said)
    loss = train_decoder(decoder, texts, predictions, steps=steps)
    save_decoder(folder, decoder)
    print(f"{len(decoder.config.words)} words, loss {loss:.3f} per word; written into {folder}")
    spoken = decoder.sentences(embed_sentences(model, tokenizer, unheard))
    print(_report(unheard, spoken, label_set))


def _report(unheard: list[str], spoken: list[str], label_set: LabelSet) -> str:
    pairs = list(zip(unheard, spoken, strict=True))
    same = np.mean([wanted == said for wanted, said in pairs])
    groups = [set(language.training_paraphrases(label)) for label in label_set.all()]
    meant = np.mean([any({*pair} <= group for group in groups) for pair in pairs])
    return (
        f"of {len(unheard)} sentences that were left out, {same:.1%} are said word for word and "
        f"{meant:.1%} in words of the same meaning"
    )


def _split(label_set: LabelSet) -> tuple[list[str], list[str]]:
    """Return the paraphrases to learn from, and those that are left out; none is canonical."""
    labels = label_set.all()
    canonical = {language.canonical(label) for label in labels}
    known = {text for label in labels for text in language.training_paraphrases(label)}
    unheard = sorted(known - canonical)[::LEFT_OUT]
    return sorted(known.difference(unheard)), unheard


def _questions(text: FrozenText) -> Tokens:
    """Return the queries in their canonical wording, (Q, L, width)."""
    return text.queries([language.QUERIES[name][0] for name in QUERY_NAMES])


def _predictions(
    model: VLJepaModel, episodes: Sequence[StoredEpisode], features: Features, questions: Tokens
) -> tuple[Tensor, list[str]]:
    """Return embeddings (N, D) of every frame's answers, and the canonical sentence of each."""
    embeddings, said = [], []
    for episode in tqdm(episodes, "predictions", unit="episode"):
        frames, found = answers(model, episode, features, questions)
        for number, name in enumerate(QUERY_NAMES):
            labels = [episode.labels[name][frame] for frame in frames]
            known = [row for row, label in enumerate(labels) if label is not None]
            embeddings.append(found[known, number])
            said += [language.canonical(label) for label in labels if label is not None]
    return torch.cat(embeddings), said


if __name__ == "__main__":
    main()
