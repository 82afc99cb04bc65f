# SPDX-License-Identifier: Apache-2.0
"""A bundle with a memory says of every frame of a stream what torch says of the whole stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("onnxscript", reason="the export needs onnxscript")
pytest.importorskip("transformers", reason="the text towers are those of transformers")

import onnx  # noqa: E402

from support.tiny_model import (  # noqa: E402
    QUERIES,
    TINY_PAPER,
    TINY_STREAM,
    contents,
    random_clips,
    tiny_model,
)
from vljepa_ros.model.causal_x_encoder import StreamTubelets  # noqa: E402
from vljepa_ros.model.export.contents import EncodedTexts  # noqa: E402
from vljepa_ros.model.export.export_bundle import export_bundle  # noqa: E402
from vljepa_ros.model.export.precision import inputs_of_graphs  # noqa: E402
from vljepa_ros.model.from_bundle import agreement, model_from_bundle  # noqa: E402
from vljepa_ros.model.normalise import normalised  # noqa: E402
from vljepa_ros.model.vljepa import VLJepaModel  # noqa: E402
from vljepa_ros.runtime.clip_embedder import ClipEmbedder, ClipEmbeddings, Frame  # noqa: E402
from vljepa_ros.runtime.model import VLJepa  # noqa: E402
from vljepa_ros.runtime.remembered_streams import RememberedStreams  # noqa: E402
from vljepa_ros.runtime.windowed_streams import StampedFeatures  # noqa: E402
from vljepa_ros.stream.last_frames import last_frames  # noqa: E402

NS = 1_000_000_000
PERIOD = NS // 5  # of the memory, whose rate is 5 Hz
SPAN = TINY_STREAM.clip_frames * PERIOD

# The paper's form with a memory: pixels, tubelets of two frames, a pass for each query.
STREAM_OF_PIXELS = replace(
    TINY_PAPER,
    name="tiny-pixels",
    clip_frames=6,
    clip_rate_hz=5.0,
    x_encoder=replace(TINY_PAPER.x_encoder, rotary="interleaved", memory=2),
)


class Exported:
    """A model, its bundle, and what torch makes of streams."""

    def __init__(self, config, folder: Path) -> None:
        self.config = config
        self.torch: VLJepaModel = tiny_model(config)
        things = contents(config, folder)
        self.bundle = export_bundle(self.torch, folder / "bundle", things, random_clips(config))
        self.runtime = VLJepa.load(folder / "bundle")
        tokens, mask = EncodedTexts(self.torch, things).queries(QUERIES.values())
        self._asked = tokens[None], mask[None]

    @torch.no_grad()
    def every_frame(
        self, frames: Sequence[Frame], numbers: Sequence[int] | None = None
    ) -> NDArray[np.float32]:
        """Embeddings (T, Q, D) of the frames ``numbers`` of one stream, or all, seen at once.

        The others are in no memory, but in the tubelets.
        """
        seen = np.stack([self.runtime.encode_frame(frame.image) for frame in frames])
        clip = normalised(torch.from_numpy(seen)) if self.bundle.pixels else torch.from_numpy(seen)
        length = self.config.x_encoder.tubelet
        stamps = torch.tensor([frame.stamp_ns - frames[0].stamp_ns for frame in frames])
        ends = list(range(len(frames)) if numbers is None else numbers)
        rows = torch.tensor([tubelet_rows(stamps[: end + 1], length) for end in ends])
        times = stamps[ends].double()[None] / NS * self.config.clip_rate_hz
        streams = StreamTubelets(times, stride=length)
        tokens = self.torch.x_encoder.every_tubelet(clip[rows][None], streams)[0]
        return self.torch.predictor(tokens, *self._asked).numpy()


def tubelet_rows(stamps: torch.Tensor, length: int) -> list[int]:
    """Frames of the tubelet that ends with the last stamp: those nearest to its even times."""
    wanted = [stamps[-1] - back * PERIOD for back in reversed(range(length))]
    return [int((stamps - one).abs().argmin()) for one in wanted]


@pytest.fixture(
    scope="module",
    params=[TINY_STREAM, pytest.param(STREAM_OF_PIXELS, marks=pytest.mark.slow)],
    ids=["trunk", "pixels"],
)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(request.param, tmp_path_factory.mktemp("stream"))


def film(exported: Exported, stamps: Sequence[int], seed: int = 0) -> list[Frame]:
    side = exported.config.frame_pixels
    pixels = np.random.default_rng(seed)
    return [
        Frame(stamp, "camera", pixels.integers(0, 256, (side, side, 3), dtype=np.uint8), False)
        for stamp in stamps
    ]


def regular(count: int, start: int = 0, period: int = PERIOD) -> list[int]:
    return [start + number * period for number in range(count)]


def vectors(found: ClipEmbeddings) -> NDArray[np.float32]:
    return np.stack([found.vectors[name] for name in QUERIES])


def same(found: Sequence[ClipEmbeddings], true: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(np.stack([vectors(each) for each in found]), true, atol=1e-5)


def told(exported: Exported, frames: Sequence[Frame]) -> list[ClipEmbeddings]:
    embedder = ClipEmbedder(exported.runtime, ["*"])
    return [embedder.add({"": frame})[""] for frame in frames]


def test_each_frame_alone_is_the_whole_stream_from_the_first_on(exported: Exported) -> None:
    jitter = np.random.default_rng(1).integers(-PERIOD // 10, PERIOD // 10, 20)
    stamps = [int(a) for a in np.array(regular(20, 1_700_000_000 * NS)) + jitter]
    frames = film(exported, stamps)
    found = told(exported, frames)
    same(found, exported.every_frame(frames))
    assert [each.end_ns for each in found] == stamps
    assert found[-1].start_ns == stamps[-exported.config.clip_frames]


def test_cameras_of_every_kind_in_one_run_are_what_each_is_alone(exported: Exported) -> None:
    """One begins late, one has a gap, one starts again, and the clock of one is set back."""
    late, steady = regular(6, 7 * PERIOD), regular(13)
    gap = [*regular(5), *regular(8, 4 * PERIOD + SPAN)]
    again = regular(13)
    jump = [*regular(6, 100 * NS), *regular(7)]
    films = [
        film(exported, stamps, n) for n, stamps in enumerate((late, steady, gap, again, jump))
    ]
    films[3][6] = replace(films[3][6], restart=True)
    names = ("late", "steady", "gap", "again", "jump")
    embedder = ClipEmbedder(exported.runtime, ["*"], names)
    found: dict[str, list[ClipEmbeddings]] = {name: [] for name in names}
    for tick in range(13):
        begun = [
            (name, one) for name, one in zip(names, films, strict=True) if len(one) + tick >= 13
        ]
        frames = {name: one[tick - 13] for name, one in begun}
        for name, seen in embedder.add(frames).items():
            found[name].append(seen)
    for name, one, cut in zip(names, films, (6, 13, 5, 6, 6), strict=True):
        parts = [part for part in (one[:cut], one[cut:]) if part]
        same(found[name], np.concatenate([exported.every_frame(part) for part in parts]))


def test_a_gap_within_the_memory_does_not_end_it(exported: Exported) -> None:
    stamps = [*regular(5), *regular(5, 4 * PERIOD + SPAN // 2)]
    frames = film(exported, stamps)
    same(told(exported, frames), exported.every_frame(frames))


def test_a_slow_camera_fills_the_seconds_of_the_memory_and_not_its_places(
    exported: Exported,
) -> None:
    frames = film(exported, regular(12, period=3 * PERIOD))
    found = told(exported, frames)
    same(found, exported.every_frame(frames))
    assert found[-1].end_ns - found[-1].start_ns < SPAN


def test_of_a_faster_camera_every_frame_is_seen_and_every_second_kept(exported: Exported) -> None:
    frames = film(exported, regular(20, period=PERIOD // 2))
    found = told(exported, frames)
    same(found[::2], exported.every_frame(frames, range(0, 20, 2)))
    between = [
        exported.every_frame(frames, [*range(0, number, 2), number])[-1]
        for number in range(1, 20, 2)
    ]
    same(found[1::2], np.stack(between))


def test_a_frame_that_is_not_finite_spoils_no_later_one(exported: Exported) -> None:
    if exported.bundle.pixels:
        pytest.skip("pixels are always finite")
    frames = film(exported, regular(9))
    encoded = [exported.runtime.encode_frame(frame.image) for frame in frames]
    encoded[4] = np.full_like(encoded[4], np.nan)
    streams = RememberedStreams(exported.runtime, ["", "other"])
    found = []
    for frame, features in zip(frames, encoded, strict=True):
        both = {"": features, "other": encoded[0]}
        stamped = {name: StampedFeatures(frame.stamp_ns, each) for name, each in both.items()}
        found.append(streams.add(stamped, list(QUERIES.values()))[""].vectors)
    assert [bool(np.isfinite(each).all()) for each in found] == [n != 4 for n in range(9)]
    seen = exported.every_frame([*frames[:4], *frames[5:]])
    np.testing.assert_allclose(np.stack([*found[:4], *found[5:]]), seen, atol=1e-5)


def test_a_question_sees_the_same_and_leaves_the_stream_as_it_is(exported: Exported) -> None:
    frames = film(exported, regular(6))
    embedder = ClipEmbedder(exported.runtime, ["*"])
    true = exported.every_frame(frames)
    answers = ["a door", "a red door"]
    for frame, expected in zip(frames, true, strict=True):
        same([embedder.add({"": frame})[""]], expected[None])
        asked = embedder.ask(QUERIES["state"], answers)
        cosines = exported.runtime.similarities(expected[1], answers)
        np.testing.assert_allclose(asked.cosines, cosines, atol=1e-5)
        assert asked.end_ns == frame.stamp_ns


def test_clips_are_streams_of_their_own(exported: Exported) -> None:
    clips = random_clips(exported.config, 2)
    frames = [[exported.runtime.encode_frame(each) for each in clip] for clip in clips]
    found = exported.runtime.embed_clips(frames, list(QUERIES.values()))
    for clip, seen in zip(clips, found, strict=True):
        stream = [Frame(n * PERIOD, "", each, False) for n, each in enumerate(clip)]
        np.testing.assert_allclose(seen, exported.every_frame(stream)[-1], atol=1e-5)


def test_features_of_a_stream_are_those_of_its_clip(exported: Exported) -> None:
    (clip,) = random_clips(exported.config, 1)
    frames = [Frame(n * PERIOD, "", each, False) for n, each in enumerate(clip)]
    encoded = [exported.runtime.encode_frame(each) for each in clip]
    (_, (features,)) = exported.runtime.see_clips([encoded], list(QUERIES.values()))
    np.testing.assert_allclose(told(exported, frames)[-1].features, features, atol=1e-5)


def test_without_a_query_a_stream_is_followed_all_the_same(exported: Exported) -> None:
    frames, runtime = film(exported, regular(5)), exported.runtime
    memories = [runtime.empty_memory()]
    images = [runtime.encode_frame(frame.image) for frame in frames]
    for number, frame in enumerate(frames):
        before = memories
        tubelet = last_frames(images[: number + 1], exported.config.x_encoder.tubelet)
        clips, memories = runtime.see_frames([tubelet], [frame.stamp_ns], before, [])
        assert clips.embeddings.size == 0
    clips, _ = runtime.see_frames([tubelet], [frame.stamp_ns], before, list(QUERIES.values()))
    np.testing.assert_allclose(clips.embeddings[0], exported.every_frame(frames)[-1], atol=1e-5)


def test_every_frame_that_the_encoder_sees_tells_the_ranges_of_its_values(
    exported: Exported,
) -> None:
    (clip,) = clips = random_clips(exported.config, 1)
    fed = list(inputs_of_graphs(exported.runtime, clips))
    feeds = [feed for graph, feed in fed if graph == "x_encoder"]
    assert [int(feed["seen"].sum()) for feed in feeds] == list(range(len(clip)))
    visual = next(feed["visual_tokens"] for graph, feed in fed if graph == "predictor")
    frames = torch.from_numpy(np.stack([exported.runtime.encode_frame(each) for each in clip]))
    frames = normalised(frames) if exported.bundle.pixels else frames
    with torch.no_grad():
        true = exported.torch.x_encoder(frames[None])
    np.testing.assert_allclose(visual, true, atol=1e-4)


def test_the_model_is_rebuilt_from_its_bundle(exported: Exported) -> None:
    if exported.config.y_encoder.tower != "bert":
        pytest.skip("only a bert tower is rebuilt from its graph")
    model = model_from_bundle(exported.bundle)
    found = agreement(model, exported.runtime)
    assert min(found.clip, found.texts) > 0.9999
    torch.testing.assert_close(model.x_encoder.state_dict(), exported.torch.x_encoder.state_dict())


def test_the_manifest_says_what_is_kept(exported: Exported) -> None:
    memory, x = exported.bundle.memory, exported.config.x_encoder
    assert memory.pairs == (x.head_width // 3 // 2)
    frames = exported.config.clip_frames
    keys = x.frame_patches * (x.memory - 1) * x.tubelet + frames - x.tubelet
    assert memory.state["attention"] == (x.depth, 2, x.heads, keys, x.head_width)
    assert memory.window == x.tubelet and set(memory.state) == {"attention"}
    assert exported.bundle.parity["x_encoder"] < 1e-5


def test_the_graph_is_plain(exported: Exported) -> None:
    """Nothing that TensorRT refuses, and positions come from outside."""
    model = onnx.load(exported.bundle.root / "x_encoder.onnx")
    onnx.checker.check_model(model)
    operators = {node.op_type for node in model.graph.node}
    unwanted = {"Sin", "Cos", "Range", "If", "Loop", "ScatterND", "ConstantOfShape", "NonZero"}
    assert not operators & unwanted
    sizes = {
        value.name: value.type.tensor_type.shape.dim[1:]
        for value in [*model.graph.input, *model.graph.output]
    }
    assert all(size.dim_value > 0 for shape in sizes.values() for size in shape)
