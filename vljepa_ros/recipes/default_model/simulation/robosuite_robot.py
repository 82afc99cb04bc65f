# SPDX-License-Identifier: Apache-2.0
"""Other arms at another table: robosuite's scenes, played by short scripts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from robosuite.controllers import load_composite_controller_config
from robosuite.environments.base import REGISTERED_ENVS
from robosuite.utils.binding_utils import MjSim
from robosuite.utils.placement_samplers import UniformRandomSampler

from vljepa_ros.recipes.default_model.simulation.cameras import WORK_AREA, View
from vljepa_ros.recipes.default_model.simulation.coarse_meshes import coarsen_meshes
from vljepa_ros.recipes.default_model.simulation.robot_recorder import (
    Action,
    Dwell,
    Parts,
    Pause,
    RobotRecorder,
)
from vljepa_ros.recipes.default_model.simulation.scenery import Scenery, TableTop, furnish
from vljepa_ros.recipes.default_model.simulation.simulated_tasks import SimulatedTask

# Else it tells of every file that it reads, and tears the progress bar.
logging.getLogger("robosuite_logs").setLevel(logging.ERROR)

TABLE = TableTop(top=(0.0, 0.0, 0.8), half=(0.4, 0.4), work=0.25, floor=0.0, side=1)
_REACH_M = 0.05  # of a full action
_NEAR_M = 0.012  # a waypoint is reached
_SPREAD_M = (0.1, 0.16)  # of the things on the table, about its centre along x and y


@dataclass(frozen=True)
class Waypoint:
    """A part of a script: the hand goes to a point and the gripper does as told.

    Attributes:
        point: returns the point, which may move, in metres.
        grip: 1 closed, -1 open.
        most: control steps after which the script goes on all the same.
        least: control steps that it takes at least.
    """

    point: Callable[[], NDArray[np.float64]]
    grip: float
    most: int = 60
    least: int = 0


class RobosuiteRobot(RobotRecorder):
    """An arm in a robosuite scene, always in rooms of every kind; see :class:`RobotRecorder`.

    Args:
        arm: robosuite's name of the robot.
        task: what it does; ``env`` is robosuite's name of the scene.
        height: of the frames.
        width: of the frames.
    """

    steps_per_frame = 1  # robosuite's control rate is the frames' 20 Hz of simulated time

    def __init__(self, arm: str, task: SimulatedTask, height: int, width: int) -> None:
        self.env = _furnished(task.env)(**_settings(arm))
        self.env.placement_initializer.rng = self.env.rng
        model = self.env.sim.model._model
        coarsen_meshes(model)
        super().__init__(task, model, self.env.sim.data._data, (height, width))
        self._robot = self.env.robots[0]
        self._gripper = self._robot.gripper["right"]
        self._parts = self._find_parts()
        self._option.geomgroup[:] = [0, 1, 0, 0, 0, 0]
        self._scenery = self._room()
        self._command = -1.0

    def _reset(self, seed: int) -> None:
        # the environment and its samplers share this generator
        self.env.rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state
        self.env.reset()
        self._success, self._command = False, -1.0

    def _step(self, action: Action) -> None:
        self._command = float(action[3])
        self.env.step(np.concatenate([action[:3], np.zeros(3), action[3:]]))
        self._success = bool(self.env._check_success())

    def _grip(self) -> float:
        return self._command

    def _hand(self) -> NDArray[np.float64]:
        return np.array(self._data.site_xpos[self._robot.eef_site_id["right"]])

    def _withdrawal(self, rng: np.random.Generator) -> Action:
        return np.array([-0.4, rng.uniform(-0.5, 0.5), 0.6, -1.0])

    def _at_table(self, view: View) -> View:
        x, y, top = TABLE.top
        moved = np.subtract(view.lookat, WORK_AREA)
        lookat = (x + moved[1], y - moved[0], top + view.lookat[2])
        return replace(view, azimuth=view.azimuth - 90, lookat=lookat)

    def _work(self, rng: np.random.Generator, dwell: Dwell) -> Iterator[Action]:
        speed, noise = rng.uniform(0.4, 0.9), rng.uniform(0, 0.06)
        miss = np.append(rng.normal(0, 0.03, 2), 0) if rng.random() < 0.12 else np.zeros(3)
        pause = Pause.draw(rng, dwell, 5, 60)
        steps = 0
        for waypoint in self._script(rng, miss):
            for step in range(waypoint.most):
                way = waypoint.point() - self._hand()
                if np.linalg.norm(way) < _NEAR_M and step >= waypoint.least:
                    break
                pull = np.clip(way / _REACH_M, -1, 1) * speed + rng.normal(0, noise, 3)
                yield np.append(pull, waypoint.grip)
                steps += 1
                yield from pause.after(steps, waypoint.grip)

    def _script(self, rng: np.random.Generator, miss: NDArray[np.float64]) -> Iterator[Waypoint]:
        yield from self._pick(rng, miss)
        yield from self._place(rng)

    def _pick(self, rng: np.random.Generator, miss: NDArray[np.float64]) -> Iterator[Waypoint]:
        tool = self._body(self.task.tool)
        above, up = rng.uniform(0.06, 0.12), rng.uniform(0.1, 0.2)
        yield Waypoint(lambda: tool() + miss + [0, 0, above], -1)
        yield Waypoint(lambda: tool() + miss, -1)
        here = self._hand()
        yield Waypoint(lambda: here, 1, most=8, least=8)
        yield Waypoint(lambda: here + [0, 0, up], 1)

    def _place(self, rng: np.random.Generator) -> Iterator[Waypoint]:
        if self.task.placed:
            base, tool = self._body("cubeB_main"), self._body(self.task.tool)
            held = tool() - self._hand()
            yield Waypoint(lambda: base() - held + [0, 0, 0.1], 1)
            yield Waypoint(lambda: base() - held + [0, 0, 0.05], 1, most=30)
        elif rng.random() < 0.5:
            x, y, top = TABLE.top
            spot = np.array([x, y, top + 0.02]) + np.append(rng.normal(0, 0.06, 2), 0)
            yield Waypoint(lambda: spot + [0, 0, 0.1], 1)
            yield Waypoint(lambda: spot, 1)
        else:
            return
        here = self._hand()
        yield Waypoint(lambda: here, -1, most=6, least=6)
        yield Waypoint(lambda: here + [0, 0, 0.12], -1)

    def _body(self, name: str) -> Callable[[], NDArray[np.float64]]:
        return lambda: np.array(self._data.body(name).xpos)

    def _find_parts(self) -> Parts:
        ids = {pad: self._gripper.important_geoms[f"{pad}_fingerpad"] for pad in ("left", "right")}
        left, right = ({self._model.geom(g).id for g in names} for names in ids.values())
        return Parts(
            hand=self._geoms_below(self._gripper.root_body),
            pads=(left, right),
            object=self._geoms_below(self.task.tool),
            joint=-1,
        )

    def _room(self) -> Scenery:
        model = self._model
        named: dict[str, list[int]] = {surface: [] for surface in ("floor", "table", "wall")}
        for geom in range(model.ngeom):
            for surface, geoms in named.items():
                name = model.geom(geom).name
                if name.startswith(surface) and model.geom_group[geom] == 1:
                    geoms.append(geom)
        return Scenery(model, TABLE, named, sorted(self._geoms_below("robot0_base")))


def _settings(arm: str) -> dict[str, Any]:
    """Return the arguments of an environment without cameras of its own."""
    x, y = _SPREAD_M
    return {
        "robots": arm,
        "controller_configs": load_composite_controller_config(robot=arm),
        "has_renderer": False,
        "has_offscreen_renderer": False,
        "use_camera_obs": False,
        "control_freq": 20,
        "ignore_done": True,
        "hard_reset": False,
        "seed": 0,
        "placement_initializer": UniformRandomSampler(
            name="ObjectSampler",
            x_range=(-x, x),
            y_range=(-y, y),
            rotation=(-0.3, 0.3),
            ensure_object_boundary_in_range=False,
            ensure_valid_placement=True,
            reference_pos=np.array(TABLE.top),
            z_offset=0.01,
        ),
    }


def _furnished(scene: str) -> type[Any]:
    """Return a robosuite environment with a scene that a :class:`Scenery` can change."""
    kind = REGISTERED_ENVS[scene]

    class FurnishedArena(kind):  # type: ignore[misc, valid-type]
        def _initialize_sim(self, xml_string: str | None = None) -> None:
            spec = mujoco.MjSpec.from_string(self.edit_model_xml(self.model.get_xml()))
            furnish(spec)
            self.sim = MjSim(spec.compile())
            self.sim.forward()
            self.initialize_time(self.control_freq)

    return FurnishedArena
