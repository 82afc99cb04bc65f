# SPDX-License-Identifier: Apache-2.0
"""The robosuite tasks of the default model: what each shows, and which arms play it."""

from __future__ import annotations

from itertools import product

from vljepa_ros.recipes.default_model.simulation.simulated_tasks import SimulatedTask

ARMS = ("Panda", "UR5e", "IIWA", "Kinova3", "Sawyer")

SCENES: tuple[SimulatedTask, ...] = (
    SimulatedTask(
        "Lift",
        "picking up the cube",
        "the cube",
        tool="cube_main",
        tool_name="the cube",
        place="the table",
    ),
    SimulatedTask(
        "Stack",
        "putting the red cube on the green cube",
        "the red cube",
        tool="cubeA_main",
        tool_name="the red cube",
        place="the green cube",
        placed="the red cube is on the green cube",
    ),
)
"""``env`` is robosuite's name of the scene."""

ARM_SCENES = tuple(product(ARMS, SCENES))
"""A pair's place in here is part of its episodes' seeds."""

ROBOSUITE_TASKS = {
    f"robosuite-{scene.env.lower()}-{arm.lower()}": scene for arm, scene in ARM_SCENES
}
"""The scenes by the names of their episodes, in the order of :data:`ARM_SCENES`."""
