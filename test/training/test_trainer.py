# SPDX-License-Identifier: Apache-2.0
"""The loop: it learns, continues on its curve, and moves only what it should."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="training is tested where torch is installed")
pytest.importorskip("transformers", reason="training needs transformers (make train-venv)")
pytest.importorskip("tensorboard", reason="training needs tensorboard (make train-venv)")

from support.full_disk import full_disk  # noqa: E402
from support.tiny_training import STAGE, TINY, MadeUpBatches, tiny_model  # noqa: E402
from vljepa_ros.training.checkpoint import ResumeError, write_checkpoint  # noqa: E402
from vljepa_ros.training.trainer import Trainer, TrainingError  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

AVERAGED = replace(STAGE, average_decay=0.5)


def trainer(out, stage=STAGE, batches=None, config=TINY, **settings):
    batches = batches or MadeUpBatches(stage.batch)
    return Trainer(tiny_model(config), stage, batches, out, **settings)


class DiesAt:
    """Batches that end the program at a step, by an error or by a signal to itself."""

    def __init__(self, step, signal_number=None):
        self.good, self.at, self.signal = MadeUpBatches(), step, signal_number

    def batch(self, step, part, parts):
        if step == self.at:
            if self.signal is None:
                raise OSError("killed")
            os.kill(os.getpid(), self.signal)
        return self.good.batch(step, part, parts)


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.values(), other.values(), strict=True))


def copy(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("loss", ["info_nce", "sigreg"])
def test_it_learns(loss, tmp_path):
    run = trainer(tmp_path, replace(STAGE, steps=40, loss=loss), save_every=5)
    assert run.run()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(5, 41, 5))
    assert lines[-1]["loss"] < 0.6 * lines[0]["loss"]


def test_a_killed_run_continues_on_the_same_curve(tmp_path):
    whole = trainer(tmp_path / "whole", AVERAGED)
    whole.run()
    with pytest.raises(OSError, match="killed"):
        trainer(tmp_path / "killed", AVERAGED, DiesAt(5), save_every=2).run()
    again = trainer(tmp_path / "killed", AVERAGED)
    assert again.start == 4
    assert again.run()
    assert same(whole.model.state_dict(), again.model.state_dict())


def test_a_finished_run_only_takes_its_weights(tmp_path):
    run = trainer(tmp_path, AVERAGED)
    run.run()
    again = trainer(tmp_path, AVERAGED, DiesAt(0))
    assert again.run()
    assert same(run.model.state_dict(), again.model.state_dict())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_leaves(number, tmp_path):
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    run = trainer(tmp_path, batches=DiesAt(3, number))
    assert not run.run()
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    assert trainer(tmp_path).start == 4


def test_the_averaged_weights_are_validated_and_kept(tmp_path):
    plain, validated = [], []
    trainer(
        tmp_path / "plain",
        save_every=1,
        validate=lambda model: plain.append(copy(model)) or {},
    ).run()
    run = trainer(
        tmp_path / "averaged",
        AVERAGED,
        save_every=1,
        validate=lambda model: validated.append(copy(model)) or {"score": 7.0},
    )
    run.run()
    expected = plain[0]
    for weights in plain[1:]:
        expected = {name: 0.5 * expected[name] + 0.5 * value for name, value in weights.items()}
    for name, value in expected.items():
        torch.testing.assert_close(validated[-1][name], value, msg=name)
    assert same(run.model.state_dict(), validated[-1])
    assert json.loads((tmp_path / "averaged/log.jsonl").read_text().splitlines()[0])["score"] == 7


def test_frozen_parts_do_not_move_and_the_tower_moves_slower(tmp_path):
    run = trainer(tmp_path, replace(STAGE, steps=1, weight_decay=0.0))
    before = copy(run.model)
    run.run()
    # Adam's first step moves every weight that has a gradient by the learning rate.
    moved = {
        name: float((value - before[name]).abs().max()) / STAGE.learning_rate
        for name, value in run.model.state_dict().items()
    }
    for name, far in moved.items():
        if name.startswith(("x_encoder", "query_table")):
            assert far == 0, name
        elif not name.startswith("y_encoder.tower"):
            assert far == pytest.approx(1, rel=0.02), name
    tower = [far for name, far in moved.items() if name.startswith("y_encoder.tower")]
    assert max(tower) == pytest.approx(0.05, rel=0.02)


def test_a_frozen_tower_and_a_trained_x_encoder(tmp_path):
    config = replace(TINY, y_encoder=replace(TINY.y_encoder, rate=0.0))
    run = trainer(tmp_path, replace(STAGE, steps=1, train_x_encoder=True), config=config)
    before = copy(run.model)
    run.run()
    after = run.model.state_dict()
    assert not torch.equal(
        after["x_encoder.embedding.weight"], before["x_encoder.embedding.weight"]
    )
    assert not any(name.startswith("y_encoder.tower") for name in run.weights)


def test_micro_batches_add_up_to_the_mean_of_their_gradients(tmp_path):
    stage = replace(STAGE, micro_batches=2, steps=1)
    run = trainer(tmp_path / "parts", stage)
    expected = []
    for part in range(2):
        run.loss(0, MadeUpBatches().batch(0, part, 2)).backward()
        expected.append([weight.grad.clone() for weight in run.weights.values()])
        run.optimiser.zero_grad()
    for part in range(2):
        run._learn(0, MadeUpBatches().batch(0, part, 2), last=part == 1)
    for weight, one, two in zip(run.weights.values(), *expected, strict=True):
        torch.testing.assert_close(weight.grad, (one + two) / 2)


def test_norms_biases_and_the_temperature_do_not_decay(tmp_path):
    run = trainer(tmp_path)
    decay = {
        id(weight): group["weight_decay"]
        for group in run.optimiser.param_groups
        for weight in group["params"]
    }
    for name, weight in run.weights.items():
        free = "norm" in name.lower() or name.endswith("bias") or name == "log_scale"
        assert decay[id(weight)] == (0 if free else STAGE.weight_decay), name


def test_worker_processes_change_nothing(tmp_path):
    alone, helped = trainer(tmp_path / "alone"), trainer(tmp_path / "helped", workers=2)
    alone.run()
    helped.run()
    assert same(alone.model.state_dict(), helped.model.state_dict())


def test_bf16_is_close_to_fp32(tmp_path):
    batch = MadeUpBatches().batch(0, 0, 1)
    exact = float(trainer(tmp_path).loss(0, batch).detach())
    run = trainer(tmp_path, replace(STAGE, precision="bf16"))
    short = float(run.loss(0, batch).detach())
    assert short != exact
    assert short == pytest.approx(exact, rel=0.1)


def test_sigreg_looks_along_other_directions_in_every_step(tmp_path):
    run, batch = trainer(tmp_path, replace(STAGE, loss="sigreg")), MadeUpBatches().batch(0, 0, 1)
    assert float(run.loss(0, batch).detach()) != float(run.loss(1, batch).detach())


def test_a_loss_that_is_not_finite_ends_the_run_and_is_not_saved(tmp_path):
    run = trainer(tmp_path, replace(STAGE, learning_rate=1e30))
    with pytest.raises(TrainingError, match="the loss of step 1 is nan .*lower learning_rate"):
        run.run()
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_batch_that_does_not_divide_is_refused(tmp_path):
    run = trainer(tmp_path)
    assert run.stage.batch == 8
    with pytest.raises(Exception, match="has no equal micro_batches"):
        trainer(tmp_path, replace(STAGE, micro_batches=3))


def test_a_candidate_of_another_group_is_no_negative(tmp_path):
    run, batch = trainer(tmp_path), MadeUpBatches(shared=True).batch(0, 0, 1)
    alone = replace(batch, groups=torch.arange(len(batch.keys)))
    assert run.loss(0, batch) > 0.1
    assert run.loss(0, alone).item() == pytest.approx(0, abs=1e-6)


def test_a_checkpoint_of_another_stage_or_model_is_refused(tmp_path):
    trainer(tmp_path).run()
    with pytest.raises(ResumeError, match="learning_rate 0.003, and the stage now has 0.1"):
        trainer(tmp_path, replace(STAGE, learning_rate=0.1))
    deeper = replace(TINY, predictor=replace(TINY.predictor, depth=3))
    with pytest.raises(ResumeError, match="another model: predictor.blocks.2"):
        trainer(tmp_path, config=deeper)


def test_a_full_disk_is_said_with_the_checkpoint_and_leaves_the_older_one(tmp_path):
    file = tmp_path / "checkpoint.pt"
    write_checkpoint(file, {"weights": {}})
    before = file.read_bytes()
    with full_disk(20_000), pytest.raises(OSError, match="large") as caught:
        write_checkpoint(file, {"weights": {"a": torch.zeros(10_000)}})
    assert caught.value.filename == str(file)
    assert file.read_bytes() == before


def test_a_half_written_checkpoint_is_no_checkpoint(tmp_path):
    (tmp_path / "checkpoint.part").write_bytes(b"half")
    assert trainer(tmp_path).start == 0
