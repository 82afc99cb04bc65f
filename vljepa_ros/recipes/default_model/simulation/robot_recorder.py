# SPDX-License-Identifier: Apache-2.0
"""One randomised episode of a scripted robot, as video frames and simulator signals.

Every draw comes from the episode's own seed, so an episode can be made again and no two tasks
share cameras or colours. Episodes wait, pause, miss and stop as robots do: 35 % have a pause of
1 to 4 s in the middle, some scripts aim beside the object. If a dwell is asked for, the arm
also waits before, once during and after its work, each time as long as an exponential draw says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat

import cv2
import mujoco
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recipes.default_model.episodes import FRAME_RATE_HZ
from vljepa_ros.recipes.default_model.simulation.cameras import CameraDraw, View, near_side
from vljepa_ros.recipes.default_model.simulation.labels import Signals
from vljepa_ros.recipes.default_model.simulation.scenery import Scenery
from vljepa_ros.recipes.default_model.simulation.sensors import MildSensor, WildSensor
from vljepa_ros.recipes.default_model.simulation.simulated_tasks import SimulatedTask

_STILL = 2e-4  # rad or m; a scene that moved less looks the same
_SCREEN = (480, 640)  # the smallest off-screen buffer
Action = NDArray[np.float64]
"""Movement of the hand along x, y, z and the gripper (-1 open, 1 closed), each -1 to 1."""


@dataclass
class Episode:
    """Frames (H, W, 3) uint8 RGB, and what the simulator knew.

    The video has 10 frames a second and shows 20 a second of simulated time.
    """

    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    rows: list[dict[str, object]] = field(default_factory=list)

    def signals(self) -> Signals:
        """Stack the rows into arrays."""
        return Signals(**{k: np.array([row[k] for row in self.rows]) for k in self.rows[0]})


@dataclass(frozen=True)
class Dwell:
    """Waits that episodes of a slower pace have; draws nothing if there are none.

    Attributes:
        rng: of the draws.
        mean_s: mean wait in seconds of video, or 0.
        steps_per_frame: control steps of one frame.
    """

    rng: np.random.Generator
    mean_s: float
    steps_per_frame: int

    def steps(self) -> int:
        """Return how long the next wait is, in control steps."""
        if not self.mean_s:
            return 0
        return int(self.rng.exponential(self.mean_s) * (FRAME_RATE_HZ * self.steps_per_frame))


@dataclass(frozen=True)
class Pause:
    """A stop in the middle of the work.

    Attributes:
        step: number of the control step that it follows; -1 is never.
        length: in control steps.
    """

    step: int
    length: int

    @staticmethod
    def draw(rng: np.random.Generator, dwell: Dwell, first: int, end: int) -> Pause:
        """Draw a pause after a step from ``first`` to before ``end``; most episodes have none."""
        paused = dwell.mean_s or rng.random() < 0.35
        step = int(rng.integers(first, end)) if paused else -1
        return Pause(step, dwell.steps_per_frame * int(rng.integers(10, 40)) + dwell.steps())

    def after(self, step: int, grip: float) -> Iterator[Action]:
        """Yield the actions of the pause if it follows this control step."""
        if step == self.step:
            yield from still(self.length, grip)


def still(steps: int, grip: float) -> Iterator[Action]:
    """Yield so many actions that keep the hand in its place."""
    return repeat(np.array([0.0, 0.0, 0.0, grip]), steps)


@dataclass(frozen=True)
class Parts:
    """What is measured in a scene.

    Attributes:
        hand: geoms of the whole hand.
        pads: geoms of the left and of the right finger's pad.
        object: geoms of what the hand works on.
        joint: address of the jointed part's position, or -1 if there is none.
    """

    hand: set[int]
    pads: tuple[set[int], set[int]]
    object: set[int]
    joint: int


class RobotRecorder(ABC):
    """Plays a scripted robot before a camera of ours; reused for many episodes.

    Attributes:
        task: what the robot does.
        steps_per_frame: control steps of one frame.
    """

    steps_per_frame: int
    _parts: Parts

    def __init__(
        self,
        task: SimulatedTask,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        size: tuple[int, int],
    ) -> None:
        """Take a simulated scene, and the size of its frames (height, width)."""
        self.task = task
        self._model, self._data = model, data
        self._size = height, width = size
        model.vis.quality.offsamples = 0
        model.vis.global_.offheight = max(2 * height, _SCREEN[0])
        model.vis.global_.offwidth = max(2 * width, _SCREEN[1])
        self._renderer = mujoco.Renderer(model, 2 * height, 2 * width)
        self._option = mujoco.MjvOption()
        self._option.sitegroup[:] = 0
        self._scenery: Scenery | None = None
        self._success = False

    def run(self, seed: int, camera: CameraDraw = near_side, dwell_s: float = 0.0) -> Episode:
        """Play one episode; the same arguments give the same episode.

        Args:
            seed: of every draw.
            camera: draws the view.
            dwell_s: mean of each of the three extra waits in seconds of video; 0 is none.
        """
        rng = np.random.default_rng(seed)
        view = self._at_table(camera(rng))
        self._draw_looks(rng)
        self._reset(seed)
        sensor = (WildSensor if self._scenery else MildSensor).draw(rng)
        episode = Episode()
        image: NDArray[np.uint8] | None = None
        drawn_at = np.empty(0)
        steps = 0
        touched = grasped = False
        for action in self._actions(rng, Dwell(rng, dwell_s, self.steps_per_frame)):
            self._step(action)
            hits = self._contacts()
            touched, grasped = touched or hits[0], grasped or hits[1]
            steps += 1
            if steps % self.steps_per_frame:
                continue
            pose = self._data.qpos.copy()
            if image is None or np.abs(pose - drawn_at).max() > _STILL:
                image, drawn_at = self._render(view), pose
            episode.frames.append(sensor.apply(image, rng))
            episode.rows.append(self._measure(touched, grasped))
            touched = grasped = False
        return episode

    def close(self) -> None:
        """Free the renderer; OSMesa draws garbage if two contexts live in one process."""
        self._renderer.close()

    @abstractmethod
    def _reset(self, seed: int) -> None:
        """Put everything where the seed says."""

    @abstractmethod
    def _step(self, action: Action) -> None:
        """Move the robot for one control step."""

    @abstractmethod
    def _work(self, rng: np.random.Generator, dwell: Dwell) -> Iterator[Action]:
        """Yield the actions of the work, with a pause in some episodes."""

    @abstractmethod
    def _hand(self) -> NDArray[np.float64]:
        """Return the point between the fingers."""

    @abstractmethod
    def _grip(self) -> float:
        """Return the gripper's last command: 1 closed, -1 open."""

    def _at_table(self, view: View) -> View:
        """Return a camera of Meta-World's table at this scene's table."""
        return view

    def _draw_looks(self, rng: np.random.Generator) -> None:
        """Draw the room's looks."""
        if self._scenery:
            self._scenery.draw(rng, self._renderer._mjr_context)

    def _actions(self, rng: np.random.Generator, dwell: Dwell) -> Iterator[Action]:
        """Yield control actions: wait, work with a pause, then hold, retreat or stop."""
        per_frame = self.steps_per_frame
        yield from still(per_frame * int(rng.integers(2, 14)) + dwell.steps(), -1.0)
        yield from self._work(rng, dwell)
        ending = rng.choice(["hold", "retreat", "stop"], p=[0.3, 0.5, 0.2])
        grip = self._grip()
        if ending == "retreat":
            away = self._withdrawal(rng)
            yield from still(per_frame * 2, -1.0)  # let go first
            yield from repeat(away, int(rng.integers(20, 40)) * per_frame // 4)
            grip = -1.0
        yield from still(per_frame * int(rng.integers(4, 15)) + dwell.steps(), grip)

    @abstractmethod
    def _withdrawal(self, rng: np.random.Generator) -> Action:
        """Draw the action that takes the open hand back from the work."""

    def _contacts(self) -> tuple[bool, bool]:
        """Return (hand touches the object, both fingers touch it)."""
        touching = set()
        for geom1, geom2 in self._data.contact.geom:
            for ours, other in ((geom1, geom2), (geom2, geom1)):
                if other in self._parts.object and ours in self._parts.hand:
                    touching.add(ours)
        left, right = self._parts.pads
        return bool(touching), bool(touching & left) and bool(touching & right)

    def _measure(self, touched: bool, grasped: bool) -> dict[str, object]:
        """Return the signals of a frame by name; see :class:`Signals`."""
        data, parts = self._data, self._parts
        low, high = self.task.travel
        value = float(data.qpos[parts.joint]) if parts.joint >= 0 else low
        left, right = (data.geom_xpos[sorted(pads)].mean(0) for pads in parts.pads)
        away = np.linalg.norm(data.geom_xpos[sorted(parts.object)] - self._hand(), axis=1)
        return {
            "hand": np.float32(self._hand()),
            "gripper": np.float32(np.linalg.norm(left - right) / 0.1),
            "grasp": grasped,
            "touch": touched,
            "success": self._success,
            "tool": np.float32(data.body(self.task.tool).xpos if self.task.tool else np.zeros(3)),
            "gap": np.float32(away.min()),
            "progress": np.float32((value - low) / (high - low)),
        }

    def _geoms_below(self, body: str) -> set[int]:
        model = self._model
        family = {model.body(body).id}
        for i in range(model.nbody):  # parents precede children
            if model.body_parentid[i] in family:
                family.add(i)
        return {g for g in range(model.ngeom) if model.geom_bodyid[g] in family}

    def _render(self, view: View) -> NDArray[np.uint8]:
        """Draw at twice the size and shrink: cheaper than multisampling, and free of its steps."""
        camera = mujoco.MjvCamera()
        view.aim(camera)
        self._model.vis.global_.fovy = view.fov
        self._renderer.update_scene(self._data, camera, self._option)
        view.roll_scene(self._renderer.scene)
        flags = self._renderer.scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        height, width = self._size
        return cv2.resize(self._renderer.render(), (width, height), interpolation=cv2.INTER_AREA)
