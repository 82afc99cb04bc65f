# SPDX-License-Identifier: Apache-2.0
"""What the simulated Fetch robot does at every frame, from the simulator's own state.

Nothing here asks what the script meant to do: a grasp that slipped is labelled as what it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ACTION, HELD = "action", "held"
QUESTIONS = {ACTION: "What is the robot doing?", HELD: "What is the robot holding?"}
ACTIONS = (
    "the robot waits",
    "the robot moves toward the block",
    "the robot closes its gripper",
    "the robot lifts the block",
    "the robot carries the block",
    "the robot holds the block still",
    "the robot lowers the block",
    "the robot opens its gripper",
    "the robot pushes the block",
    "the robot moves away from the block",
)
HOLDINGS = ("the robot holds nothing", "the robot holds the block")
TEXTS = {ACTION: ACTIONS, HELD: HOLDINGS}

_STILL_M_S = 0.03
_GRIPPER_M_S = 0.02  # change of the distance of the fingers
_BLOCK_M_S = 0.02
_REACH_M = 0.12
_STEEP = 0.6  # share of the vertical in the speed of what lifts or lowers


@dataclass(frozen=True)
class FetchSignals:
    """The simulator's state at every frame, n of them.

    Attributes:
        stamps_s: seconds since the first frame (n,).
        hand: position of the gripper in metres (n, 3).
        block: position of the block in metres (n, 3).
        opening: distance of the fingers in metres (n,).
        grasped: both fingers touch the block (n,), bool.
    """

    stamps_s: NDArray[np.float64]
    hand: NDArray[np.float64]
    block: NDArray[np.float64]
    opening: NDArray[np.float64]
    grasped: NDArray[np.bool_]

    @property
    def near(self) -> NDArray[np.bool_]:
        """Whether the gripper is so near that what the block does is its doing (n,)."""
        return np.linalg.norm(self.hand - self.block, axis=1) < _REACH_M


def label_frames(signals: FetchSignals) -> dict[str, NDArray[np.int32]]:
    """Return for each query the number in :data:`TEXTS` of what is true at each frame (n,)."""
    actions = [ACTIONS.index(_action(signals, frame)) for frame in range(len(signals.stamps_s))]
    return {
        ACTION: np.array(actions, np.int32),
        HELD: signals.grasped.astype(np.int32),
    }


def _action(signals: FetchSignals, frame: int) -> str:
    """Return what the robot does at a frame, from the change since the one before it."""
    before, now = max(frame - 1, 0), max(frame, 1)
    period = signals.stamps_s[now] - signals.stamps_s[before]
    hand = (signals.hand[now] - signals.hand[before]) / period
    block = (signals.block[now] - signals.block[before]) / period
    fingers = (signals.opening[now] - signals.opening[before]) / period
    if abs(fingers) > _GRIPPER_M_S:
        return f"the robot {'opens' if fingers > 0 else 'closes'} its gripper"
    if signals.grasped[frame]:
        return _with_block(hand)
    if signals.near[now] and np.linalg.norm(block) > _BLOCK_M_S:
        return "the robot pushes the block"
    if np.linalg.norm(hand) < _STILL_M_S:
        return "the robot waits"
    nearer = hand @ (signals.block[now] - signals.hand[now]) > 0
    return f"the robot moves {'toward' if nearer else 'away from'} the block"


def _with_block(hand: NDArray[np.float64]) -> str:
    speed = float(np.linalg.norm(hand))
    if speed < _STILL_M_S:
        return "the robot holds the block still"
    if abs(hand[2]) < _STEEP * speed:
        return "the robot carries the block"
    return f"the robot {'lifts' if hand[2] > 0 else 'lowers'} the block"
