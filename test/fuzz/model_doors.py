# SPDX-License-Identifier: Apache-2.0
"""Model directories with a spoiled file; needs torch."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fuzz.door import Attempt, Door
from fuzz.mutations import early, spoiled, strange_json_text
from support.tiny_model import TINY_PAPER, contents, tiny_model
from vljepa_ros.model.checkpoints.tensors import CheckpointError
from vljepa_ros.model.directory import save_model
from vljepa_ros.model.verification import verify_model


@contextmanager
def _models() -> Iterator[Attempt]:
    with tempfile.TemporaryDirectory() as folder:
        honest, spoilt = Path(folder) / "honest", Path(folder) / "spoilt"
        held = contents(TINY_PAPER, Path(folder))
        save_model(
            honest,
            tiny_model(TINY_PAPER),
            licences=held.licences,
            text_tokenizer=held.text_tokenizer,
            query_tokenizer=held.query_tokenizer,
            queries=held.queries,
            phrases=held.phrases,
        )

        def attempt(rng: np.random.Generator) -> str:
            shutil.rmtree(spoilt, ignore_errors=True)
            shutil.copytree(honest, spoilt)
            files = sorted(spoilt.iterdir())
            file = files[int(rng.integers(len(files)))]
            content = file.read_bytes()
            if file.suffix == ".json" and rng.random() < 0.8:
                file.write_bytes(strange_json_text(rng, content.decode("utf-8")))
            else:
                spoil = early if rng.random() < 0.7 else spoiled
                file.write_bytes(spoil(rng, content))
            try:
                list(verify_model(spoilt))
            except CheckpointError:
                return "refused"
            return "verified"

        yield attempt


DOORS = (Door("models", 0.0005, _models),)
