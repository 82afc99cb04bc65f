# SPDX-License-Identifier: Apache-2.0
"""The four measures with the colour bundle, on clips whose figures follow from their colours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from support.colour_bundle import COLOURS, QUERIES, colour_frame, phrase
from vljepa_ros.evaluation import measures
from vljepa_ros.evaluation.cider import cider
from vljepa_ros.recordings.annotations import Asked, Captioned, Labelled, Span
from vljepa_ros.runtime.model import VLJepa

COLOUR, BRIGHTNESS = QUERIES["colour"], QUERIES["brightness"]


@pytest.fixture(scope="module")
def model(colour_bundle: Path) -> Iterator[VLJepa]:
    model = VLJepa.load(colour_bundle)
    yield model
    model.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a clip (a folder of one image) for each colour."""
    folder = tmp_path_factory.mktemp("clips")
    for name in COLOURS:
        (folder / name).mkdir()
        cv2.imwrite(str(folder / name / "0.png"), colour_frame(name)[..., ::-1])
    return folder


def labelled(*pairs: tuple[str, str]) -> list[Labelled]:
    return [
        Labelled(Span(clip, end=(n + 1) / 100), label) for n, (clip, label) in enumerate(pairs)
    ]


def test_right_labels_give_full_marks(model: VLJepa, folder: Path) -> None:
    items = labelled(*((name, name) for name in COLOURS))
    report = measures.classification(model, folder, items, COLOUR, "the scene is {}")
    assert report.figures == pytest.approx(
        {
            "clips": 6,
            "unreadable": 0,
            "labels": 6,
            "top1": 100.0,
            "top5": 100.0,
            "mean_per_class": 100.0,
            "majority": 100 / 6,
            "chance": 100 / 6,
        }
    )


def test_wrong_labels_and_classes_count_as_they_should(model: VLJepa, folder: Path) -> None:
    items = labelled(
        ("red", "red"), ("red", "red"), ("red", "red"), ("blue", "green"), ("blue", "blue")
    )
    figures = measures.classification(model, folder, items, COLOUR).figures
    assert figures["top1"] == pytest.approx(80.0)
    assert figures["top5"] == 100.0
    assert figures["mean_per_class"] == pytest.approx(100 * (1 + 0 + 1) / 3)
    assert figures["majority"] == pytest.approx(60.0)
    assert figures["chance"] == pytest.approx(100 / 3)


def test_in_a_stream_a_clip_ends_at_every_image_of_a_span(model: VLJepa, tmp_path: Path) -> None:
    colours = ["red"] * 10 + ["blue"] * 5  # the bundle's clip is 4 frames at 10 Hz
    for number, colour in enumerate(colours):
        cv2.imwrite(str(tmp_path / f"{number:03}.png"), colour_frame(colour)[..., ::-1])
    items = [
        Labelled(Span(".", end=1.0), "red"),
        Labelled(Span(".", start=1.0), "blue"),
        Labelled(Span(".", end=0.25), "red"),
    ]
    report = measures.classification(model, tmp_path, items, COLOUR, stream=True)
    assert report.figures["clips"] == 7 + 5
    assert report.unreadable == {". [0..0.25 s]": "no clip of 0.3 s ends in it"}
    assert [one["best"] for one in report.results[:7]] == ["red"] * 7
    assert [one["best"] for one in report.results[8:]] == ["blue"] * 4
    assert report.results[0]["clip"] == ". [at 0.300 s]"
    spread = measures.classification(model, tmp_path, items[:2], COLOUR)
    assert spread.figures["clips"] == 2


def test_a_stream_answers_each_question_of_overlapping_spans(
    model: VLJepa, tmp_path: Path
) -> None:
    for number in range(8):
        cv2.imwrite(str(tmp_path / f"{number:03}.png"), colour_frame("red")[..., ::-1])
    levels, colours = ("dark", "bright"), ("red", "blue")
    items = [
        Asked(Span("."), BRIGHTNESS, levels, "dark"),
        Asked(Span("."), COLOUR, colours, "red"),
        Asked(Span(".", start=0.6), COLOUR, colours, "red"),
    ]
    report = measures.question_answering(model, tmp_path, items, stream=True)
    assert report.figures["questions"] == 5 + 5 + 2
    assert report.figures["accuracy"] == 100.0


def test_each_clip_has_its_result(model: VLJepa, folder: Path) -> None:
    items = labelled(("red", "red"), ("blue", "green"), ("green", "green"))
    results = measures.classification(model, folder, items, COLOUR).results
    assert (results[0]["label"], results[0]["rank"]) == ("red", 1)
    assert results[1]["clip"] == "blue [0..0.02 s]"
    assert results[1]["label"] == "green" and results[1]["rank"] == 2


def test_labels_are_read_in_the_template(model: VLJepa, folder: Path) -> None:
    items = labelled(("white", "whit"), ("blue", "blu"))
    assert measures.classification(model, folder, items, COLOUR, "{}e").figures["top1"] == 100.0
    assert measures.classification(model, folder, items, COLOUR).figures["top1"] == 0.0


def test_unreadable_clips_leave_the_figures_but_not_the_candidates(
    model: VLJepa, folder: Path
) -> None:
    items = labelled(("red", "red"), ("gone", "green"), ("blue", "blue"))
    report = measures.classification(model, folder, items, COLOUR)
    assert (report.figures["clips"], report.figures["unreadable"]) == (2, 1)
    assert (report.figures["top1"], report.figures["labels"]) == (100.0, 3)
    assert "gone [0..0.02 s]: " in report.table()


def test_one_label_leaves_nothing_to_tell_apart(model: VLJepa, folder: Path) -> None:
    with pytest.raises(ValueError, match="'red': nothing to tell apart"):
        measures.classification(model, folder, labelled(("red", "red")), COLOUR)


def test_clips_are_found_by_their_captions(model: VLJepa, folder: Path) -> None:
    items = [Captioned(Span(name), (phrase(name), name)) for name in COLOURS]
    figures = measures.retrieval(model, folder, items, COLOUR).figures
    assert figures == pytest.approx(
        {
            "clips": 6,
            "unreadable": 0,
            "captions": 12,
            "r@1": 100.0,
            "r@5": 100.0,
            "r@10": 100.0,
            "median_rank": 1.0,
            "chance_r@1": 100 / 6,
        }
    )


def test_captions_of_other_clips_are_not_found_at_the_top(model: VLJepa, folder: Path) -> None:
    swapped = dict(zip(COLOURS, ["green", "red", "blue", "yellow", "white", "black"], strict=True))
    items = [Captioned(Span(clip), (phrase(said),)) for clip, said in swapped.items()]
    figures = measures.retrieval(model, folder, items, COLOUR).figures
    assert figures["r@1"] == pytest.approx(100 * 4 / 6)
    assert figures["median_rank"] == 1.0


def test_any_clip_with_the_caption_is_right(model: VLJepa, folder: Path) -> None:
    items = [
        Captioned(Span("blue"), ("red",)),
        Captioned(Span("red"), ("red",)),
        Captioned(Span("green"), ("green",)),
    ]
    figures = measures.retrieval(model, folder, items, COLOUR).figures
    assert figures["r@1"] == 100.0
    assert figures["chance_r@1"] == pytest.approx(100 * (2 + 2 + 1) / 9)


def test_every_question_about_a_clip_is_asked(model: VLJepa, folder: Path) -> None:
    colours, levels = ("red", "blue", "black", "white"), ("black", "dark", "white", "bright")
    black, white = Span("black"), Span("white")
    items = [
        Asked(black, COLOUR, colours, "black"),
        Asked(white, COLOUR, colours, "white"),
        Asked(black, BRIGHTNESS, levels, "dark"),
        Asked(white, BRIGHTNESS, levels, "bright"),
        Asked(black, COLOUR, colours, "red"),
    ]
    figures = measures.question_answering(model, folder, items).figures
    assert (figures["clips"], figures["questions"]) == (2, 5)
    assert figures["accuracy"] == pytest.approx(80.0)
    assert figures["chance"] == pytest.approx(25.0)


def test_the_banks_sentences_are_scored_against_the_captions(model: VLJepa, folder: Path) -> None:
    items = [Captioned(Span(name), (phrase(name), f"all is {name}")) for name in COLOURS]
    figures = measures.captioning(model, folder, items, "colour", COLOUR).figures
    expected = cider([phrase(name) for name in COLOURS], [item.captions for item in items])
    assert figures["cider"] == pytest.approx(100 * expected.mean())
    assert figures["sentences_used"] == len(COLOURS)
    assert figures["chance"] < figures["cider"] / 2


def test_sentences_may_come_from_another_bank(model: VLJepa, folder: Path) -> None:
    items = [Captioned(Span(name), (f"{name} is what the scene is",)) for name in ("red", "blue")]
    own = measures.captioning(model, folder, items, "colour", COLOUR)
    bank = measures.sentence_bank(model, "colour", [one.captions[0] for one in items])
    given = measures.captioning(model, folder, items, "colour", COLOUR, bank)
    assert own.figures["cider"] < 500
    assert given.figures["cider"] == pytest.approx(1000.0)


def test_one_clip_is_too_few_for_cider(model: VLJepa, folder: Path) -> None:
    with pytest.raises(ValueError, match="at least two clips"):
        measures.captioning(model, folder, [Captioned(Span("red"), ("red",))], "colour", COLOUR)


def test_a_report_is_a_table_and_a_file(model: VLJepa, folder: Path, tmp_path: Path) -> None:
    items = labelled(("red", "red"), ("blue", "green"), *((f"gone{n}", "red") for n in range(30)))
    report = measures.classification(model, folder, items, COLOUR)
    lines = report.table().splitlines()
    assert lines[0].split() == ["clips", "2"]
    assert ["top1", "50.0"] in [line.split() for line in lines]
    assert "could not be read: 30" in lines
    assert lines[-1] == "  and 10 more"
    report.write_json(tmp_path / "figures.json", bundle="colour")
    written = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert written["figures"]["top1"] == 50.0
    assert written["bundle"] == "colour"
    assert len(written["unreadable"]) == 30
    assert np.isclose(written["figures"]["chance"], 50.0)
