# SPDX-License-Identifier: Apache-2.0
"""``vljepa train-decoder``: train a text decoder from a list of sentences, without clips.

The decoder is written into the model directory; the next export takes it along.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from vljepa_ros.model.directory import load_model, open_directory
from vljepa_ros.model.y_decoder_files import save_decoder
from vljepa_ros.training.y_decoder_texts import embed_sentences, read_sentences
from vljepa_ros.training.y_decoder_trainer import (
    STEPS,
    DecoderExamples,
    new_decoder,
    train_decoder,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command line may hold."""
    parser.add_argument("--model", type=Path, required=True, help="model directory")
    parser.add_argument("--texts", type=Path, required=True, help="sentences, one per line")
    parser.add_argument("--steps", type=int, default=STEPS, help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Train, write the decoder, and print how many sentences it says word for word.

    Raises:
        CheckpointError: the model directory cannot be used.
        ValueError: there is no sentence.
    """
    sentences = read_sentences(args.texts)
    directory = open_directory(args.model)
    embeddings = embed_sentences(load_model(args.model), directory.text_tokenizer, sentences)
    torch.manual_seed(0)
    decoder = new_decoder(sentences, directory.config.embedding)
    texts = DecoderExamples.of(decoder.vocabulary, embeddings, sentences)
    loss = train_decoder(decoder, texts, steps=args.steps)
    save_decoder(args.model, decoder)
    said = sum(map(str.__eq__, decoder.sentences(embeddings), sentences))
    print(f"{said} of {len(sentences)} sentences are said word for word; loss {loss:.3f} per word")
    print(f"wrote a decoder of {len(decoder.config.words)} words into {args.model}")
    return 0
