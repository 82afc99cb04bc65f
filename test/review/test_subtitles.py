# SPDX-License-Identifier: Apache-2.0
"""Segments as CSV, JSON, WebVTT and SRT."""

from __future__ import annotations

import csv
import io
import json

import av

from vljepa_ros.review.reviewed_lane import LaneSegment
from vljepa_ros.review.subtitles import as_csv, as_json, as_srt, as_web_vtt

LANES = {
    "object": [
        LaneSegment(0.0, 1.5, 'the "drawer", open', 0.25),
        LaneSegment(1.5, 3600.0, "", corrected=True),
    ],
    "held": [LaneSegment(0.5, 3725.0421, "A & B --> <i>", 1 / 3, 0.5)],
}


def test_csv_has_a_row_for_each_segment_in_the_order_of_time() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(LANES))))
    assert [row["query"] for row in rows] == ["object", "held", "object"]
    assert rows[0]["text"] == 'the "drawer", open'
    assert (rows[1]["score"], rows[1]["unfamiliarity"]) == ("0.3333", "0.5")
    assert (rows[2]["score"], rows[2]["corrected"]) == ("", "True")


def test_json_has_a_list_for_each_query() -> None:
    content = json.loads(as_json(LANES))
    assert content["held"] == [
        {
            "start": 0.5,
            "end": 3725.0421,
            "text": "A & B --> <i>",
            "score": 0.3333,
            "unfamiliarity": 0.5,
            "corrected": False,
        }
    ]


def test_web_vtt_names_queries_as_voices_and_leaves_out_what_says_nothing() -> None:
    assert as_web_vtt(LANES) == (
        "WEBVTT\n\n"
        '00:00:00.000 --> 00:00:01.500\n<v object>the "drawer", open\n\n'
        "00:00:00.500 --> 01:02:05.042\n<v held>A &amp; B --&gt; &lt;i&gt;\n"
    )


def test_srt_is_read_by_ffmpeg() -> None:
    with av.open(io.BytesIO(as_srt(LANES).encode()), format="srt") as container:
        packets = [bytes(packet).decode() for packet in container.demux() if packet.size]
    assert packets == ['object: the "drawer", open', "held: A & B --> <i>"]
