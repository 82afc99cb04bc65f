# SPDX-License-Identifier: Apache-2.0
"""A Meta-World task, played by its scripted expert."""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import numpy as np
from metaworld import policies
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from metaworld.sawyer_xyz_env import SawyerXYZEnv
from numpy.typing import NDArray

from vljepa_ros.recipes.default_model.simulation.robot_recorder import (
    Action,
    Dwell,
    Parts,
    Pause,
    RobotRecorder,
)
from vljepa_ros.recipes.default_model.simulation.scenery import (
    Scenery,
    TableTop,
    furnish,
    tint_things,
)
from vljepa_ros.recipes.default_model.simulation.simulated_tasks import SimulatedTask

MAX_WORK_STEPS = 240
TABLE = TableTop(top=(0.0, 0.6, 0.0), half=(0.7, 0.4), work=0.3, floor=-0.913)


class Simulator(RobotRecorder):
    """A Meta-World task; see :class:`RobotRecorder`.

    Args:
        task: what the robot does.
        height: of the frames.
        width: of the frames.
        wide: give every episode a room, a robot's colour and a sensor of any kind; else the mild
            looks of the first model.
    """

    steps_per_frame = 4

    def __init__(
        self, task: SimulatedTask, height: int, width: int, *, wide: bool = False
    ) -> None:
        kind = ALL_V3_ENVIRONMENTS[f"{task.env}-v3"]
        env = (_furnished(kind) if wide else kind)()
        env._freeze_rand_vec = False
        env.seeded_rand_vec = True  # else the things' places come from NumPy's global draws
        env._set_task_called = True
        env._partially_observable = False  # the experts need the goal
        env.__dict__.pop("sawyer_observation_space", None)
        env.max_path_length = 10_000
        self.env = env
        super().__init__(task, env.model, env.data, (height, width))
        self._policy = _expert(task.env)
        self._option.geomgroup[:] = [1, 1, 1, 0, 0, 0]
        self._colours = (env.model.mat_rgba.copy(), env.model.geom_rgba.copy())
        self._parts = Parts(
            hand=self._geoms_below("hand"),
            pads=({env.model.geom("leftpad_geom").id}, {env.model.geom("rightpad_geom").id}),
            object=self._geoms_below(self._object_body()),
            joint=self._joint_address(),
        )
        self._scenery = self._room() if wide else None

    def _reset(self, seed: int) -> None:
        self.env.seed(seed)
        self._observed, _ = self.env.reset(seed=seed)
        self._success = False

    def _step(self, action: Action) -> None:
        self._observed, _, _, _, info = self.env.step(action)
        self._success = bool(info["success"])

    def _grip(self) -> float:
        return 1.0 if self.env.data.ctrl[0] > 0 else -1.0

    def _hand(self) -> NDArray[np.float64]:
        return np.asarray(self.env.tcp_center)

    def _withdrawal(self, rng: np.random.Generator) -> Action:
        return np.array([rng.uniform(-0.6, 0.6), -0.5, 0.8, -1.0])

    def _work(self, rng: np.random.Generator, dwell: Dwell) -> Iterator[Action]:
        speed = rng.uniform(0.75 if self.task.tool else 0.55, 1.0)
        noise = rng.uniform(0.0, 0.04 if self.task.tool else 0.12)  # grasps are delicate
        miss = (
            rng.normal(0, 0.04, 2)
            if rng.random() < (0.06 if self.task.tool else 0.12)
            else np.zeros(2)
        )
        pause = Pause.draw(rng, dwell, 10, 100)
        after = int(rng.integers(4, 16))
        succeeded = 0
        for i in range(MAX_WORK_STEPS):
            seen = self._observed.copy()
            seen[4:6] += miss
            action = np.clip(self._policy.get_action(seen), -1, 1)
            action[:3] = action[:3] * speed + rng.normal(0, noise, 3)
            yield action
            yield from pause.after(i, action[3])
            succeeded += self._success
            if succeeded > after:
                return

    def _object_body(self) -> str:
        if self.task.tool:
            return self.task.tool
        model = self.env.model
        return str(model.body(model.jnt_bodyid[self._joint_id()]).name) or "hand"

    def _joint_id(self) -> int:
        model = self.env.model
        for j in range(model.njnt):
            if self.task.joint in (model.joint(j).name, model.body(model.jnt_bodyid[j]).name):
                return j
        raise ValueError(f"{self.task.env} has no joint {self.task.joint!r}")

    def _joint_address(self) -> int:
        return int(self.env.model.jnt_qposadr[self._joint_id()]) if self.task.joint else -1

    def _room(self) -> Scenery:
        model = self.env.model
        table = [
            g for g in range(model.ngeom) if model.geom_bodyid[g] == model.body("tablelink").id
        ]
        surfaces = {"floor": [model.geom("floor").id], "table": table}
        return Scenery(model, TABLE, surfaces, sorted(self._geoms_below("right_arm_base_link")))

    def _draw_looks(self, rng: np.random.Generator) -> None:
        super()._draw_looks(rng)
        if not self._scenery:
            self._tint(rng)

    def _tint(self, rng: np.random.Generator) -> None:
        """Draw tints and light; objects keep their hue, the room may take any."""
        model = self.env.model
        model.mat_rgba[:], model.geom_rgba[:] = self._colours
        tint_things(model, rng, brightness=(0.75, 1.1), hue=(0.9, 1.05))
        room = [
            i
            for i in range(model.nmat)
            if "wood" in model.mat(i).name or "floor" in model.mat(i).name
        ]
        model.mat_rgba[room, :3] *= rng.uniform(0.5, 1.3, (len(room), 3))
        model.vis.headlight.ambient[:] = rng.uniform(0.3, 0.55)
        model.vis.headlight.diffuse[:] = rng.uniform(0.35, 0.7)


def _furnished(kind: type[SawyerXYZEnv]) -> type[SawyerXYZEnv]:
    """Return the environment with a scene that a :class:`Scenery` can change."""

    class FurnishedTask(kind):  # type: ignore[misc, valid-type]
        def _initialize_simulation(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
            spec = mujoco.MjSpec.from_file(self.fullpath)
            furnish(spec)
            model = spec.compile()
            model.vis.global_.offwidth = max(model.vis.global_.offwidth, self.width)
            model.vis.global_.offheight = max(model.vis.global_.offheight, self.height)
            return model, mujoco.MjData(model)

    return FurnishedTask


def _expert(env: str) -> policies.policy.Policy:
    name = "".join(word.capitalize() for word in env.split("-"))
    name = name.replace("PegInsertSide", "PegInsertionSide")
    return getattr(policies, f"Sawyer{name}V3Policy")()
