# SPDX-License-Identifier: Apache-2.0
"""WebDataset shards, written by the package that defined them, give what the folder gives."""

from __future__ import annotations

import json

import numpy as np
import pytest

webdataset = pytest.importorskip("webdataset", reason="shards need webdataset (make train-venv)")

from support.recordings import COLOURS, bag_image, write_bag  # noqa: E402
from support.training_clips import write_clips  # noqa: E402
from vljepa_ros.recordings import shards  # noqa: E402
from vljepa_ros.recordings.clip_folder import ClipFolder  # noqa: E402
from vljepa_ros.recordings.sample import SampleError, decode  # noqa: E402
from vljepa_ros.recordings.shards import TarShards  # noqa: E402


def write_shard(path, samples):
    with webdataset.TarWriter(str(path)) as writer:
        for sample in samples:
            writer.write(sample)


@pytest.fixture
def clips(tmp_path):
    lines = write_clips(tmp_path / "clips")
    samples = []
    for number, line in enumerate(lines):
        path = tmp_path / "clips" / line.pop("clip")
        media = {path.suffix[1:]: path.read_bytes()}
        words = {"txt": line["answer"]} if len(line) == 1 else {"json": line}
        samples.append({"__key__": f"{number:04d}", **media, **words})
    write_shard(tmp_path / "a.tar", samples[:2])
    write_shard(tmp_path / "b.tar", samples[2:])
    return tmp_path


def test_shards_give_what_the_folder_gives(clips, monkeypatch):
    monkeypatch.setattr(shards, "_OPEN", 1)
    expected, found = ClipFolder(clips / "clips"), TarShards(clips)
    assert len(found) == len(expected) == 6
    for number in (5, 0, 2, 1, 4, 3):  # from one shard to the other and back
        ours, theirs = found[number].annotation, expected[number].annotation
        assert (ours.answer, ours.query) == (theirs.answer, theirs.query)
        assert (ours.span.start, ours.span.end) == (theirs.span.start, theirs.span.end)
        np.testing.assert_array_equal(
            decode(found[number], 2, 32), decode(expected[number], 2, 32)
        )
    assert len({found[number].key for number in range(6)}) == 6


@pytest.mark.parametrize("ending", ["mcap", "db3"])
def test_a_shard_may_hold_bags(tmp_path, ending):
    images = [(n, bag_image("green", 10**8 * n)) for n in (1, 2, 3)]
    storage = {"mcap": "mcap", "db3": "sqlite3"}[ending]
    (bag,) = write_bag(tmp_path / "bag", images, storage=storage).glob(f"*.{ending}")
    write_shard(tmp_path / "a.tar", [{"__key__": "1", ending: bag.read_bytes(), "txt": "green"}])
    frames = decode(TarShards(tmp_path)[0], 2, 16)
    np.testing.assert_array_equal(frames[:, 8:, 8:], np.full((2, 8, 8, 3), COLOURS["green"]))


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"txt": "red"}, "one video, image or bag is expected"),
        ({"png": b"x", "mp4": b"x", "txt": "red"}, "one video, image or bag is expected"),
        ({"png": b"x"}, "neither .json nor .txt"),
        ({"png": b"x", "json": b"{"}, "Expecting property name"),
        ({"png": b"x", "json": {"query": "q"}}, "answer is missing"),
        ({"png": b"x", "txt": b"\xff"}, "can't decode byte"),
        ({"png": b"x", "txt": b" "}, ".txt is empty"),
    ],
)
def test_a_damaged_sample_is_named(tmp_path, sample, message):
    write_shard(tmp_path / "a.tar", [{"__key__": "0007", **sample}])
    with pytest.raises(SampleError, match=f"a.tar 0007: .*{message}"):
        TarShards(tmp_path)[0]


def test_a_file_that_is_no_tar_is_named(tmp_path):
    (tmp_path / "a.tar").write_text(json.dumps("no tar"))
    with pytest.raises(SampleError, match="a.tar cannot be read as a tar file"):
        TarShards(tmp_path)


def test_a_folder_without_shards_is_an_error(tmp_path):
    with pytest.raises(SampleError, match="holds no samples"):
        TarShards(tmp_path)
