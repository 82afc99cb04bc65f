# SPDX-License-Identifier: Apache-2.0
"""Train the text decoder of the default model, after the model.

``python -m vljepa_ros.training.default_model.train_y_decoder``

It learns every training paraphrase from its embedding, and the canonical sentence of a clip's
label from what the model predicts about the clip. It is written into the model directory.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ...model.directory import load_model, open_directory
from ...model.vljepa import Tokens, VLJepaModel
from ...model.y_decoder_files import save_decoder
from ..y_decoder import STEPS, Lessons, new_decoder, train_decoder
from ..y_decoder_texts import embed_sentences
from .dataset import ClipSet, Vocabulary
from .episodes import QUERY_NAMES, load_episodes
from .features import cache_features
from .simulation import language
from .texts import FrozenText

CLIPS = 12000
EVERY_EPISODE = 4  # a quarter of the episodes shows everything, and fits into memory
BATCH = 64


def main() -> None:
    """Parse the command line, train and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--model", type=Path, default=Path("run/model"))
    parser.add_argument("--steps", type=int, default=STEPS)
    args = parser.parse_args()
    cache_features(args.data, ["train"])
    train(args.data, args.model, args.steps)


def train(data: Path, folder: Path, steps: int) -> None:
    """Train on the training episodes in ``data``, for the model in ``folder``."""
    directory, model = open_directory(folder), load_model(folder)
    episodes = load_episodes(data, "train")
    vocabulary = Vocabulary.of(episodes)
    clips = ClipSet(episodes[::EVERY_EPISODE], model.config, vocabulary)
    text = FrozenText(
        model.y_encoder, directory.text_tokenizer, model.config.predictor.max_query_tokens
    )
    predicted, said = _predictions(model, clips, _questions(text), vocabulary)
    known = sorted({s for label in vocabulary.all() for s in language.training_paraphrases(label)})
    torch.manual_seed(0)
    decoder = new_decoder(known, model.config.embedding)
    texts = Lessons.of(
        decoder.words, embed_sentences(model, directory.text_tokenizer, known), known
    )
    predictions = Lessons.of(decoder.words, predicted, said)
    loss = train_decoder(decoder, texts, predictions, steps=steps)
    save_decoder(folder, decoder)
    print(f"{len(decoder.config.words)} words, loss {loss:.3f} per word; written into {folder}")


def _questions(text: FrozenText) -> Tokens:
    """Return the queries in their canonical wording, (Q, L, width)."""
    queries = [text.query(language.QUERIES[name][0]) for name in QUERY_NAMES]
    return Tokens(*(torch.stack(part) for part in zip(*queries, strict=True)))


@torch.no_grad()
def _predictions(
    model: VLJepaModel, clips: ClipSet, questions: Tokens, vocabulary: Vocabulary
) -> tuple[Tensor, list[str]]:
    """Return embeddings (N, D) of random clips, and the canonical sentence of each label."""
    rows = np.random.default_rng(0).permutation(len(clips))[:CLIPS]
    parts = np.array_split(rows, max(1, len(rows) // BATCH))
    bar = tqdm(parts, "predictions", unit="batch")
    embeddings = torch.cat([_embed(model, clips, part, questions) for part in bar])
    labels = vocabulary.all()
    targets = clips.targets[np.concatenate(parts)].reshape(-1)
    return embeddings.flatten(0, 1), [language.canonical(labels[target]) for target in targets]


def _embed(
    model: VLJepaModel, clips: ClipSet, rows: NDArray[np.int64], questions: Tokens
) -> Tensor:
    asked = Tokens(*(part.expand(len(rows), *part.shape) for part in questions))
    return model.embed(clips.clips(clips.frames(rows)), asked)


if __name__ == "__main__":
    main()
