# SPDX-License-Identifier: Apache-2.0
"""The room round a simulated robot: textures, walls, things that lie about, light, colours.

``furnish`` adds to a scene's description what MuJoCo cannot add later; ``Scenery`` then gives
each episode a room of its own. Nothing added can be touched: the physics stay as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import mujoco
import numpy as np
from numpy.typing import NDArray

CLUTTER = 7
_PIXELS = 128  # of a texture's side
_SURFACES = ("floor", "table", "wall", "thing")
_WALLS = 4
_CLUTTER_SHAPES = (
    mujoco.mjtGeom.mjGEOM_BOX,
    mujoco.mjtGeom.mjGEOM_CYLINDER,
    mujoco.mjtGeom.mjGEOM_ELLIPSOID,
    mujoco.mjtGeom.mjGEOM_CAPSULE,
)


def furnish(spec: mujoco.MjSpec) -> None:
    """Add textures, four walls and clutter, out of sight until a :class:`Scenery` shows them."""
    for surface in _SURFACES:
        spec.add_texture(
            name=_name(surface),
            type=mujoco.mjtTexture.mjTEXTURE_2D,
            builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
            width=_PIXELS,
            height=_PIXELS,
            nchannel=3,
        )
        material = spec.add_material(name=_name(surface), texrepeat=[1, 1])
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = _name(surface)
    for number in range(_WALLS):
        _add_geom(spec, f"wall{number}", "wall")
    for number in range(CLUTTER):
        _add_geom(spec, f"clutter{number}", "thing" if number % 3 == 0 else "")


def _add_geom(spec: mujoco.MjSpec, name: str, surface: str) -> None:
    spec.worldbody.add_geom(
        name=_name(name),
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[0.01, 0.01, 0.01],
        pos=[0, 0, -5],
        contype=0,
        conaffinity=0,
        group=1,
        **({"material": _name(surface)} if surface else {}),
    )


def _name(thing: str) -> str:
    return f"scenery_{thing}"


@dataclass(frozen=True)
class TableTop:
    """Where a scene's table stands.

    Attributes:
        top: centre of its top, metres.
        half: half its length along x and y, metres.
        work: half the extent of the area round ``top`` that stays free, along ``side``, metres.
        floor: height of the floor, metres.
        side: the axis across the robot's line of sight: 0 is x, 1 is y.
    """

    top: tuple[float, float, float]
    half: tuple[float, float]
    work: float
    floor: float
    side: int = 0


class Scenery:
    """Gives a furnished model a new room for each episode."""

    def __init__(
        self,
        model: mujoco.MjModel,
        table: TableTop,
        surfaces: Mapping[str, Sequence[int]],
        robot: Sequence[int],
    ) -> None:
        """Remember how the model looks.

        Args:
            model: a furnished model.
            table: where its table stands.
            surfaces: the geoms of "floor" and "table".
            robot: the geoms of the arm, which may take any colour.
        """
        self._model, self._table, self._robot = model, table, list(robot)
        self._surfaces = surfaces
        self._first = {
            name: getattr(model, name).copy()
            for name in ("mat_rgba", "geom_rgba", "geom_matid", "light_pos", "light_dir")
        }

    def draw(self, rng: np.random.Generator, context: mujoco.MjrContext) -> None:
        """Change the model to a new room and send its textures to the renderer's context."""
        for name, values in self._first.items():
            getattr(self._model, name)[:] = values
        tint_things(self._model, rng, brightness=(0.6, 1.3), hue=(0.8, 1.15))
        for colours in (self._model.mat_rgba, self._model.geom_rgba):
            np.clip(colours, 0, 1, out=colours)
        self._paint_robot(rng)
        for surface in _SURFACES:
            self._paper(surface, rng, context)
        self._raise_walls(rng)
        self._scatter(rng)
        self._light(rng)

    def _paint_robot(self, rng: np.random.Generator) -> None:
        if rng.random() < 0.4:
            return
        base = _paint(rng)
        other = _paint(rng) if rng.random() < 0.5 else base
        for geom in self._robot:
            colour = base if rng.random() < 0.7 else other
            self._model.geom_matid[geom] = -1
            self._model.geom_rgba[geom, :3] = colour * rng.uniform(0.85, 1.0)

    def _paper(self, surface: str, rng: np.random.Generator, context: mujoco.MjrContext) -> None:
        """Draw a surface's texture, and cover the surface with it three times out of four."""
        model = self._model
        texture, material = model.texture(_name(surface)), model.material(_name(surface))
        start = int(texture.adr[0])
        model.tex_data[start : start + _PIXELS * _PIXELS * 3] = draw_texture(rng, _PIXELS).ravel()
        mujoco.mjr_uploadTexture(model, context, texture.id)
        model.mat_texrepeat[material.id] = rng.uniform(1, 6)
        model.mat_rgba[material.id] = 1.0
        if rng.random() < 0.75:
            model.geom_matid[list(self._surfaces.get(surface, ()))] = material.id

    def _raise_walls(self, rng: np.random.Generator) -> None:
        """Put up a room's walls on some of the four sides."""
        x, y, _ = self._table.top
        for number in range(_WALLS):
            geom = self._model.geom(_name(f"wall{number}"))
            away = rng.uniform(1.7, 3.5)
            along_x, sign = number < 2, 1 if number % 2 else -1
            geom.size[:] = (0.02, 4.0, 2.0) if along_x else (4.0, 0.02, 2.0)
            shown = self._table.floor + 2.0 if rng.random() < 0.8 else -50.0
            geom.pos[:] = (x + sign * away, y, shown) if along_x else (x, y + sign * away, shown)

    def _scatter(self, rng: np.random.Generator) -> None:
        """Put some things beside the work area, and hide the others."""
        shown = int(rng.integers(0, CLUTTER + 1))
        for number in range(CLUTTER):
            geom = self._model.geom(_name(f"clutter{number}"))
            size = rng.uniform(0.015, 0.06, 3)
            self._model.geom_type[geom.id] = int(rng.choice(_CLUTTER_SHAPES))
            geom.size[:] = size
            geom.rgba[:] = (*rng.uniform(0.05, 1.0, 3), 1.0)
            spot = self._beside_work(rng) + np.append((0.0, 0.0), size[2])
            geom.pos[:] = spot if number < shown else (0, 0, -50)
            turn = rng.uniform(0, np.pi)
            geom.quat[:] = (np.cos(turn), 0, 0, np.sin(turn))

    def _beside_work(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw a point of the table on one of the two sides that the robot leaves free."""
        table, spot = self._table, np.array(self._table.top)
        along = rng.uniform(table.work, table.half[table.side] - 0.03)
        spot[table.side] += along * rng.choice((-1, 1))
        spot[1 - table.side] += rng.uniform(-1, 1) * (table.half[1 - table.side] - 0.03)
        return spot

    def _light(self, rng: np.random.Generator) -> None:
        model = self._model
        warmth = np.array([1, 1, 1]) + rng.uniform(-0.15, 0.15) * np.array([1, 0.2, -1])
        model.vis.headlight.ambient[:] = rng.uniform(0.22, 0.5) * warmth
        model.vis.headlight.diffuse[:] = rng.uniform(0.1, 0.6) * warmth
        model.light_diffuse[:] = rng.uniform(0.0, 0.55, (model.nlight, 1)) * warmth
        model.light_dir[:] += rng.normal(0, 0.4, model.light_dir.shape)
        model.light_dir[:] /= np.linalg.norm(model.light_dir, axis=1, keepdims=True) + 1e-9
        model.light_pos[:] += rng.normal(0, 0.3, model.light_pos.shape)


def tint_things(
    model: mujoco.MjModel,
    rng: np.random.Generator,
    brightness: tuple[float, float],
    hue: tuple[float, float],
) -> None:
    """Shift every colour a little.

    Args:
        model: its colours change, and may leave the range from 0 to 1.
        rng: of the draws.
        brightness: range of the factor of all three channels of a colour.
        hue: range of the factor of each channel.
    """
    bare = np.flatnonzero(model.geom_matid < 0)  # a tinted geom would hide its material
    for colours, which in ((model.mat_rgba, slice(None)), (model.geom_rgba, bare)):
        count = len(colours)
        tint = rng.uniform(*brightness, (count, 1)) * rng.uniform(*hue, (count, 3))
        colours[which, :3] *= tint[which]


def _paint(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the colour of a robot: white, grey, black, or any."""
    if rng.random() < 0.6:
        return np.full(3, rng.choice([0.12, 0.35, 0.65, 0.95])) * rng.uniform(0.9, 1.0, 3)
    return rng.uniform(0.05, 1.0, 3)


def draw_texture(rng: np.random.Generator, pixels: int) -> NDArray[np.uint8]:
    """Return a surface (pixels, pixels, 3): plain, grained, cloudy, striped or chequered."""
    first, second = rng.uniform(20, 245, (2, 3))
    kind = rng.choice(["plain", "cloud", "grain", "stripes", "tiles"])
    y, x = np.mgrid[:pixels, :pixels] / pixels
    if kind == "plain":
        mix = np.zeros((pixels, pixels))
    elif kind == "cloud":
        mix = np.mean([_noise(rng, pixels, n, n) for n in (4, 4, 9, 24)], 0)
    elif kind == "grain":
        mix = 0.7 * _noise(rng, pixels, 4, 48) + 0.3 * _noise(rng, pixels, 16, 64)
    elif kind == "stripes":
        mix = (np.sin(2 * np.pi * (x * rng.integers(1, 7) + y * rng.integers(0, 7))) > 0) * 1.0
    else:
        count = rng.integers(2, 9)
        mix = (np.floor(x * count) + np.floor(y * count)) % 2
    if rng.random() < 0.6:  # shades of one colour are more common than two colours
        second = first * rng.uniform(0.5, 1.3)
    colours = first + np.clip(mix, 0, 1)[..., None] * (second - first)
    return np.clip(colours + rng.normal(0, rng.uniform(0, 12), colours.shape), 0, 255).astype(
        np.uint8
    )


def _noise(rng: np.random.Generator, pixels: int, rows: int, columns: int) -> NDArray[np.float64]:
    """Return smooth noise between 0 and 1 with so many bumps each way."""
    coarse = rng.random((rows, columns))
    return np.asarray(cv2.resize(coarse, (pixels, pixels), interpolation=cv2.INTER_CUBIC))
