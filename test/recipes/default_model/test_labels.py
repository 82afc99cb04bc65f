# SPDX-License-Identifier: Apache-2.0
"""Labels of hand-made signals."""

from __future__ import annotations

import itertools

import numpy as np

from vljepa_ros.recipes.default_model.simulation.labels import Signals, label_episode
from vljepa_ros.recipes.default_model.simulation.simulated_tasks import BY_NAME


def signals(frames: int, **changes) -> Signals:
    """A scene in which nothing moves, with the given columns changed."""
    still = {
        "hand": np.zeros((frames, 3)), "gripper": np.ones(frames), "grasp": np.zeros(frames, bool),
        "touch": np.zeros(frames, bool), "success": np.zeros(frames, bool),
        "tool": np.zeros((frames, 3)), "gap": np.full(frames, 0.3), "progress": np.zeros(frames),
    }  # fmt: skip
    return Signals(**{**still, **{k: np.asarray(v) for k, v in changes.items()}})


def runs(labels):
    return [label for label, _ in itertools.groupby(labels)]


def test_nothing_moves():
    labels = label_episode(BY_NAME["drawer-open"], signals(10))
    assert runs(labels["action"]) == ["rest:"]
    assert runs(labels["object"]) == ["state:the drawer is closed"]
    assert runs(labels["held"]) == ["holds:nothing"]


def test_a_drawer_is_approached_pulled_and_left():
    hand = np.zeros((30, 3))
    hand[5:15, 0] = np.linspace(0, 0.2, 10)
    hand[15:20, 0], hand[20:, 0] = 0.2, 0.2 + np.linspace(0.02, 0.2, 10)
    gap = np.concatenate([np.full(5, 0.3), np.linspace(0.3, 0.05, 10), np.full(5, 0.05)])
    gap = np.concatenate([gap, np.linspace(0.08, 0.3, 10)])
    progress = np.concatenate([np.zeros(15), np.linspace(0.2, 1, 5), np.ones(10)])
    measured = signals(30, hand=hand, gap=gap, progress=progress)
    labels = label_episode(BY_NAME["drawer-open"], measured)
    assert runs(labels["action"]) == [
        "rest:",
        "approach:the drawer handle",
        "act:pulls the drawer open",
        "retreat:the drawer handle",
    ]
    assert runs(labels["object"]) == [
        "state:the drawer is closed",
        "state:the drawer is partly open",
        "state:the drawer is open",
    ]


def test_a_part_that_moves_against_the_task_goes_back():
    progress = np.concatenate([np.ones(10), np.linspace(1, 0, 10)])
    hand = np.zeros((20, 3))
    hand[5:, 0] = 0.1
    opened = label_episode(BY_NAME["drawer-open"], signals(20, progress=progress, hand=hand))
    closed = label_episode(BY_NAME["drawer-close"], signals(20, progress=progress, hand=hand))
    assert runs(opened["action"])[-1] == "back:the drawer"
    assert runs(closed["action"])[-1] == "act:pushes the drawer shut"


def test_a_part_that_settles_before_the_hand_moves_is_not_acted_on():
    progress = np.concatenate([np.linspace(0.8, 0.6, 5), np.full(15, 0.6)])
    settles = label_episode(BY_NAME["door-close"], signals(20, progress=progress))
    assert runs(settles["action"]) == ["rest:"]


def test_one_frame_of_lost_contact_does_not_end_a_grasp():
    grasp = np.ones(20, bool)
    grasp[[6, 12]] = False
    labels = label_episode(BY_NAME["bin-picking"], signals(20, grasp=grasp, gap=np.zeros(20)))
    assert runs(labels["held"]) == ["holds:the block"]
    assert runs(labels["action"]) == ["hold:the block"]


def test_a_lifted_block_is_in_the_air():
    tool = np.zeros((20, 3))
    tool[5:15, 2] = np.linspace(0, 0.2, 10)
    tool[15:, 2] = 0.2
    labels = label_episode(
        BY_NAME["bin-picking"],
        signals(20, tool=tool, hand=tool, grasp=np.ones(20, bool), gap=np.zeros(20)),
    )
    assert runs(labels["action"]) == ["hold:the block", "lift:the block", "hold:the block"]
    assert runs(labels["object"]) == ["table:the block", "air:the block"]
