# SPDX-License-Identifier: Apache-2.0
"""The catalogue, what it costs, and the questions of the open world."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vljepa_ros.hub.catalogue import read_catalogue
from vljepa_ros.hub.catalogue_table import figures, table
from vljepa_ros.hub.costs import DIMENSIONS, cost_of
from vljepa_ros.hub.fetch_error import FetchError
from vljepa_ros.runtime.queries_file import read_queries_file
from vljepa_ros.shipped import shipped

TRAINED = {
    "Describe the image.",
    "Describe the video.",
    "What is happening in the video?",
    "What do you see?",
    "Summarize the video content.",
    "What is the main action?",
    "Describe what is shown.",
    "What is going on here?",
    "Explain the video.",
}
"""All that open-vljepa was asked in its training."""

ENTRY = """
encoder:
  about: an encoder
  dimensions: v-jepa-2-vitl
  licences: {V-JEPA 2: MIT}
  parts:
    x_encoder:
      repo: meta/encoder
      files: {weights.bin: {bytes: 5}}
"""


def test_every_entry_has_a_price_and_terms() -> None:
    catalogue = read_catalogue()
    assert {"open-vljepa", "vjepa2-vitl", "vjepa2.1-vitb"} <= catalogue.keys()
    for model in catalogue.values():
        assert model.licences and model.parts and "computed, not measured" in figures(model)
        hosts = {part.repo.partition("/")[0] for part in model.parts if part.repo}
        assert not hosts & {"meta-llama", "google"}  # they are gated
    shown = "\n".join(table(catalogue.values()))
    assert re.search(r"open-vljepa +3\.6 GB +1\.6 GB", shown)
    assert "Nothing in this table was measured" in shown


def test_open_vljepa_is_pinned_as_far_as_it_is_known() -> None:
    model = read_catalogue()["open-vljepa"]
    encoder, checkpoint, *tokenizers = model.parts
    assert encoder.revision and all(file.sha256 for file in encoder.files)
    assert checkpoint.revision is None and checkpoint.files[0].sha256 is None  # and none made up
    assert all(part.revision and part.tokens for part in tokenizers)


@pytest.mark.parametrize(
    ("dimensions", "gmac"),
    [("v-jepa-2-vitl", 362), ("v-jepa-2.1-vitb", 296), ("open-vljepa", 914)],
)
def test_costs_are_those_of_the_published_tables(dimensions, gmac) -> None:
    assert cost_of(DIMENSIONS[dimensions]).gflop / 2 == pytest.approx(gmac, rel=0.005)


def test_questions_of_the_open_world_are_those_of_the_training() -> None:
    queries = read_queries_file(shipped("config/open_world.yaml"), known={})
    texts = [query.text for query in queries.values()]
    assert set(texts) <= TRAINED and len(set(texts)) == len(texts)
    phrases = [phrase for query in queries.values() for phrase in query.phrases]
    assert len(phrases) > 300
    written = shipped("config/open_world.yaml").read_text(encoding="utf-8").count("\n    - ")
    assert len(phrases) == written  # none twice in a query


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("repo: meta/encoder", "url: x\n      repo: y", "either a repo or a url"),
        ("      repo: meta/encoder\n", "", "either a repo or a url"),
        ("weights.bin:", "../weights.bin:", "'../weights.bin' is no name of a file"),
        ("weights.bin:", "/etc/passwd:", "'/etc/passwd' is no name of a file"),
        ("{bytes: 5}", "{sha256: abc}", "sha256"),
        ("about: an encoder", "", "about"),
        ("encoder:", "[", "expected"),
    ],
)
def test_a_bad_catalogue_says_what_is_wrong(tmp_path: Path, old, new, said) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(ENTRY.replace(old, new, 1))
    with pytest.raises(FetchError, match=f"models.yaml cannot be used: .*{said}"):
        read_catalogue(file)


def test_dimensions_that_nobody_knows(tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(ENTRY.replace("v-jepa-2-vitl", "vitX"))
    with pytest.raises(FetchError, match="dimensions 'vitX' are none of open-vljepa"):
        list(table(read_catalogue(file).values()))
