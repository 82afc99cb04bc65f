# SPDX-License-Identifier: Apache-2.0
"""The report of a taught bundle as one page that needs nothing else: no script, no network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from urllib.parse import urlencode

from vljepa_ros.teaching.query_figures import LabelFigures, QueryFigures
from vljepa_ros.teaching.report_style import STYLE
from vljepa_ros.teaching.teaching_report import CalibrationFigures, TeachingReport, share

REVIEW = "http://127.0.0.1:8746/"  # where `vljepa review` serves by default


def report_page(report: TeachingReport) -> str:
    """Return the page as HTML."""
    calibration = {one.query: one for one in report.calibration}
    body = [
        _head(report),
        *(_query(one, calibration.get(one.query)) for one in report.queries),
        _next(report),
        _material(report),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.name)} – what it learned</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _head(report: TeachingReport) -> str:
    kind = "ready" if report.verdict.startswith("Ready") else "missing"
    word, _, rest = report.verdict.partition(report.verdict[_first_mark(report.verdict)])
    mark = report.verdict[_first_mark(report.verdict)]
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return (
        f"<header><h1>{escape(report.name)}</h1><p class=quiet>taught from "
        f"{escape(report.base)}, {escape(report.made)} · {len(report.taught)} recordings taught, "
        f"{len(report.held_out)} held out</p></header>"
        f'<p class="verdict {kind}"><b>{escape(word + mark)}</b>{escape(rest)}</p>'
        + (f"<ul class=notes>{notes}</ul>" if notes else "")
    )


def _first_mark(sentence: str) -> int:
    return next((n for n, letter in enumerate(sentence) if letter in ",:."), len(sentence) - 1)


def _query(figures: QueryFigures, calibration: CalibrationFigures | None) -> str:
    title = f"<h2>{escape(figures.question)} <small>{escape(figures.query)}</small></h2>"
    if not figures.moments:
        return f"<section>{title}<p>Nothing was held out, so nothing was measured.</p></section>"
    between = "" if math.isnan(figures.low) else f" (95 %: {figures.low:.0%}–{figures.high:.0%})"
    bars = [
        ("right" + between, figures.accuracy, "own"),
        ("right within two images", figures.near, "own"),
        ("mean of the labels", figures.mean_recall, "own"),
        ("always the most frequent", figures.majority, "base"),
        ("guessing", figures.chance, "base"),
    ]
    live = [
        ("a new state is told after", _amount(figures.delay_s, "s")),
        ("states told within 5 s", share(figures.told)),
        ("decodes per second", _amount(figures.decodes_hz, "")),
    ]
    return (
        f"<section>{title}<p class=quiet>{figures.moments} moments of {figures.recordings} "
        "recordings that were not taught; at each of them the model sees the clip that ends there."
        f"</p><div class=two><div>{''.join(_bar(*one) for one in bars)}</div>"
        f"<dl>{''.join(f'<dt>{name}</dt><dd>{value}</dd>' for name, value in live)}</dl></div>"
        f"<h3>Each label</h3>{_labels(figures.labels)}"
        f"<h3>What is taken for what</h3>{_confusion(figures)}"
        f"{_calibration(calibration)}</section>"
    )


def _bar(name: str, value: float, kind: str) -> str:
    width = 0 if math.isnan(value) else 100 * value
    return (
        f"<div class=row><span class=name>{escape(name)}</span><span class=track><i class={kind} "
        f'style="width:{width:.1f}%"></i></span><b>{share(value)}</b></div>'
    )


def _labels(labels: Sequence[LabelFigures]) -> str:
    heading = ("label", "found", "right if said", "moments", "taught in", "taught for")
    return _table(
        heading,
        (
            (
                escape(one.text),
                _small_bar(one.recall),
                share(one.precision),
                str(one.moments),
                f"{one.taught_recordings} recordings",
                f"{one.taught_seconds:.0f} s",
            )
            for one in sorted(labels, key=lambda one: (math.isnan(one.recall), one.recall))
        ),
    )


def _small_bar(value: float) -> str:
    if math.isnan(value):
        return "not measured"
    return (
        f'<span class=track><i class=own style="width:{100 * value:.0f}%"></i></span> {value:.0%}'
    )


def _confusion(figures: QueryFigures) -> str:
    names = [escape(one.text) for one in figures.labels]
    rows = []
    for name, row in zip(names, figures.confusion, strict=True):
        total = sum(row)
        cells = [_cell(count, total, name, found) for count, found in zip(row, names, strict=True)]
        rows.append(f"<tr><th scope=row>{name}</th>{''.join(cells)}</tr>")
    heading = "".join(f"<th scope=col><span>{name}</span></th>" for name in names)
    return (
        "<div class=wide><table class=confusion><tr><td class=quiet>true ↓ found →</td>"
        f"{heading}</tr>{''.join(rows)}</table></div>"
    )


def _cell(count: int, total: int, name: str, found: str) -> str:
    part = count / total if total else 0.0
    kind = "own" if name == found else "wrong"
    shown = f"{part:.0%}" if count else ""
    title = f"{name}: {count} of {total} moments found as {found}"
    return f'<td class={kind} style="--part:{part:.2f}" title="{title}">{shown}</td>'


def _calibration(figures: CalibrationFigures | None) -> str:
    if figures is None or not figures.bins:
        return ""
    points = "".join(
        f'<circle cx="{20 + 160 * one.score:.1f}" cy="{180 - 160 * one.right:.1f}" '
        f'r="{3 + 5 * math.sqrt(one.answers / max(b.answers for b in figures.bins)):.1f}">'
        f"<title>score {one.score:.0%}: right {one.right:.0%} of {one.answers}</title></circle>"
        for one in figures.bins
    )
    return (
        "<h3>What a score is worth</h3><div class=two>"
        '<svg viewBox="0 0 200 200" role="img" aria-label="score and share of right answers">'
        '<rect x="20" y="20" width="160" height="160"/><path d="M20 180 L180 20"/>'
        f'{points}<text x="100" y="197">score</text>'
        '<text x="-100" y="14" transform="rotate(-90)">right</text></svg>'
        f"<p>A score is {figures.error:.0%} away from how often such answers are right, in the "
        "mean. Each point is the answers with similar scores; on the line a score is what it says."
        "</p></div>"
    )


def _next(report: TeachingReport) -> str:
    parts = ["<section><h2>What to do next</h2>"]
    if report.needs:
        rows = ((escape(n.text), escape(n.query), escape(n.cause)) for n in report.needs)
        parts.append("<h3>Labels that need more examples</h3>")
        parts.append(_table(("label", "query", "why"), rows))
    if report.moments:
        parts.append(
            "<h3>Moments to look at</h3><p class=quiet>The links open them in the review page "
            "(<code>vljepa review</code>), if the recordings are indexed.</p>"
        )
        parts.append(_moments(report))
    if not report.needs and not report.moments:
        parts.append("<p>Nothing is missing for scenes like these.</p>")
    return "".join(parts) + "</section>"


def _moments(report: TeachingReport) -> str:
    paths = {one.name: one for one in report.recordings}
    rows = []
    for one in report.moments:
        part = paths.get(one.recording)
        named = {"recording": part.path if part else one.recording}
        link = REVIEW + "#" + urlencode({**named, "t": f"{one.time_s:.2f}", "query": one.query})
        rows.append(
            (
                f'<a href="{escape(link)}">{escape(one.recording)}, {_clock(one.time_s)}</a>',
                escape(one.label or "–"),
                escape(one.found),
                escape(one.cause),
            )
        )
    return _table(("moment", "label", "found", "why"), rows)


def _material(report: TeachingReport) -> str:
    rows = (
        (
            escape(one.name),
            one.role,
            escape("" if one.group.endswith(one.name) else one.group),
            _clock(one.seconds),
        )
        for one in report.recordings
    )
    took = ", ".join(f"{name} {_clock(seconds)}" for name, seconds in report.took_s.items())
    return (
        f"<section><h2>What it was taught from</h2><p>{_clock(report.labelled_s)} (min:s) with "
        f"labels. {_strange(report.unfamiliar)}</p><details><summary>{len(report.recordings)} "
        f"recordings</summary>{_table(('recording', '', 'group', 'length'), rows)}</details>"
        f"<p class=quiet>{escape(took)} (min:s) · space {escape(report.space_id)}</p></section>"
    )


def _strange(unfamiliar: float) -> str:
    if math.isnan(unfamiliar):
        return "There are too few recordings for statistics of what is familiar."
    return f"{unfamiliar:.0%} of the held-out clips look strange to it (about 2 % are usual)."


def _table(heading: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th scope=col>{name}</th>" for name in heading)
    lines = "".join(f"<tr>{''.join(f'<td>{c}</td>' for c in row)}</tr>" for row in rows)
    return f"<div class=wide><table><tr>{top}</tr>{lines}</table></div>"


def _amount(value: float, unit: str) -> str:
    return "–" if math.isnan(value) else f"{value:.2f} {unit}".rstrip()


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
