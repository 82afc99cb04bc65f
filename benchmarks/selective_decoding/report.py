# SPDX-License-Identifier: Apache-2.0
"""The figures of a set of streams as text, and as plain data for JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from benchmarks.selective_decoding.aims import aims
from benchmarks.selective_decoding.changes import DelaySummary
from benchmarks.selective_decoding.comparison import Loss, Reduction, losses
from benchmarks.selective_decoding.detection import DEFAULT, TOLERANCE
from benchmarks.selective_decoding.experiment import Result
from benchmarks.selective_decoding.judge import CIDER, MEASURES, Curve, Key
from benchmarks.selective_decoding.methods import CAUSAL, UNIFORM, UNIFORM_POOLED, WARD_POOLED
from benchmarks.selective_decoding.outputs import NEAREST, READINGS, SPAN

KEYS: tuple[Key, ...] = tuple((measure, reading) for measure in MEASURES for reading in READINGS)
_WIDTH = 24


def lines(result: Result) -> Iterator[str]:
    """Yield all tables of a set."""
    yield (
        f"\n=== {result.name}: {result.episodes} episodes in {result.streams} stream(s), "
        f"{result.seconds / 60:.1f} min, {result.annotations} annotations, "
        f"{result.annotations / result.seconds:.2f} per second"
    )
    yield f"CIDEr-D x 100 of always saying the true phrase: {result.ceiling:.1f}"
    yield from _qualities(result)
    for reference in (UNIFORM, UNIFORM_POOLED):
        yield from _reductions(result, reference)
    yield from _losses(result)
    yield from _detection(result)
    yield from _activity(result)
    yield f"\n{'aim':88}{'at least':>9}{'reached':>9}"
    for aim in aims(result):
        verdict = "met" if aim.is_met else "NOT MET"
        yield f"{aim.text:88}{aim.wanted:9.2f}{aim.reached:9.2f}  {verdict}"


def _qualities(result: Result) -> Iterator[str]:
    heads = "".join(f"{measure:>14}" for measure, _ in KEYS)
    yield f"\n{'method':{_WIDTH}}{'setting':>10}{'decodes/s':>10}{heads}"
    yield f"{'':{_WIDTH + 20}}" + "".join(f"{reading:>14}" for _, reading in KEYS)
    for curve in [*result.references.values(), *result.curves.values()]:
        for index, rate in enumerate(curve.rates):
            values = "".join(_cell(curve, key, index) for key in KEYS)
            yield f"{curve.name:{_WIDTH}}{curve.settings[index]:10.3g}{rate:10.3f}{values}"


def _cell(curve: Curve, key: Key, index: int) -> str:
    return f"{curve.quality(key)[index]:14.1f}" if key in curve.sweeps else f"{'-':>14}"


def _reductions(result: Result, reference: str) -> Iterator[str]:
    yield f"\ntimes fewer decodes than {reference}, at 1 Hz, for the same quality"
    yield "[95 % interval over resampled episodes; 0 stands for never]"
    yield f"{'method':{_WIDTH}}" + "".join(f"{' '.join(key):>21}" for key in KEYS)
    rows: dict[str, dict[Key, Reduction]] = {}
    for one in result.reductions:
        if one.reference == reference:
            rows.setdefault(one.method, {})[one.measure, one.reading] = one
    for name, row in rows.items():
        yield f"{name:{_WIDTH}}" + "".join(_factor(row.get(key)) for key in KEYS)


def _factor(one: Reduction | None) -> str:
    if one is None:
        return f"{'-':>21}"
    factor = "never" if math.isnan(one.factor) else f"{one.factor:.2f}"
    return f"{f'{factor} [{one.interval.low:.2f}, {one.interval.high:.2f}]':>21}"


def _losses(result: Result) -> Iterator[str]:
    yield f"\nCIDEr-D relative to {WARD_POOLED} at equal rates, in percent"
    for (name, reading), found in _losses_to_ward(result).items():
        row = "".join(f"{100 * one.relative:+8.1f} at {one.rate_hz:.2f}" for one in found)
        yield f"{name:{_WIDTH}}{reading:10}{row}"


def _losses_to_ward(result: Result) -> dict[tuple[str, str], list[Loss]]:
    ward = result.curves[WARD_POOLED]
    return {
        (name, reading): losses(result.curves[name], ward, (CIDER, reading))
        for name in CAUSAL
        for reading in (NEAREST, SPAN)
    }


def _detection(result: Result) -> Iterator[str]:
    found = result.detection
    yield f"\nchanges found by {DEFAULT}"
    yield f"{'':{_WIDTH}}{'found':>9}{'p50 s':>9}{'p90 s':>9}"
    yield _delays("decoded", found.any_words)
    yield _delays("with the right words", found.right_words)
    yield f"\nchanges dated to within {TOLERANCE} frames; all but causal know how many there are"
    yield f"{'':{_WIDTH}}{'precision':>10}{'recall':>10}{'F1':>10}"
    for name, counts in found.counts.items():
        figures = (counts.precision, counts.recall, counts.f1)
        yield f"{name:{_WIDTH}}" + "".join(f"{figure:10.3f}" for figure in figures)


def _delays(name: str, delays: DelaySummary) -> str:
    return f"{name:{_WIDTH}}{100 * delays.found:7.1f} %{delays.p50:9.2f}{delays.p90:9.2f}"


def _activity(result: Result) -> Iterator[str]:
    yield "\nper second, at the default settings"
    yield f"{'query':{_WIDTH}}{'changes':>10}{'decodes':>10}{'messages':>10}"
    for query, one in result.activity.items():
        yield f"{query:{_WIDTH}}{one.changes:10.2f}{one.decodes:10.2f}{one.messages:10.2f}"


def as_data(result: Result) -> dict[str, Any]:
    """Return everything that is printed, with full precision."""
    curves = {**result.references, **result.curves}
    detection = result.detection
    figures = {
        "episodes": result.episodes,
        "streams": result.streams,
        "seconds": result.seconds,
        "annotations": result.annotations,
        "cider_of_the_truth": result.ceiling,
        "curves": {name: _curve(curve) for name, curve in curves.items()},
        "reductions": [one._asdict() | {"interval": [*one.interval]} for one in result.reductions],
        "relative_to_ward": {
            ", ".join(key): [one._asdict() for one in found]
            for key, found in _losses_to_ward(result).items()
        },
        "delays_s": {
            "any words": asdict(detection.any_words),
            "right words": asdict(detection.right_words),
        },
        "changes": {
            name: asdict(counts) | {"f1": counts.f1} for name, counts in detection.counts.items()
        },
        "activity": {query: asdict(one) for query, one in result.activity.items()},
        "aims": [one._asdict() | {"met": one.is_met} for one in aims(result)],
    }
    return {name: _without_nan(figure) for name, figure in figures.items()}


def _without_nan(figure: Any) -> Any:
    """Return figures with None for nan, which JSON does not know."""
    if isinstance(figure, dict):
        return {name: _without_nan(value) for name, value in figure.items()}
    if isinstance(figure, list):
        return [_without_nan(value) for value in figure]
    return None if isinstance(figure, float) and math.isnan(figure) else figure


def _curve(curve: Curve) -> dict[str, Any]:
    figures: dict[str, Any] = {"settings": [*curve.settings], "rates": curve.rates.tolist()}
    return figures | {" ".join(key): curve.quality(key).tolist() for key in curve.sweeps}
