# SPDX-License-Identifier: Apache-2.0
"""Simulator signals to one label per query and frame.

Labels say what the last interval showed (backward differences): a causal model cannot know what
comes next. Meta-World's contacts flicker, so motion of the object decides, contacts only support.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recipes.default_model.simulation.simulated_tasks import SimulatedTask

HAND_MOVES = 0.004  # m per frame
TOOL_MOVES = 0.003
PART_MOVES = 0.012  # of the whole travel per frame
NEAR = 0.14  # m between the hand and what it manipulates
GRIPPER_MOVES = 0.02  # of the opening per frame
LIFTED = 0.02  # m above where the tool lay
SHORTEST = 3  # frames; a shorter state is absorbed by its neighbours


@dataclass(frozen=True)
class Signals:
    """What the simulator knows, one row per frame (``F`` frames, metres).

    ``hand`` (F, 3); ``gripper`` (F,) opening 0..1; ``grasp``, ``touch``, ``success`` (F,) bool;
    ``tool`` (F, 3) position of the graspable body; ``gap`` (F,) from the hand to the nearest part
    of what it works on; ``progress`` (F,) of the jointed part, 0..1.
    """

    hand: NDArray[np.float32]
    gripper: NDArray[np.float32]
    grasp: NDArray[np.bool_]
    touch: NDArray[np.bool_]
    success: NDArray[np.bool_]
    tool: NDArray[np.float32]
    gap: NDArray[np.float32]
    progress: NDArray[np.float32]


def label_episode(task: SimulatedTask, signals: Signals) -> dict[str, list[str]]:
    """Return the label of every frame for each query: action, object, held, task."""
    held = _held(task, signals)
    return {
        "action": _merge_short(_actions(task, signals, held)),
        "object": _merge_short(_object_states(task, signals)),
        "held": _merge_short([f"holds:{task.tool_name}" if h else "holds:nothing" for h in held]),
        "task": [f"task:{task.goal}"] * len(held),
    }


def _step(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the change since the frame before, zero for the first."""
    return np.diff(values, axis=0, prepend=values[:1])


def _held(task: SimulatedTask, s: Signals) -> NDArray[np.bool_]:
    """Return a grasp without the contacts' flicker: a majority of five frames."""
    if not task.tool:
        return np.zeros(len(s.hand), bool)
    votes = np.convolve(np.pad(s.grasp.astype(float), 2, mode="edge"), np.ones(5), "valid")
    carried = np.linalg.norm(_step(s.tool), axis=1) > TOOL_MOVES
    together = np.linalg.norm(_step(s.tool) - _step(s.hand), axis=1) < TOOL_MOVES
    return (votes >= 3) | (carried & together & (s.tool[:, 2] > s.tool[0, 2] + LIFTED))


def _actions(task: SimulatedTask, s: Signals, held: NDArray[np.bool_]) -> list[str]:
    hand_step = np.linalg.norm(_step(s.hand), axis=1)
    tool_step = _step(s.tool)
    progress_step = _step(s.progress) * (-1 if task.closes else 1)
    gripper_step = _step(s.gripper)
    begun = np.cumsum(hand_step > HAND_MOVES) > 0  # before that, parts settle by themselves
    labels = []
    for i in range(len(s.hand)):
        near = bool(s.touch[i]) or s.gap[i] < NEAR
        if begun[i] and abs(progress_step[i]) > PART_MOVES:
            labels.append(f"act:{task.act}" if progress_step[i] > 0 else f"back:{task.part}")
        elif held[i]:
            labels.append(_holding(task, tool_step[i], hand_step[i] > HAND_MOVES))
        elif task.tool and not near and np.linalg.norm(tool_step[i]) > TOOL_MOVES:
            labels.append(f"falls:{task.tool_name}")
        elif task.tool and gripper_step[i] < -GRIPPER_MOVES and near:
            labels.append(f"grasp:{task.tool_name}")
        elif hand_step[i] > HAND_MOVES:
            closer = s.gap[i] < s.gap[max(i - 2, 0)]
            labels.append(f"{'approach' if closer else 'retreat'}:{task.target}")
        else:
            labels.append("rest:")
    return labels


def _holding(task: SimulatedTask, step: NDArray[np.float32], hand_moves: bool) -> str:
    if not hand_moves:
        return f"hold:{task.tool_name}"
    if step[2] > 0.6 * np.linalg.norm(step) and step[2] > TOOL_MOVES:
        return f"lift:{task.tool_name}"
    return f"carry:{task.tool_name}|{task.place}"


def _object_states(task: SimulatedTask, s: Signals) -> list[str]:
    labels = []
    lifted = s.tool[:, 2] > s.tool[0, 2] + LIFTED
    for i in range(len(s.hand)):
        if task.tool and (s.progress[i] < 0.12 or not task.joint):
            labels.append(_tool_state(task, bool(s.success[i]), bool(lifted[i])))
        else:
            labels.append(f"state:{_part_state(task, float(s.progress[i]))}")
    return labels


def _tool_state(task: SimulatedTask, success: bool, lifted: bool) -> str:
    if task.placed and success:
        return f"state:{task.placed}"
    return f"air:{task.tool_name}" if lifted else f"table:{task.tool_name}"


def _part_state(task: SimulatedTask, progress: float) -> str:
    low, middle, high = task.states
    if not middle:
        return high if progress > 0.5 else low
    if progress < 0.12:
        return low
    return high if progress > 0.7 else middle


def _merge_short(labels: list[str]) -> list[str]:
    """Let each state shorter than ``SHORTEST`` frames take the label before it."""
    merged = list(labels)
    start = 0
    for end in range(1, len(labels) + 1):
        if end < len(labels) and labels[end] == labels[start]:
            continue
        if end - start < SHORTEST and start > 0:
            merged[start:end] = [merged[start - 1]] * (end - start)
        start = end
    return merged
