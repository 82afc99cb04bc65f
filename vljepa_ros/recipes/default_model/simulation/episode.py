# SPDX-License-Identifier: Apache-2.0
"""One randomised episode of a scripted expert, as video frames and simulator signals.

Every draw comes from the episode's own seed, so an episode can be made again and no two tasks
share cameras or colours. Episodes wait, pause, miss and stop as robots do: 35 % have a pause of
1 to 4 s in the middle, some experts aim beside the object. If a dwell is asked for, the arm
also waits before, once during and after its work, each time as long as an exponential draw says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

os.environ.setdefault("MUJOCO_GL", "osmesa")

import cv2
import mujoco
import numpy as np
from metaworld import policies
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from metaworld.sawyer_xyz_env import SawyerXYZEnv
from numpy.typing import NDArray

from vljepa_ros.recipes.default_model.simulation.cameras import CameraDraw, View, near_side
from vljepa_ros.recipes.default_model.simulation.labels import Signals
from vljepa_ros.recipes.default_model.simulation.scenery import Place, Scenery, furnish
from vljepa_ros.recipes.default_model.simulation.sensors import MildSensor, WildSensor
from vljepa_ros.recipes.default_model.simulation.simulated_tasks import SimulatedTask

STEPS_PER_FRAME = 4  # control steps; 20 fps of simulated time, shown at 10 fps
MAX_WORK_STEPS = 240
TABLE = Place(table=(0.0, 0.6, 0.0), half=(0.7, 0.4), work=0.3, floor=-0.913)
_STEPS_PER_S = 10 * STEPS_PER_FRAME  # of the video


@dataclass
class Episode:
    """Frames (H, W, 3) uint8 RGB at 10 per second of video, and what the simulator knew."""

    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    rows: list[dict[str, object]] = field(default_factory=list)

    def signals(self) -> Signals:
        """Stack the rows into arrays."""
        return Signals(**{k: np.array([row[k] for row in self.rows]) for k in self.rows[0]})


class Simulator:
    """A Meta-World task with a camera of ours; reused for many episodes.

    Args:
        task: what the robot does.
        height: of the frames.
        width: of the frames.
        wide: give every episode a room, a robot's colour and a sensor of any kind; else the mild
            looks of the first model.
    """

    def __init__(
        self, task: SimulatedTask, height: int, width: int, *, wide: bool = False
    ) -> None:
        self.task, self.wide = task, wide
        self._size = (height, width)
        kind = ALL_V3_ENVIRONMENTS[f"{task.env}-v3"]
        env = (_furnished(kind) if wide else kind)()
        env._freeze_rand_vec = False
        env.seeded_rand_vec = True  # else the things' places come from NumPy's global draws
        env._set_task_called = True
        env._partially_observable = False  # the experts need the goal
        env.__dict__.pop("sawyer_observation_space", None)
        env.max_path_length = 10_000
        self.env = env
        self._policy = _expert(task.env)
        model = env.model
        model.vis.quality.offsamples = 0
        model.vis.global_.offheight = max(2 * height, 480)
        model.vis.global_.offwidth = max(2 * width, 640)
        self._colours = (model.mat_rgba.copy(), model.geom_rgba.copy())
        self._renderer = mujoco.Renderer(model, 2 * height, 2 * width)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = [1, 1, 1, 0, 0, 0]
        self._option.sitegroup[:] = 0
        self._hand_geoms = self._geoms_below("hand")
        self._object_geoms = self._geoms_below(self._object_body())
        self._joint = self._joint_address()
        self._scenery = self._room() if wide else None

    def run(self, seed: int, camera: CameraDraw = near_side, dwell_s: float = 0.0) -> Episode:
        """Play one episode; the same arguments give the same episode.

        Args:
            seed: of every draw.
            camera: draws the view.
            dwell_s: mean of each of the three extra waits in seconds of video; 0 is none.
        """
        rng = np.random.default_rng(seed)
        view = camera(rng)
        if self._scenery:
            self._scenery.draw(rng, self._renderer._mjr_context)
        else:
            self._tint(rng)
        self.env.seed(seed)
        self._observed, _ = self.env.reset(seed=seed)
        self._success = False
        sensor = (WildSensor if self._scenery else MildSensor).draw(rng)
        episode = Episode()
        image: NDArray[np.uint8] | None = None
        drawn_at = np.empty(0)
        steps = 0
        touched = grasped = False
        for action in self._actions(rng, _Dwell(rng, dwell_s)):
            self._observed, _, _, _, info = self.env.step(action)
            self._success = bool(info["success"])
            hits = self._contacts()
            touched, grasped = touched or hits[0], grasped or hits[1]
            steps += 1
            if steps % STEPS_PER_FRAME:
                continue
            pose = self.env.data.qpos.copy()
            if (
                image is None or np.abs(pose - drawn_at).max() > 2e-4
            ):  # a still scene looks the same
                image, drawn_at = self._render(view), pose
            episode.frames.append(sensor.apply(image, rng))
            episode.rows.append(self._measure(touched, grasped))
            touched = grasped = False
        return episode

    def close(self) -> None:
        """Free the renderer; OSMesa draws garbage when two contexts live in one process."""
        self._renderer.close()

    def _actions(self, rng: np.random.Generator, dwell: _Dwell) -> Iterator[NDArray[np.float64]]:
        """Yield control actions: wait, work with a pause, then hold, retreat or stop."""
        still = np.array([0.0, 0.0, 0.0, -1.0])
        for _ in range(STEPS_PER_FRAME * int(rng.integers(2, 14)) + dwell.steps()):
            yield still
        yield from self._work(rng, dwell)
        ending = rng.choice(["hold", "retreat", "stop"], p=[0.3, 0.5, 0.2])
        grip = 1.0 if self.env.data.ctrl[0] > 0 else -1.0
        if ending == "retreat":
            away = np.array([rng.uniform(-0.6, 0.6), -0.5, 0.8, -1.0])
            for _ in range(STEPS_PER_FRAME * 2):
                yield still  # let go first
            for _ in range(int(rng.integers(20, 40))):
                yield away
            grip = -1.0
        rest = np.array([0.0, 0.0, 0.0, grip])
        for _ in range(STEPS_PER_FRAME * int(rng.integers(4, 15)) + dwell.steps()):
            yield rest

    def _work(self, rng: np.random.Generator, dwell: _Dwell) -> Iterator[NDArray[np.float64]]:
        speed = rng.uniform(0.75 if self.task.tool else 0.55, 1.0)
        noise = rng.uniform(0.0, 0.04 if self.task.tool else 0.12)  # grasps are delicate
        miss = (
            rng.normal(0, 0.04, 2)
            if rng.random() < (0.06 if self.task.tool else 0.12)
            else np.zeros(2)
        )
        pause_at = int(rng.integers(10, 100)) if dwell.mean_s or rng.random() < 0.35 else -1
        pause_steps = STEPS_PER_FRAME * int(rng.integers(10, 40)) + dwell.steps()
        after = int(rng.integers(4, 16))
        succeeded = 0
        for i in range(MAX_WORK_STEPS):
            seen = self._observed.copy()
            seen[4:6] += miss
            action = np.clip(self._policy.get_action(seen), -1, 1)
            action[:3] = action[:3] * speed + rng.normal(0, noise, 3)
            yield action
            if i == pause_at:
                for _ in range(pause_steps):
                    yield np.array([0.0, 0.0, 0.0, action[3]])
            succeeded += self._success
            if succeeded > after:
                return

    def _measure(self, touched: bool, grasped: bool) -> dict[str, object]:
        data = self.env.data
        low, high = self.task.travel
        value = float(data.qpos[self._joint]) if self._joint >= 0 else low
        body = data.body(self.task.tool).xpos if self.task.tool else np.zeros(3)
        return {
            "hand": np.float32(self.env.tcp_center),
            "gripper": np.float32(self._opening()),
            "grasp": grasped,
            "touch": touched,
            "success": self._success,
            "tool": np.float32(body),
            "gap": np.float32(self._gap()),
            "progress": np.float32((value - low) / (high - low)),
        }

    def _opening(self) -> float:
        left, right = self.env.data.body("leftpad").xpos, self.env.data.body("rightpad").xpos
        return float(np.linalg.norm(left - right) / 0.1)

    def _gap(self) -> float:
        """Return the distance from the hand to the nearest part of what it works on."""
        parts = self.env.data.geom_xpos[sorted(self._object_geoms)]
        return float(np.linalg.norm(parts - self.env.tcp_center, axis=1).min())

    def _contacts(self) -> tuple[bool, bool]:
        """Return (hand touches the object, both pads touch it)."""
        model, data = self.env.model, self.env.data
        left, right = model.geom("leftpad_geom").id, model.geom("rightpad_geom").id
        pads = set()
        touch = False
        for geom1, geom2 in data.contact.geom:
            for ours, other in ((geom1, geom2), (geom2, geom1)):
                if other in self._object_geoms and ours in self._hand_geoms:
                    touch = True
                    pads.add(ours)
        return touch, left in pads and right in pads

    def _geoms_below(self, body: str) -> set[int]:
        model = self.env.model
        family = {model.body(body).id}
        for i in range(model.nbody):  # parents precede children
            if model.body_parentid[i] in family:
                family.add(i)
        return {g for g in range(model.ngeom) if model.geom_bodyid[g] in family}

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

    def _tint(self, rng: np.random.Generator) -> None:
        """Draw tints and light; objects keep their hue, the room may take any."""
        model = self.env.model
        model.mat_rgba[:], model.geom_rgba[:] = self._colours
        bare = np.flatnonzero(model.geom_matid < 0)  # a tinted geom would hide its material
        for colours, which in ((model.mat_rgba, slice(None)), (model.geom_rgba, bare)):
            tint = rng.uniform(0.75, 1.1, (len(colours), 1)) * rng.uniform(
                0.9, 1.05, (len(colours), 3)
            )
            colours[which, :3] *= tint[which]
        room = [
            i
            for i in range(model.nmat)
            if "wood" in model.mat(i).name or "floor" in model.mat(i).name
        ]
        model.mat_rgba[room, :3] *= rng.uniform(0.5, 1.3, (len(room), 3))
        model.vis.headlight.ambient[:] = rng.uniform(0.3, 0.55)
        model.vis.headlight.diffuse[:] = rng.uniform(0.35, 0.7)

    def _render(self, view: View) -> NDArray[np.uint8]:
        """Draw at twice the size and shrink: cheaper than multisampling, and free of its steps."""
        camera = mujoco.MjvCamera()
        view.aim(camera)
        self.env.model.vis.global_.fovy = view.fov
        self._renderer.update_scene(self.env.data, camera, self._option)
        view.roll_scene(self._renderer.scene)
        flags = self._renderer.scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        height, width = self._size
        return cv2.resize(self._renderer.render(), (width, height), interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class _Dwell:
    """Waits that episodes of a slower pace have; draws nothing if there are none."""

    rng: np.random.Generator
    mean_s: float

    def steps(self) -> int:
        """Return how long the next wait is, in control steps."""
        return int(self.rng.exponential(self.mean_s) * _STEPS_PER_S) if self.mean_s else 0


def _furnished(kind: type[SawyerXYZEnv]) -> type[SawyerXYZEnv]:
    """Return the environment with a scene that a :class:`Scenery` can change."""

    class Furnished(kind):  # type: ignore[misc, valid-type]
        def _initialize_simulation(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
            spec = mujoco.MjSpec.from_file(self.fullpath)
            furnish(spec)
            model = spec.compile()
            model.vis.global_.offwidth = max(model.vis.global_.offwidth, self.width)
            model.vis.global_.offheight = max(model.vis.global_.offheight, self.height)
            return model, mujoco.MjData(model)

    return Furnished


def _expert(env: str) -> policies.policy.Policy:
    name = "".join(word.capitalize() for word in env.split("-"))
    name = name.replace("PegInsertSide", "PegInsertionSide")
    return getattr(policies, f"Sawyer{name}V3Policy")()
