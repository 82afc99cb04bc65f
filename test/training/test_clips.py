# SPDX-License-Identifier: Apache-2.0
"""Annotated clips: what is read, which frames are taken, and which batch a step has."""

from __future__ import annotations

import logging
from dataclasses import replace

import av
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch (make train-venv)")
pytest.importorskip("transformers", reason="training needs transformers (make train-venv)")
pytest.importorskip("tensorboard", reason="training needs tensorboard (make train-venv)")

from support.recordings import bag_image, write_bag, write_folder  # noqa: E402
from support.tiny_training import STAGE, TINY  # noqa: E402
from support.training_clips import (  # noqa: E402
    COLOURS,
    RATE,
    WORDS,
    write_annotations,
    write_clips,
    write_image,
    write_video,
)
from vljepa_ros.recordings.annotations import AnnotationError, Answered, Span  # noqa: E402
from vljepa_ros.recordings.clip_folder import ClipFolder  # noqa: E402
from vljepa_ros.recordings.sample import Sample, SampleError, decode  # noqa: E402
from vljepa_ros.training.clip_batches import ClipBatches  # noqa: E402
from vljepa_ros.training.stage import StageError  # noqa: E402


def batches(sources, tokenize, stage=STAGE, **settings):
    return ClipBatches(sources, stage, TINY, tokenize, tokenize, **settings)


def colours(frames):
    """Name the colour of each frame's middle."""
    middle = frames[:, frames.shape[1] // 2, frames.shape[2] // 2].astype(int)
    names = list(COLOURS)
    return [
        names[int(np.abs(np.array(list(COLOURS.values())) - m).sum(1).argmin())] for m in middle
    ]


def words(tokens, row):
    return " ".join(WORDS[i] for i in tokens.values[row][tokens.mask[row]])


def video(path, **span):
    return Sample("video", path, path.suffix, Answered(Span(path.name, **span), "a"))


def test_frames_are_spread_over_the_whole_video(folder):
    frames = decode(video(folder / "all.mp4"), 6, 32)
    assert frames.shape == (6, 32, 32, 3)
    assert colours(frames) == ["red", "red", "green", "green", "blue", "blue"]


def test_one_frame_is_the_middle_one(folder):
    assert colours(decode(video(folder / "all.mp4"), 1, 32)) == ["green"]


def test_each_frame_is_the_one_shown_in_the_middle_of_an_equal_part(tmp_path):
    path = tmp_path / "grey.mkv"

    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(20):
            image = np.full((32, 32), 20 + 10 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, "gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    shown = decode(video(path, start=0.5, end=1.5), 4, 32)[:, 16, 16, 0].astype(float)
    numbers = (shown - 20) / 10
    # Parts of 0.25 s from 0.5 s have their middles at 0.625, 0.875, 1.125 and 1.375 s.
    np.testing.assert_allclose(numbers, [6, 8, 11, 13], atol=0.2)


def test_bytes_are_decoded_as_files_are(folder):
    path = folder / "all.mp4"
    expected = decode(video(path, start=1.0), 4, 32)
    sample = Sample("bytes", path.read_bytes(), ".mp4", Answered(Span("a", start=1.0), "a"))
    np.testing.assert_array_equal(decode(sample, 4, 32), expected)


def test_an_image_is_repeated(folder):
    frames = decode(video(folder / "red.png"), 4, 16)
    assert frames.shape == (4, 16, 16, 3)
    assert colours(frames) == ["red"] * 4


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"start": 5.0}, r"all.mp4 \[5.. s\]: it ends at 3.000 s, before 5 s"),
        ({"start": 2.0, "end": 5.0}, r"all.mp4 \[2..5 s\]: it ends at 3.000 s, before 5 s"),
        ({"end": 0.01}, None),
    ],
)
def test_an_annotation_beyond_the_video(folder, annotation, message):
    sample = video(folder / "all.mp4", **annotation)
    if message is None:
        assert colours(decode(sample, 2, 32)) == ["red", "red"]
    else:
        with pytest.raises(SampleError, match=message):
            decode(sample, 2, 32)


@pytest.mark.parametrize("name", ["gone.mp4", "text.mp4", "gone.png", "text.png"])
def test_what_cannot_be_decoded_is_a_sample_error(tmp_path, name):
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(SampleError):
        decode(video(tmp_path / name), 2, 32)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"clip": "a.mp4"}', "line 2: answer is missing"),
        ('{"clip": "a.mp4", "answer": " "}', "line 2: answer must be a text"),
        ('{"answer": "a"}', "line 2: clip is missing"),
        ('{"clip": "../a.mp4", "answer": "a"}', "line 2: .* below the folder"),
        ('{"clip": "a.mp4", "answer": "a", "start": 2, "end": 1}', "end 1 is before start"),
        ('{"clip": "a.mp4", "answer": "a", "start": -1}', "start must be a number of at least 0"),
        ('{"clip": "a.mp4", "answer": "a", "query": 3}', "query must be a text"),
        ('["a.mp4"]', "line 2: the content must be an object"),
        ('{"clip": ', "line 2: Expecting value"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, message):
    (tmp_path / "annotations.jsonl").write_text('{"clip": "a.mp4", "answer": "a"}\n' + line)
    with pytest.raises(AnnotationError, match=message):
        ClipFolder(tmp_path)


def test_no_annotation_is_an_error(tmp_path):
    (tmp_path / "annotations.jsonl").write_text("\n")
    with pytest.raises(AnnotationError, match="holds no annotation"):
        ClipFolder(tmp_path)


def test_parts_make_up_the_whole_batch(folder, tokenize):
    source = batches({"clips": ClipFolder(folder)}, tokenize)
    whole = source.batch(3, 0, 1)
    parts = [source.batch(3, part, 2) for part in range(2)]
    torch.testing.assert_close(torch.cat([part.visual for part in parts]), whole.visual)
    keys = torch.cat([part.keys[part.targets[:, 0]] for part in parts])
    assert torch.equal(keys, whole.keys[whole.targets[:, 0]])
    assert len(set(whole.keys.tolist())) == len(whole.keys) == len(whole.texts.values)


def test_a_batch_follows_from_its_step_and_the_seed(folder, tokenize):
    source = {"clips": ClipFolder(folder)}
    first = batches(source, tokenize).batch(5, 0, 1)
    again = batches(source, tokenize).batch(5, 0, 1)
    assert torch.equal(first.visual, again.visual)
    assert torch.equal(first.queries.values, again.queries.values)
    other_step = batches(source, tokenize).batch(6, 0, 1)
    seeded = replace(STAGE, seed=1)
    other_seed = batches(source, tokenize, seeded).batch(5, 0, 1)
    assert not torch.equal(first.visual, other_step.visual)
    assert not torch.equal(first.visual, other_seed.visual)


def test_queries_and_answers_belong_to_their_clips(folder, tokenize):
    batch = batches({"clips": ClipFolder(folder)}, tokenize).batch(0, 0, 1)
    assert batch.visual.shape == (8, 2, 3, 32, 32)
    assert batch.queries.values.shape[:2] == (8, 1)
    asked = set()
    for row in range(8):
        answer = words(batch.texts, batch.targets[row, 0])
        brightest = list(COLOURS)[int(batch.visual[row].mean((0, 2, 3)).argmax())]
        query = " ".join(
            WORDS[i] for i in batch.queries.values[row, 0][batch.queries.mask[row, 0]]
        )
        asked.add(query)
        expected = f"it is {brightest}" if query == "which colour is it" else brightest
        assert answer == expected
    assert asked == {"which colour is it", "Describe this video ."}


def test_a_stage_without_queries_asks_for_descriptions(folder, tokenize):
    batch = batches({"c": ClipFolder(folder)}, tokenize, replace(STAGE, queries=False)).batch(
        0, 0, 1
    )
    assert batch.queries.values.unique(dim=0).shape[0] == 1
    assert batch.queries.values.shape[2] == 4


def test_folders_of_images_and_bags_are_clips_too(tmp_path, tokenize):
    write_folder(tmp_path / "images", ["1.png", "2.png"], ["green", "green"])
    images = [(n, bag_image("green", 10**8 * n)) for n in (1, 2)]
    depth = [(n, bag_image("blue", 10**8 * n)) for n in (1, 2)]
    write_bag(tmp_path / "bag", images, depth=depth)
    lines = [
        {"clip": "images", "answer": "green"},
        {"clip": "bag", "answer": "green"},
        {"clip": "bag", "topic": "/a/depth", "answer": "blue"},
    ]
    write_annotations(tmp_path, lines)
    dataset = ClipFolder(tmp_path)
    for number, line in enumerate(lines):
        assert colours(decode(dataset[number], 2, 32)) == [line["answer"]] * 2
    assert len({dataset[number].key for number in range(3)}) == 3
    batch = batches({"c": dataset}, tokenize).batch(0, 0, 1)
    assert batch.visual.shape == (8, 2, 3, 32, 32)


def test_sources_are_mixed_by_their_shares(folder, tokenize, tmp_path):
    write_image(tmp_path / "x.png", "red")
    write_annotations(tmp_path, [{"clip": "x.png", "answer": "first"}])
    both = {"many": ClipFolder(folder), "one": ClipFolder(tmp_path), "unused": ClipFolder(folder)}
    stage = replace(STAGE, batch=200, frames=1, sources={"many": 3.0, "one": 1.0})
    batch = batches(both, tokenize, stage).batch(0, 0, 1)
    first = [words(batch.texts, int(target)) == "first" for target in batch.targets[:, 0]]
    assert 30 <= sum(first) <= 70


def test_a_source_that_is_not_given_is_an_error(folder, tokenize):
    with pytest.raises(StageError, match="'films', which is not given: add --data films=FOLDER"):
        batches({"c": ClipFolder(folder)}, tokenize, replace(STAGE, sources={"films": 1.0}))


def test_unusable_clips_are_replaced_counted_and_logged_once(tmp_path, tokenize, caplog):
    lines = write_clips(tmp_path)
    write_annotations(tmp_path, [*lines, *({"clip": f"gone{i}.mp4", "answer": "x"} for i in "ab")])
    source = batches({"c": ClipFolder(tmp_path)}, tokenize)
    with caplog.at_level(logging.WARNING):
        found = [source.batch(step, 0, 1).visual for step in range(4)]
    assert source.unusable == {"c 6", "c 7"}
    assert [record.args[0] for record in caplog.records] == [1, 2]
    again = batches({"c": ClipFolder(tmp_path)}, tokenize)
    assert all(torch.equal(again.batch(step, 0, 1).visual, found[step]) for step in (3, 0))


def test_only_unusable_clips_end_the_run(tmp_path, tokenize):
    write_annotations(tmp_path, [{"clip": "gone.mp4", "answer": "x"}])
    with pytest.raises(SampleError, match="20 samples of 'c' in a row cannot be used"):
        batches({"c": ClipFolder(tmp_path)}, tokenize).batch(0, 0, 1)


def test_tokens_are_cut_off_and_padded(tokenize):
    tokens = tokenize(["red", "it is red it is red it is red"])
    assert tokens.values.tolist() == [[3, 0, 0, 0, 0, 0], [1, 2, 3, 1, 2, 3]]
    assert tokens.mask.sum(1).tolist() == [1, 6]


def test_write_video_is_what_the_tests_think(tmp_path):
    write_video(tmp_path / "a.mp4", ["blue"], frames=3)
    assert colours(decode(video(tmp_path / "a.mp4"), 3, 16)) == ["blue"] * 3
