# SPDX-License-Identifier: Apache-2.0
"""What the simulated Fetch robot is told to do: random chores with one block, as control actions.

An action is the wanted motion of the gripper in units of 5 cm (3) and the fingers' command: 1
opens, -1 closes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Actions = Iterator[Vector]

OPEN, CLOSED = 1.0, -1.0
TABLE_Z = 0.425  # of the centre of a block that lies on the table
_LOW, _HIGH = np.array([1.17, 0.58]), np.array([1.43, 0.92])  # where the gripper reaches well
_UNIT_M = 0.05
_NEAR_M = 0.012
_LONGEST_MOVE = 90  # steps
_GENTLE = 0.012  # of the fingers' command while they open or close


@dataclass
class FetchScript:
    """Chores drawn from ``rng``; ``hand`` and ``block`` tell where both are now, in metres."""

    rng: np.random.Generator
    hand: Callable[[], Vector]
    block: Callable[[], Vector]

    def __post_init__(self) -> None:
        """Draw how fast and how steadily this episode's robot moves."""
        self._fingers = OPEN
        self._speed = self.rng.uniform(0.1, 0.2)
        self._noise = self.rng.uniform(0.0, 0.02)

    def actions(self) -> Actions:
        """Yield the actions of an episode: two or three chores with waits between them."""
        yield from self._wait()
        for _ in range(int(self.rng.integers(2, 4))):
            chore = self.rng.choice(["pick", "push", "reach"], p=[0.5, 0.3, 0.2])
            yield from {"pick": self._pick, "push": self._push, "reach": self._reach}[chore]()
            yield from self._withdraw()
            yield from self._wait()

    def _pick(self) -> Actions:
        miss = self.rng.normal(0, 0.03, 2) if self.rng.random() < 0.1 else np.zeros(2)
        yield from self._above(miss)
        yield from self._to(self.block() + [*miss, 0.0])
        yield from self._grip(CLOSED)
        yield from self._to(self.hand() + [0, 0, self.rng.uniform(0.1, 0.25)])
        if self.rng.random() < 0.5:
            yield from self._wait()
        if self.rng.random() < 0.8:
            yield from self._to(np.append(self._place(), self.hand()[2]))
        if self.rng.random() < 0.85:
            yield from self._to(np.append(self.hand()[:2], TABLE_Z + 0.005))
        yield from self._grip(OPEN)

    def _push(self) -> Actions:
        yield from self._grip(CLOSED)
        start = self.block()[:2]
        way = self._place() - start
        way = way / (np.linalg.norm(way) + 1e-6)
        behind = start - 0.085 * way
        yield from self._to(np.append(behind, TABLE_Z + 0.1))
        yield from self._to(np.append(behind, TABLE_Z + 0.01))
        ahead = start + self.rng.uniform(0.06, 0.2) * way
        yield from self._to(np.append(ahead, TABLE_Z + 0.01))

    def _reach(self) -> Actions:
        yield from self._above(self.rng.normal(0, 0.02, 2))
        if self.rng.random() < 0.5:
            yield from self._grip(-self._fingers)

    def _above(self, miss: Vector) -> Actions:
        yield from self._to(self.block() + [*miss, self.rng.uniform(0.08, 0.16)])
        if self._fingers != OPEN:
            yield from self._grip(OPEN)

    def _withdraw(self) -> Actions:
        yield from self._to(self.hand() + [0, 0, self.rng.uniform(0.12, 0.2)])
        if self.rng.random() < 0.7:
            yield from self._to(np.append(self._place(), self.rng.uniform(0.55, 0.7)))

    def _wait(self) -> Actions:
        for _ in range(int(self.rng.integers(15, 50))):
            yield np.array([0.0, 0.0, 0.0, self._fingers])

    def _grip(self, fingers: float) -> Actions:
        self._fingers = fingers
        for force in [_GENTLE] * int(self.rng.integers(14, 22)) + [1.0] * 4:
            yield np.array([0.0, 0.0, 0.0, fingers * force])

    def _to(self, target: Vector) -> Actions:
        """Yield the actions that bring the gripper to a place, as near as it gets."""
        for _ in range(_LONGEST_MOVE):
            way = target - self.hand()
            if np.linalg.norm(way) < _NEAR_M:
                return
            wanted = 3 * way / _UNIT_M / self._longest(way)
            yield np.append(wanted + self.rng.normal(0, self._noise, 3), self._fingers)

    def _longest(self, way: Vector) -> float:
        """Return what the wanted motion is divided by so that it stays below the speed."""
        return max(1.0, float(np.linalg.norm(3 * way / _UNIT_M)) / self._speed)

    def _place(self) -> Vector:
        return self.rng.uniform(_LOW, _HIGH)
