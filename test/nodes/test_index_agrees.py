# SPDX-License-Identifier: Apache-2.0
"""What an index says of a recording is what the nodes say of it live, segment by segment.

Frames go out one by one, each when the one before has been taken, so that the nodes drop none.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from support.recordings import write_film
from support.ros import Bench, Inbox
from vljepa_msgs.msg import Embedding, Segment, StateDescription
from vljepa_ros.index.find_recordings import jobs_of
from vljepa_ros.index.index_recording import index_recording
from vljepa_ros.index.store import Store
from vljepa_ros.index.stored import StoredRecording
from vljepa_ros.nodes import parameter_tables
from vljepa_ros.nodes.common.conversions import to_ns
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.pixels import rgb_pixels
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.remembered_streams import RememberedStreams
from vljepa_ros.runtime.windowed_streams import CameraStreams, WindowedStreams

RECORDING = Path(__file__).resolve().parents[2] / "demo" / "recording.mp4"
SECONDS, RATE_HZ = 9, 10
START_NS = 1_000_000_000_000
QUEUE = 2000


@pytest.fixture(scope="module")
def excerpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beginning of the shipped recording, without any loss."""
    with open_source(str(RECORDING)) as source:
        images = [rgb_pixels(one).copy() for one in islice(source.frames(), SECONDS * RATE_HZ)]
    times_ms = [number * 1000 // RATE_HZ for number in range(len(images))]
    return write_film(tmp_path_factory.mktemp("excerpt") / "excerpt.mkv", images, times_ms)


def play(ros: Bench, embedder: Embedder, embeddings: Inbox, film: Path) -> None:
    """Show the film in step with the embedder."""
    camera = ros.camera().wait_matched()
    clips = embedder._require_worker().clips
    last, streams = list(clips.queries)[-1], clips._streams
    with open_source(str(film)) as source:
        for frame in source.frames():
            stamp_ns = START_NS + frame.stamp_ns
            camera.send(rgb_pixels(frame), stamp_ns, "camera")
            ros.wait(lambda s=stamp_ns: newest(streams) == s, f"frame {stamp_ns}")
            if not isinstance(streams, WindowedStreams) or "" in streams._clips:
                embeddings.wait_for(
                    lambda e, s=stamp_ns: e.query == last and to_ns(e.header.stamp) == s,
                    f"embedding {stamp_ns}",
                )


def newest(streams: CameraStreams) -> int:
    """Return the stamp of the newest frame, of clips or of a memory."""
    if isinstance(streams, WindowedStreams):
        return next(iter(streams._windows[""]._stamps[-1:]), 0)
    assert isinstance(streams, RememberedStreams)
    return streams._newest[""].stamp_ns if streams._newest else 0


def indexed(folder: Path, film: Path, bundle: Path) -> tuple[Store, StoredRecording]:
    store = Store.open_or_create(folder)
    (job,) = jobs_of(film)
    return store, index_recording(job, store, VLJepa.load(bundle), lambda seconds: None)


def test_an_index_says_what_the_nodes_say(
    ros: Bench, default_bundle: Path, excerpt: Path, tmp_path: Path
) -> None:
    states = ros.inbox(StateDescription, "describer/state", QUEUE)
    segments = ros.inbox(Segment, "describer/segment", QUEUE)
    embeddings = ros.inbox(Embedding, "embedder/embedding", QUEUE)
    describer = ros.add(Describer, bundle=str(default_bundle), silence_s=0.0)
    embedder = ros.add(Embedder, bundle=str(default_bundle))
    for topic in ("/describer/state", "/describer/segment"):
        ros.wait_heard(describer, topic)
    ros.wait(lambda: embedder.phase is Phase.ACTIVE, "the embedder")
    ros.wait_heard(embedder, "/embedder/embedding", by=2)
    play(ros, embedder, embeddings, excerpt)
    heard = describer._worker.cameras[""].listener.rate  # the describer may be behind the test
    ros.wait(lambda: heard.total == len(embeddings), "the describer has heard all")
    describer.trigger_deactivate()
    store, recording = indexed(tmp_path / "store", excerpt, default_bundle)
    offline = store.segments(recording)
    assert len(offline) > 10
    segments.wait(len(offline))

    live = [(s.query, to_ns(s.start) - START_NS, to_ns(s.end) - START_NS, s) for s in segments]
    told = {(query, start): (end, s.text, s.samples, s.seq) for query, start, end, s in live}
    found = {(s.query, s.start_ns): (s.end_ns, s.text, s.samples, s.seq) for s in offline}
    assert found == told
    scores = {(query, start): s.score for query, start, _, s in live}
    assert [s.score for s in offline] == pytest.approx(
        [scores[s.query, s.start_ns] for s in offline], abs=1e-4
    )
    sights = {(s.query, to_ns(s.start) - START_NS): (s.share, s.unfamiliarity) for s in segments}
    for s in offline:
        assert (s.share, s.unfamiliarity) == pytest.approx(sights[s.query, s.start_ns], abs=1e-3)
    state_keys = {
        (s.query, s.seq, to_ns(s.header.stamp) - START_NS, to_ns(s.since) - START_NS, s.text)
        for s in states
    }
    assert state_keys == {
        (s.query, s.seq, s.stamp_ns, s.since_ns, s.text) for s in store.states(recording)
    }
    ticks = store.ticks(recording, "object", vectors=True)
    by_stamp = {to_ns(e.header.stamp) - START_NS: e for e in embeddings if e.query == "object"}
    assert set(by_stamp) == set(ticks.stamps_ns.tolist())
    for stamp_ns, vector in zip(ticks.stamps_ns.tolist(), ticks.vectors, strict=True):
        assert np.allclose(vector, by_stamp[stamp_ns].data, atol=1e-3)
    live_sights = [by_stamp[stamp_ns].unfamiliarity for stamp_ns in ticks.stamps_ns.tolist()]
    assert np.allclose(ticks.unfamiliarity, live_sights, atol=1e-3)


def test_the_rules_are_the_defaults_of_the_nodes() -> None:
    from vljepa_ros.index import due_frames, offline_describer
    from vljepa_ros.stream.change import ChangeConfig

    tables = (parameter_tables.EMBEDDER, parameter_tables.DESCRIBER, parameter_tables.DETECTOR)
    defaults = {spec.name: spec.default for table in tables for spec in table}
    assert defaults["max_gap_s"] == due_frames.MAX_GAP_S
    assert defaults["silence_s"] == offline_describer.SILENCE_S
    assert defaults["rate_hz"] == 0.0  # the bundle's
    assert (defaults["compare"], defaults["decoder"]) == ("answers", "phrases")
    assert (defaults["min_similarity"], defaults["image_fit"]) == (-1.0, "crop")
    detector = {spec.name: spec.default for spec in parameter_tables.DETECTOR}
    assert ChangeConfig(**detector) == ChangeConfig()
