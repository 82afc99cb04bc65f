# SPDX-License-Identifier: Apache-2.0
"""Teaching learns what can be learned, survives a stop, and ends when it stops helping."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("transformers", reason="the text towers are those of transformers")

from vljepa_ros.model.config import (  # noqa: E402
    ModelConfig,
    PredictorConfig,
    XEncoderConfig,
    YEncoderConfig,
)
from vljepa_ros.model.vljepa import Tokens, VLJepaModel  # noqa: E402
from vljepa_ros.runtime.query_encoder import QueryTokens  # noqa: E402
from vljepa_ros.teaching.method import (  # noqa: E402
    FitSettings,
    Fitted,
    TeachError,
    clip_rate,
    evidence_lags,
    fit,
)
from vljepa_ros.teaching.taught_recording import UNLABELLED, Lessons, TaughtRecording  # noqa: E402

SIDE, GRID, CHANNELS = 16, 4, 3
SETTINGS = FitSettings(
    rate_hz=5.0, copies=2, steps=12, batch=8, check_every=4, learning_rate=2e-3, kept_tokens=0.5
)
CONFIG = ModelConfig(
    name="tiny",
    frame_pixels=SIDE,
    clip_frames=4,
    clip_rate_hz=5.0,
    embedding=16,
    queries_from="text_encoder",
    query_vocabulary=0,
    x_encoder=XEncoderConfig(
        trunk="efficientnet-lite0",
        grid=GRID,
        channels=CHANNELS,
        patch=2,
        tubelet=2,
        width=24,
        depth=1,
        heads=2,
        mlp=32,
        motion=True,
    ),
    predictor=PredictorConfig(
        width=24,
        depth=1,
        heads=2,
        kv_heads=2,
        mlp=32,
        rotary_scaling=None,
        query_width=8,
        query_projection=True,
        max_query_tokens=4,
        joint=False,
        pool_visual=False,
    ),
    y_encoder=YEncoderConfig(
        tower="bert", vocabulary=20, width=8, depth=1, heads=2, kv_heads=2, head_width=4, mlp=8,
        rate=0.0,
    ),
)  # fmt: skip


class Blocks:
    """A trunk that averages blocks of pixels, and texts at random places."""

    def __init__(self) -> None:
        self.frames = 0

    def encode_frames(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the means of 4 x 4 blocks (B, 3, 4, 4)."""
        self.frames += len(images)
        cut = np.stack(images).reshape(len(images), GRID, SIDE // GRID, GRID, SIDE // GRID, 3)
        return np.float32(cut.mean((2, 4)).transpose(0, 3, 1, 2) / 64 - 2)

    def encode_query(self, text: str) -> QueryTokens:
        """Return two tokens that follow from the text."""
        tokens = np.zeros((4, 8), np.float32)
        tokens[:2] = np.random.default_rng(len(text)).normal(size=(2, 8))
        return QueryTokens(tokens, np.arange(4) < 2)

    def embed_text(self, text: str) -> NDArray[np.float32]:
        """Return a unit vector that follows from the text."""
        found = np.random.default_rng([ord(letter) for letter in text]).normal(size=16)
        return np.float32(found / np.linalg.norm(found))


def recording(name: str, frames: int = 30, rate_hz: float = 10.0) -> TaughtRecording:
    """Return a light that goes on and off: at the left or right, bright or dark."""
    random = np.random.default_rng(len(name) + ord(name[-1]))
    right = np.repeat(random.permutation(frames // 5) % 2, 5)
    images = random.integers(20, 60, (frames, SIDE, SIDE, 3))
    for number, side in enumerate(right):
        images[number, :, side * SIDE // 2 : (side + 1) * SIDE // 2] += 150
    labels = {"side": right.astype(np.int32), "any": np.zeros(frames, np.int32)}
    return TaughtRecording(
        name, name, np.arange(frames) / rate_hz, images.astype(np.uint8), labels
    )


def lessons(*names: str) -> Lessons:
    """Return recordings with two queries, one of which has one text."""
    return Lessons(
        {"side": "Which side?", "any": "Is it there at all?"},
        {"side": ("on the left", "on the right"), "any": ("it is there",)},
        tuple(recording(name) for name in names),
    )


@pytest.fixture
def model() -> Iterator[VLJepaModel]:
    """A model with random weights; other tests' random numbers stay as they are."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield VLJepaModel(CONFIG).eval()


Teach = Callable[..., Fitted]


@pytest.fixture
def teach(model: VLJepaModel, tmp_path: Path) -> Teach:
    """Teach the model three recordings; keywords replace what is given."""

    def run(taught: Lessons | None = None, held_out: Lessons | None = None, **given: object):
        settings = given.get("settings", SETTINGS)
        assert isinstance(settings, FitSettings)
        return fit(
            given.get("model", model),
            taught or lessons("a", "b", "c"),
            held_out or lessons(),
            given.get("runtime", Blocks()),
            tmp_path / str(given.get("folder", "work")),
            given.get("on_progress", lambda done: None),
            given.get("stop", Event()),
            settings,
        )

    return run


def answers(fitted: Fitted, taught: Lessons) -> float:
    """Return how often the first query is answered rightly, by the model as it is exported."""
    runtime, hits = Blocks(), []
    query = runtime.encode_query(taught.questions["side"])
    asked = Tokens(
        torch.from_numpy(query.tokens)[None, None], torch.from_numpy(query.mask)[None, None]
    )
    texts = np.stack([runtime.embed_text(text) for text in taught.texts["side"]])
    for one in taught.recordings:
        features = torch.from_numpy(runtime.encode_frames(list(one.frames)))
        for end in range(6, len(features)):
            clip = features[end - 6 : end + 1 : 2][None]
            with torch.no_grad():
                found = fitted.model.embed(clip, asked)[0, 0].numpy()
            hits.append((texts @ found).argmax() == one.labels["side"][end])
    return float(np.mean(hits))


def weights(fitted: Fitted) -> dict[str, torch.Tensor]:
    """Return what was taught."""
    return dict(fitted.model.state_dict())


def test_what_can_be_told_apart_is_learned_and_the_given_model_stays(
    teach: Teach, model: VLJepaModel
) -> None:
    before = {name: one.clone() for name, one in model.state_dict().items()}
    fitted = teach()
    assert answers(fitted, lessons("x", "y")) > 0.9
    assert all(torch.equal(before[name], one) for name, one in model.state_dict().items())


def test_a_run_that_was_stopped_ends_where_one_without_a_stop_does(teach: Teach) -> None:
    stop = Event()

    def stop_half_way(done: float) -> None:
        if done > 0.75:
            stop.set()

    given = {"held_out": lessons("h"), "settings": replace(SETTINGS, patience=9)}
    halted = teach(folder="stopped", stop=stop, on_progress=stop_half_way, **given)
    resumed = teach(folder="stopped", **given)
    whole = teach(folder="whole", **given)
    assert len(halted.history) < len(whole.history)
    assert all(torch.equal(one, weights(whole)[n]) for n, one in weights(resumed).items())
    assert resumed.history == whole.history


def test_the_trunk_sees_every_variation_once(teach: Teach) -> None:
    first, second = Blocks(), Blocks()
    teach(runtime=first)
    teach(runtime=second, settings=replace(SETTINGS, learning_rate=1e-3))
    assert first.frames > 3 * 30
    assert second.frames == 1  # by which the trunk is known


def test_it_ends_early_if_held_out_recordings_gain_nothing_and_keeps_the_best(
    teach: Teach,
) -> None:
    settings = replace(SETTINGS, steps=400, check_every=2, patience=2)
    fitted = teach(held_out=lessons("h"), settings=settings)
    seen = [one["held_out"] for one in fitted.history if "held_out" in one]
    assert fitted.history[-1]["step"] < 400
    assert len(seen) - 1 - int(np.argmax(seen)) == 2


def test_the_light_parts_stay_as_they_were_if_nobody_can_say_that_they_help(
    teach: Teach, model: VLJepaModel
) -> None:
    found = teach().model.state_dict()
    assert all(torch.equal(one, found[name]) for name, one in model.state_dict().items())


@pytest.mark.parametrize(("checked", "taken"), [("hi", True), ("h", False)])
def test_the_light_parts_answer_if_more_than_one_recording_shows_that_they_help(
    teach: Teach, model: VLJepaModel, checked: str, taken: bool
) -> None:
    """Which half is bright says nothing if what is asked is whether it just changed."""
    taught, held_out = (
        replace(one, recordings=tuple(_changes(each) for each in one.recordings))
        for one in (lessons("a", "b", "c"), lessons(*checked))
    )
    settings = replace(SETTINGS, steps=120, check_every=20, learning_rate=5e-3, kept_tokens=1.0)
    fitted = teach(taught, held_out, settings=settings)
    seen = [one["held_out"] for one in fitted.history if "held_out" in one]
    assert max(seen) > seen[0]
    before = model.predictor.out.weight
    assert torch.equal(fitted.model.predictor.out.weight, before) != taken


def _changes(one: TaughtRecording) -> TaughtRecording:
    side = one.labels["side"]
    changed = np.abs(np.diff(side, prepend=side[:1], n=1)).astype(np.int32)
    return replace(one, labels={**one.labels, "side": np.maximum(changed, np.roll(changed, 1))})


def test_recordings_that_said_when_to_end_are_read_at_last(teach: Teach) -> None:
    of_three = weights(teach(lessons("a", "b"), lessons("c")))
    alike = weights(teach(lessons("a", "b", "c"), folder="all"))
    for name in ("x_encoder.evidence.read.weight", "x_encoder.evidence.read.bias"):
        torch.testing.assert_close(of_three[name], alike[name])


def test_a_rare_text_is_found_as_often_as_a_frequent_one(teach: Teach) -> None:
    taught = lessons("a", "b", "c", "d")
    rare = [replace(one, labels=dict(one.labels)) for one in taught.recordings]
    for one in rare:  # most images of the right side have no label
        labels = one.labels["side"].copy()
        labels[np.flatnonzero(labels == 1)[2:]] = UNLABELLED
        one.labels["side"] = labels  # type: ignore[index]
    fitted = teach(replace(taught, recordings=tuple(rare)))
    assert answers(fitted, lessons("x", "y")) > 0.8


@pytest.mark.parametrize(("seconds", "rate_hz"), [(60.0, 1.0), (4.0, 1.5), (0.5, 5.0)])
def test_a_clip_fits_into_short_recordings(seconds: float, rate_hz: float) -> None:
    one = replace(recording("a"), stamps_s=np.linspace(0, seconds, 30))
    taught = replace(lessons(), recordings=(one,))
    assert clip_rate(CONFIG, taught, replace(SETTINGS, rate_hz=1.0)) == rate_hz


def test_models_and_recordings_that_teach_nothing_are_refused(teach: Teach) -> None:
    none = np.full(30, UNLABELLED, np.int32)
    blank = replace(recording("a"), labels={"side": none, "any": none})
    with pytest.raises(ValueError, match="no image of the recordings has a label"):
        teach(replace(lessons(), recordings=(blank,)))


def test_a_model_without_a_frozen_trunk_is_refused(tmp_path: Path) -> None:
    whole = VLJepaModel(
        replace(
            CONFIG, x_encoder=replace(CONFIG.x_encoder, trunk="", grid=16, patch=8, channels=3)
        )
    )
    with pytest.raises(TeachError, match="frozen image trunk"):
        fit(whole, lessons("a"), lessons(), Blocks(), tmp_path, lambda done: None, Event())


@pytest.fixture
def stream() -> VLJepaModel:
    """A model with a memory."""
    x_encoder = replace(CONFIG.x_encoder, rotary="interleaved", memory=1)
    return VLJepaModel(replace(CONFIG, x_encoder=x_encoder)).eval()


@pytest.mark.parametrize("steps", [0, 4])
def test_a_model_that_sees_streams_is_taught_as_well(
    teach: Teach, stream: VLJepaModel, steps: int
) -> None:
    settings = replace(SETTINGS, steps=steps, rate_hz=1.0)  # a memory keeps its own rate
    fitted = teach(held_out=lessons("d") if steps else None, model=stream, settings=settings)
    assert fitted.model.config.clip_rate_hz == CONFIG.clip_rate_hz
    assert answers(fitted, lessons("x", "y")) > 0.8


def _flicker(name: str) -> TaughtRecording:
    """Return a light at a new side in each image; its label is the side of 0.4 s before."""
    one, back = recording(name, frames=60), 4
    random = np.random.default_rng(ord(name))
    right = random.integers(0, 2, len(one.stamps_s))
    images = random.integers(20, 60, one.frames.shape)
    for number, side in enumerate(right):
        images[number, :, side * SIDE // 2 : (side + 1) * SIDE // 2] += 150
    labels = {**one.labels, "side": np.roll(right, back).astype(np.int32)}
    labels["side"][:back] = UNLABELLED
    return replace(one, frames=images.astype(np.uint8), labels=labels)


@pytest.mark.parametrize("remembers", [False, True], ids=["clips", "a memory"])
def test_what_showed_before_the_newest_tubelet_is_read(
    teach: Teach, model: VLJepaModel, stream: VLJepaModel, remembers: bool
) -> None:
    taught, asked = (
        replace(lessons(), recordings=tuple(map(_flicker, names))) for names in ("abc", "xy")
    )
    fitted = teach(taught, model=stream if remembers else model)
    assert answers(fitted, asked) > 0.9


@pytest.mark.parametrize(
    ("rate_hz", "frames", "lags"),
    [(2.5, 8, (1, 2, 4, 7)), (5.0, 24, (2, 4, 8, 14)), (1.0, 8, (1, 2, 3)), (5.0, 1, ())],
)
def test_evidence_looks_back_by_time(rate_hz: float, frames: int, lags: tuple[int, ...]) -> None:
    assert evidence_lags(replace(CONFIG, clip_frames=frames), rate_hz) == lags


@pytest.mark.parametrize("remembers", [False, True], ids=["clips", "a memory"])
def test_a_step_sees_a_share_of_a_clip_and_all_of_a_memory(
    teach: Teach, model: VLJepaModel, stream: VLJepaModel, remembers: bool
) -> None:
    some, whole = (
        teach(
            held_out=lessons("d"),
            model=deepcopy(stream if remembers else model),
            settings=replace(SETTINGS, kept_tokens=share),
        )
        for share in (0.25, 1.0)
    )
    assert any("loss" in look for look in some.history)
    assert (some.history == whole.history) == remembers
