# SPDX-License-Identifier: Apache-2.0
"""The logic of benchmarks/selective_decoding, on streams small enough to count by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.selective_decoding.aims import Aim, aims
from benchmarks.selective_decoding.causal import watch
from benchmarks.selective_decoding.comparison import losses, reductions
from benchmarks.selective_decoding.decodings import pooled
from benchmarks.selective_decoding.detection import activity, detect
from benchmarks.selective_decoding.experiment import RATES_HZ, Result, tuned
from benchmarks.selective_decoding.judge import ACCURACY, CIDER, Curve, Judge
from benchmarks.selective_decoding.methods import (
    METHODS,
    REFERENCES,
    SEGMENT,
    STATE,
    UNIFORM,
    every_frame,
    true_states,
)
from benchmarks.selective_decoding.outputs import LIVE, NEAREST, SPAN
from benchmarks.selective_decoding.reduction import Sweep
from benchmarks.selective_decoding.report import as_data, lines
from benchmarks.selective_decoding.streams import Stream, Words, cut
from benchmarks.selective_decoding.tuning import settings_for
from vljepa_ros.evaluation.cider import cider
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.stream.change import ChangeConfig, Reason

LABELS = ("rest:", "approach:the mug", "lift:the mug", "act:turns the dial")
SAID = {one.name: one.said for one in METHODS}


def words() -> Words:
    texts = {"action": [language.canonical(label) for label in LABELS]}
    return Words("action", PhraseBank(texts, np.eye(len(LABELS), dtype=np.float32), 25.0))


def streams(*runs: tuple[int, int], per_stream: float | None = None) -> list[Stream]:
    """Make streams of runs (label, frames), each an episode, that the model sees without error."""
    numbers = np.concatenate([np.full(frames, label) for label, frames in runs])
    episodes = np.repeat(np.arange(len(runs)), [frames for _, frames in runs])
    embeddings = np.eye(len(LABELS), dtype=np.float32)[numbers]
    return cut(embeddings, [LABELS[n] for n in numbers], episodes, words(), per_stream)


def test_streams_are_cut_between_episodes_and_hold_every_frame_once() -> None:
    parts = streams((0, 30), (1, 50), (2, 20), (3, 60), per_stream=8.0)
    assert [len(part) for part in parts] == [80, 80]
    assert [part.episodes[0] for part in parts] == [0, 2]
    assert parts[1].starts.tolist() == [0, 20]


def test_what_is_always_right_gets_all_there_is() -> None:
    judge = Judge(streams((0, 30), (1, 50), (2, 20)))
    for method in (every_frame, true_states):
        curve = judge.curve("all", method, [0.0])
        assert curve.quality((CIDER, SPAN)) == pytest.approx(judge.ceiling)
        assert curve.quality((ACCURACY, SPAN)) == pytest.approx(100)
    assert judge.annotations.tolist() == [1, 1, 1]


def test_the_ceiling_is_the_cider_of_the_true_phrases_as_papers_print_it() -> None:
    seen = LABELS[:3]
    references = [
        language.training_paraphrases(label) + language.held_out_paraphrases(label)
        for label in seen
    ]
    by_hand = 100 * cider([language.canonical(label) for label in seen], references).mean()
    assert Judge(streams((0, 30), (1, 50), (2, 20))).ceiling == pytest.approx(by_hand)


def test_sums_belong_to_the_episode_of_their_frame() -> None:
    judge = Judge(streams((0, 30), (1, 50), (2, 20)))
    sweep = judge.curve("one", SAID[UNIFORM], [0.1]).sweeps[ACCURACY, NEAREST]  # frame 50 only
    assert sweep.decodes.tolist() == [[0, 1, 0]]
    assert sweep.quality.tolist() == [[0, 5000, 0]]
    assert sweep.seconds.tolist() == [3, 5, 2]


def test_readings_differ_by_what_was_known_when() -> None:
    judge = Judge(streams((0, 30), (1, 50)))
    curve = judge.curve("late", SAID[STATE], [0.04])
    accuracy = {reading: curve.quality((ACCURACY, reading))[0] for reading in (SPAN, LIVE)}
    assert accuracy[SPAN] == pytest.approx(100)
    assert accuracy[LIVE] == pytest.approx(100 * 79 / 80)  # two samples confirm: one frame late
    # The middles, 15 and 55, are equally near to frame 35: five frames too late.
    assert curve.quality((ACCURACY, NEAREST))[0] == pytest.approx(100 * (1 - 6 / 80))


def test_offline_methods_are_not_read_live() -> None:
    judge = Judge(streams((0, 30), (1, 50)))
    assert (CIDER, LIVE) not in judge.curve("offline", true_states, [0.0]).sweeps


def test_a_watched_stream_comes_in_the_pieces_that_pooling_would_make() -> None:
    (stream,) = streams((0, 30), (1, 50), (2, 20))
    rng = np.random.default_rng(0)
    noisy = stream.embeddings + rng.normal(0, 0.05, stream.embeddings.shape).astype(np.float32)
    noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
    seen = Stream(noisy, stream.labels, stream.episodes, stream.words)
    found = watch(seen, seen.answers, ChangeConfig())
    assert found.decoded.tolist() == [0, 31, 81]
    expected = pooled(noisy, [0, 30, 80])
    segments = found.segments.decodings
    np.testing.assert_allclose(segments.embeddings, expected.embeddings, rtol=1e-6)
    assert segments.spoken.tolist() == expected.spoken.tolist()
    assert found.states.decodings.spoken.tolist() == expected.spoken.tolist()


def test_a_correction_is_decoded_and_stands_in_the_place_of_what_it_corrects() -> None:
    (stream,) = streams((0, 100))
    leaning = seen_as(stream, [[1.0, 0, 0, 0]] * 2 + [[0.8, 0.6, 0, 0]] * 98)
    found = watch(leaning, leaning.embeddings.astype(float), ChangeConfig(evidence_s=0.25))
    assert [one.reason for one in found.decodes] == [Reason.FIRST, Reason.CORRECTION]
    assert found.states.decoded.tolist() == found.decoded.tolist()
    (standing,) = found.states.decodings.embeddings
    assert standing @ leaning.embeddings[-1] > 0.99
    assert [len(one) for one in (found.states.decodings, found.segments.decodings)] == [1, 1]


def test_settings_are_found_on_a_curve_that_turns() -> None:
    def rate_at(knob: float) -> float:
        return 2 * knob if knob < 0.01 else 2e-4 / knob

    wanted = (0.01, 0.002, 0.0005)  # 0.002 also at 0.001, where it still rises
    for setting, rate in zip(settings_for(wanted, rate_at, 1e-4, 1.0), wanted, strict=True):
        assert setting >= 0.01
        assert rate_at(setting) == pytest.approx(rate, rel=0.05)


def test_a_rate_out_of_reach_gets_the_nearest() -> None:
    (setting,) = settings_for([5.0], lambda knob: 1 / knob, 1.0, 10.0)
    assert setting == 1.0


def curve(name: str, rates: Sequence[float], quality: Sequence[float]) -> Curve:
    column = np.array(rates)[:, np.newaxis], np.array(quality)[:, np.newaxis]
    sweep = Sweep(*column, np.ones(1), np.ones(1))
    return Curve(name, rates, {(CIDER, NEAREST): sweep})


def test_losses_are_taken_at_equal_rates() -> None:
    ward = curve("ward", [4.0, 2.0, 1.0, 0.5, 0.1], [100, 90, 80, 50, 9])
    ours = curve("ours", [2.0, 0.25], [81, 42])  # 68 and 55 between: linear in the logarithm
    relative = {one.rate_hz: one.relative for one in losses(ours, ward, (CIDER, NEAREST))}
    assert relative == pytest.approx({2.0: 81 / 90 - 1, 1.0: 68 / 80 - 1, 0.5: 55 / 50 - 1})


def test_a_rate_that_one_method_never_has_is_not_compared() -> None:
    ward, short = curve("ward", [2.0, 0.5], [90, 85]), curve("short", [2.0, 0.9], [90, 80])
    assert losses(short, ward, (CIDER, NEAREST)) == [(pytest.approx(0.0), 2.0)]


def test_detection_counts_delays_and_dates() -> None:
    (stream,) = streams((0, 30), (1, 50), (2, 20), (3, 40))
    found = detect([stream])
    assert (found.any_words.found, found.any_words.p50) == (1.0, pytest.approx(0.1))
    assert found.right_words == found.any_words
    assert {name: counts.f1 for name, counts in found.counts.items()} == {
        "causal": 1.0,
        "Ward": 1.0,
        "Ward of answers": 1.0,
        "uniform": 0.0,  # 35, 70 and 105 for 30, 80 and 100
    }


def seen_as(stream: Stream, rows: Sequence[Sequence[float]]) -> Stream:
    """Return a stream of which the model sees ``rows`` (T, labels)."""
    embeddings = np.array(rows, dtype=np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return Stream(embeddings, stream.labels, stream.episodes, stream.words)


def test_wrong_words_find_a_change_but_do_not_tell_it() -> None:
    (stream,) = streams((0, 30), (1, 50), (2, 20))
    rows = np.eye(4)[[0] * 30 + [3] * 50 + [2] * 20]
    found = detect([seen_as(stream, rows.tolist())])
    assert (found.any_words.found, found.right_words.found) == (1.0, 0.5)


def test_activity_counts_words_that_are_new() -> None:
    (stream,) = streams((0, 30), (1, 50))
    rows = [[1.0, 0, 0, 0]] * 20 + [[1.0, 0.98, 0, 0]] * 10 + [[0, 1.0, 0, 0]] * 50
    seen = activity([seen_as(stream, rows)])  # less sure of the same words for a second
    assert (seen.changes, seen.decodes, seen.messages) == (1 / 8, 3 / 8, 2 / 8)


def test_the_outputs_of_one_detector_share_their_settings() -> None:
    settings = tuned(streams((0, 30), (1, 50), (2, 20)))
    assert settings[SEGMENT] == settings[STATE]
    assert all(len(values) == len(set(values)) for values in settings.values())


def test_an_aim_without_a_figure_is_not_met() -> None:
    assert Aim("", 1.0, 1.0).is_met
    assert not Aim("", 1.0, 0.9).is_met
    assert not Aim("", 1.0, math.nan).is_met


def test_a_result_is_printed_and_written_whole() -> None:
    runs = [(n % 4, 20 + n) for n in range(12)]
    parts = streams(*runs, per_stream=15.0)
    judge, settings = Judge(parts), tuned(parts)
    curves = {one.name: judge.curve(one.name, one.said, settings[one.name]) for one in METHODS}
    result = Result(
        "paced",
        len(judge.frames),
        len(parts),
        judge.seconds,
        int(judge.annotations.sum()),
        judge.ceiling,
        curves,
        {one.name: judge.curve(one.name, one.said, [0.0]) for one in REFERENCES},
        reductions(curves),
        detect(parts),
        {"action": activity(parts)},
    )
    assert not math.isnan(aims(result)[0].reached)
    still = replace(result, detection=detect(streams((0, 30))))  # delays are nan
    json.dumps(as_data(still), allow_nan=False)
    text = "\n".join(lines(still))
    assert all(name in text for name in SAID)
    assert len(as_data(result)["curves"][UNIFORM]["rates"]) == len(RATES_HZ)
