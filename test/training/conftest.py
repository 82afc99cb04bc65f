# SPDX-License-Identifier: Apache-2.0
"""Annotated clips of plain colours, and a tokenizer for what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.training_clips import write_clips, write_tokenizer

if TYPE_CHECKING:
    from vljepa_ros.training.tokenize import Tokenize


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder)
    return folder


@pytest.fixture(scope="module")
def tokenize(tmp_path_factory: pytest.TempPathFactory) -> Tokenize:
    from vljepa_ros.training.tokenize import Tokenize  # needs transformers, which may be absent

    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    write_tokenizer(path)
    return Tokenize(path, 6)
