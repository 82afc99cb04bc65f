# SPDX-License-Identifier: Apache-2.0
"""Figures that can be worked out by hand, the advice that follows, and the page."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from support.colour_bundle import QUERIES, colour_frame, phrase
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.teaching.advice import moments_to_label, needs, verdict
from vljepa_ros.teaching.known_scenes import calibrations, strange_share
from vljepa_ros.teaching.measured_recording import (
    MeasuredRecording,
    StreamAnswers,
    Told,
    measure,
)
from vljepa_ros.teaching.query_figures import QueryFigures, interval, query_figures
from vljepa_ros.teaching.report_page import report_page
from vljepa_ros.teaching.taught_recording import Lessons, TaughtRecording
from vljepa_ros.teaching.teaching_report import (
    TaughtPart,
    TeachingReport,
    calibration_figures,
)

TEXTS = ("waits", "<moves>")


def recording(name: str, labels: list[int], query: str = "action") -> TaughtRecording:
    stamps, frames = np.arange(len(labels)) / 10, np.zeros((len(labels), 1, 1, 3), np.uint8)
    return TaughtRecording(name, name, stamps, frames, {query: np.array(labels, np.int32)})


def measured(
    labels: list[int], found: list[int], told: tuple[Told, ...] = (), name: str = "one.mp4"
) -> MeasuredRecording:
    margins = np.linspace(0.1, 0.9, len(labels)).astype(np.float32)
    answers = StreamAnswers(np.array(found, np.int32), margins, margins, told, len(told))
    return MeasuredRecording(
        recording(name, labels), {"action": answers}, np.zeros(len(labels), np.float32)
    )


def figures(*parts: MeasuredRecording) -> QueryFigures:
    taught = [recording("t.mp4", [0, 0, 0, 1])]
    return query_figures("action", "What is done?", TEXTS, taught, parts)


def test_shares_of_moments() -> None:
    #                      no clip  right  right  wrong: two images early, and three
    one = measured([0, 0, 0, 0, 0, 1, 1, -1], [-1, 0, 1, 1, 1, 1, 1, 0])
    found = figures(one)
    assert (found.moments, found.recordings) == (6, 1)
    assert found.accuracy == pytest.approx(3 / 6)
    assert found.near == pytest.approx(5 / 6)
    assert found.mean_recall == pytest.approx((1 / 4 + 1) / 2)
    assert (found.majority, found.chance) == (pytest.approx(4 / 6), 0.5)
    assert found.confusion == ((1, 3), (0, 2))
    waits, moves = found.labels
    assert (waits.recall, waits.precision, waits.moments) == (0.25, 1.0, 4)
    assert (moves.recall, moves.precision) == (1.0, 0.4)
    assert (waits.taught_recordings, waits.taught_seconds) == (1, pytest.approx(0.3))


def test_a_state_is_told_late_or_never() -> None:
    told = (Told(0.0, 0.0, "waits"), Told(0.7, 0.5, "<moves>"))
    found = figures(measured([0] * 5 + [1] * 5 + [0] * 5, [0] * 15, told))
    assert found.delay_s == pytest.approx(0.2)
    assert found.told == 0.5  # that it waits again was not told
    assert found.decodes_hz == pytest.approx(2 / 1.4)


def test_an_interval_needs_recordings() -> None:
    hits = [np.ones(10, bool), np.zeros(10, bool)]
    assert all(map(math.isnan, interval(hits)))
    low, high = interval(hits * 5)
    assert 0.1 < low < 0.5 < high < 0.9


def test_what_was_not_measured_is_not_a_number() -> None:
    found = figures()
    assert math.isnan(found.accuracy)
    assert "Not measured" in verdict([found], [])


def test_a_good_model_is_ready_and_a_bad_one_is_not() -> None:
    labels = [0] * 10 + [1] * 10
    good = figures(*(measured(labels, labels, name=f"{n}") for n in range(3)))
    assert verdict([good], needs([good])).startswith("Ready for scenes like these")
    bad = figures(*(measured(labels, [0] * 20, name=f"{n}") for n in range(2)))
    said = verdict([bad], needs([bad]))
    assert said.startswith("Not ready: label more of '<moves>'")
    assert "2 recordings only" in said
    assert [need.text for need in needs([bad])] == ["<moves>"]


def test_moments_without_a_label_come_first_and_lie_apart() -> None:
    labels = [-1] * 40 + [0] * 40
    one = measured(labels, [0] * 40 + [1] * 40)
    chosen = moments_to_label([one], {"action": TEXTS})
    assert [moment.label for moment in chosen] == ["", "", "waits"]
    times = [moment.time_s for moment in chosen]
    assert times[0] == 0.0  # the smallest margin
    assert min(abs(a - b) for n, a in enumerate(times) for b in times[:n]) >= 2.0


def test_calibration_on_the_line_has_no_error() -> None:
    scores = np.repeat([0.1, 0.9], 10)
    right = np.array([True] + [False] * 9 + [True] * 9 + [False])
    found = calibration_figures("action", scores, right)
    assert found.error == pytest.approx(0.0)
    assert [(one.score, one.answers) for one in found.bins] == [
        (pytest.approx(0.1), 10),
        (pytest.approx(0.9), 10),
    ]


class _Tags(HTMLParser):
    """Checks that every tag is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag not in ("meta", "rect", "path", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "path", "circle"):
            assert self.open.pop() == tag


def report(*queries: QueryFigures) -> TeachingReport:
    needed = tuple(needs(queries))
    calibration = calibration_figures("action", np.array([0.2, 0.8]), np.array([False, True]))
    part = TaughtPart("one.mp4", "one.mp4", 2.0, "held out", "/data/one.mp4", "")
    one = measured([0] * 10 + [1] * 10, [0] * 20)
    return TeachingReport(
        name="my <robot>",
        space_id="my-1",
        base="shipped",
        made="2026-01-01",
        verdict=verdict(queries, needed),
        queries=queries,
        calibration=(calibration,),
        unfamiliar=math.nan,
        needs=needed,
        moments=tuple(moments_to_label([one], {"action": TEXTS})),
        recordings=(part,),
        labelled_s=2.0,
        took_s={"learn": 61.0},
    )


def test_the_page_is_whole_and_nobody_writes_into_it() -> None:
    page = report_page(report(figures(measured([0] * 10 + [1] * 10, [0] * 20))))
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    assert "<moves>" not in page
    assert "&lt;moves&gt;" in page
    assert "script" not in tags.seen
    assert "recording=%2Fdata%2Fone.mp4&amp;t=1." in page


def test_a_page_without_figures_is_whole() -> None:
    tags = _Tags()
    tags.feed(report_page(report(figures())))
    assert tags.open == []


def test_json_holds_no_number_that_is_none() -> None:
    content = json.loads(report(figures()).as_json())
    assert content["queries"][0]["accuracy"] is None
    assert content["needs"][0]["cause"].startswith("no held-out clip ends in it")


def test_a_bundle_is_measured_as_the_nodes_run_it(colour_bundle: Path) -> None:
    model = VLJepa.load(colour_bundle)
    texts = model.phrases.texts["colour"]
    red, green = (texts.index(phrase(colour)) for colour in ("red", "green"))
    shown = ["red"] * 20 + ["green"] * 20
    one = TaughtRecording(
        "one.mp4",
        "one.mp4",
        np.arange(40) / 10,
        np.stack([colour_frame(colour) for colour in shown]),
        {"colour": np.array([red] * 20 + [green] * 20, np.int32)},
    )
    found = measure(model, {"colour": QUERIES["colour"]}, one)
    model.close()
    answers = found.answers["colour"]
    assert list(answers.found[:4]) == [-1, -1, -1, red]  # the first clip needs four images
    assert set(answers.found[22:]) == {green}
    assert [told.text for told in answers.told] == [phrase("red"), phrase("green")]
    figure = query_figures("colour", "", texts, [], [found])
    assert figure.told == 1.0
    assert 0.0 <= figure.delay_s < 1.0


def test_scores_are_judged_by_other_recordings() -> None:
    lessons = Lessons({"action": "?"}, {"action": TEXTS}, ())
    labels = [0, 1] * 40
    parts = [measured(labels, labels, name=f"{n}") for n in range(3)]
    (found,) = calibrations(parts, lessons)
    assert found.error == pytest.approx(0.0, abs=0.02)
    assert list(calibrations(parts[:1], lessons)) == []  # there is no other one


def test_the_share_of_strange_clips() -> None:
    one = measured([0, 1, 0, 1], [0, 1, 0, 1])
    strange = replace(one, unfamiliarity=np.array([np.nan, 0.5, 0.999, 0.9], np.float32))
    assert strange_share([strange]) == pytest.approx(1 / 3)
    assert math.isnan(strange_share([]))
