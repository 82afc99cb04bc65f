# SPDX-License-Identifier: Apache-2.0
"""Cameras that look at the work area, drawn at random.

Azimuths are MuJoCo's: at 0 a camera looks along +x, at 90 along +y. A Meta-World robot stands at
the origin and works at y = 0.64 m, so -90 faces the robot, and 90 would look over its head.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np

WORK_AREA = (0.0, 0.64, 0.14)
"""What Meta-World's cameras look at, metres."""

_FOV = 45.0  # degrees, vertical: MuJoCo's own


@dataclass(frozen=True)
class View:
    """A camera: angles in degrees, distances in metres.

    Attributes:
        azimuth: direction of the look, see the module.
        elevation: negative looks down.
        distance: to ``lookat``.
        lookat: the point in the middle of the picture.
        roll: rotation about the line of sight.
        fov: vertical field of view.
    """

    azimuth: float
    elevation: float
    distance: float
    lookat: tuple[float, float, float]
    roll: float = 0.0
    fov: float = _FOV

    def aim(self, camera: mujoco.MjvCamera) -> None:
        """Set a free camera to this view; see :meth:`roll_scene` for the roll."""
        camera.azimuth, camera.elevation = self.azimuth, self.elevation
        camera.distance, camera.lookat[:] = self.distance, self.lookat

    def roll_scene(self, scene: mujoco.MjvScene) -> None:
        """Roll the cameras of an updated scene: a free camera has no roll of its own."""
        if not self.roll:
            return
        angle = math.radians(self.roll)
        for camera in scene.camera:
            side = np.cross(camera.forward, camera.up)
            camera.up[:] = math.cos(angle) * camera.up + math.sin(angle) * side


CameraDraw = Callable[[np.random.Generator], View]


def near_side(rng: np.random.Generator) -> View:
    """Draw a camera left or right of the table, as the first model was trained with."""
    return _level(rng, rng.uniform(-48, 25))


def near_front(rng: np.random.Generator) -> View:
    """Draw a camera that faces the robot more than :func:`near_side` does."""
    return _level(rng, rng.uniform(-70, -52))


def over_shoulder(rng: np.random.Generator) -> View:
    """Draw a camera that looks past the robot's base; :func:`all_round` never does."""
    return _level(rng, rng.uniform(48, 65))


def _level(rng: np.random.Generator, azimuth: float) -> View:
    return View(
        azimuth=azimuth if rng.random() < 0.5 else 180 - azimuth,
        elevation=rng.uniform(-45, -20),
        distance=rng.uniform(0.85, 1.1),
        lookat=(
            WORK_AREA[0] + rng.normal(0, 0.03),
            WORK_AREA[1] + rng.normal(0, 0.03),
            rng.uniform(0.1, 0.18),
        ),
    )


def all_round(rng: np.random.Generator) -> View:
    """Draw a camera anywhere round the free side, near or far, high or low, a little rolled."""
    azimuth = rng.uniform(-90, 35)
    fov = rng.uniform(32, 62)
    seen = math.exp(rng.uniform(math.log(0.6), math.log(1.25)))  # m of the scene, top to bottom
    return View(
        azimuth=azimuth if rng.random() < 0.5 else 180 - azimuth,
        elevation=rng.uniform(-62, -10),
        distance=max(0.65, seen / (2 * math.tan(math.radians(fov / 2)))),
        lookat=(
            WORK_AREA[0] + rng.normal(0, 0.05),
            WORK_AREA[1] + rng.normal(0, 0.05),
            rng.uniform(0.06, 0.2),
        ),
        roll=rng.normal(0, 4) if rng.random() < 0.5 else 0.0,
        fov=fov,
    )
