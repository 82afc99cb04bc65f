# SPDX-License-Identifier: Apache-2.0
"""Train the text decoder of the default model, after the model.

``python -m vljepa_ros.recipes.default_model.train_y_decoder``

It learns training paraphrases from their embeddings, and the canonical sentence of a clip's label
from what the model predicts about the clip. It is written into the model directory. Every tenth
paraphrase is left out; at the end the command says how many of these it decodes all the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from vljepa_ros.model.directory import load_model, open_directory
from vljepa_ros.model.vljepa import Tokens, VLJepaModel
from vljepa_ros.model.y_decoder_files import save_decoder
from vljepa_ros.recipes.default_model.dataset import ClipSet
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, load_episodes
from vljepa_ros.recipes.default_model.features import EpisodeFeatures
from vljepa_ros.recipes.default_model.label_set import LabelSet
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.texts import FrozenText
from vljepa_ros.training.y_decoder_texts import embed_sentences
from vljepa_ros.training.y_decoder_trainer import (
    STEPS,
    DecoderExamples,
    new_decoder,
    train_decoder,
)

CLIPS = 12000
EVERY_EPISODE = 4  # a quarter of the episodes shows everything, and fits into memory
BATCH = 64
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
    episodes = load_episodes(data, "train")
    label_set = LabelSet.of(episodes)
    some = episodes[::EVERY_EPISODE]
    clips = ClipSet(some, EpisodeFeatures(data), model.config, label_set)
    text = FrozenText(
        model.y_encoder, directory.text_tokenizer, model.config.predictor.max_query_tokens
    )
    predicted, said = _predictions(model, clips, _questions(text), label_set)
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
    queries = [text.query(language.QUERIES[name][0]) for name in QUERY_NAMES]
    return Tokens(*(torch.stack(part) for part in zip(*queries, strict=True)))


@torch.no_grad()
def _predictions(
    model: VLJepaModel, clips: ClipSet, questions: Tokens, label_set: LabelSet
) -> tuple[Tensor, list[str]]:
    """Return embeddings (N, D) of random clips, and the canonical sentence of each label."""
    rows = np.random.default_rng(0).permutation(len(clips))[:CLIPS]
    parts = np.array_split(rows, max(1, len(rows) // BATCH))
    bar = tqdm(parts, "predictions", unit="batch")
    embeddings = torch.cat([_embed(model, clips, part, questions) for part in bar])
    labels = label_set.all()
    targets = clips.targets[np.concatenate(parts)].reshape(-1)
    return embeddings.flatten(0, 1), [language.canonical(labels[target]) for target in targets]


def _embed(
    model: VLJepaModel, clips: ClipSet, rows: NDArray[np.int64], questions: Tokens
) -> Tensor:
    asked = Tokens(*(part.expand(len(rows), *part.shape) for part in questions))
    return model.embed(clips.clips(clips.frames(rows)), asked)


if __name__ == "__main__":
    main()
