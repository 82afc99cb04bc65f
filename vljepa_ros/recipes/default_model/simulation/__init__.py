# SPDX-License-Identifier: Apache-2.0
"""Simulated robot video with exact labels: tasks, episodes, labels and their sentences."""

import os

os.environ.setdefault("MUJOCO_GL", "osmesa")  # before MuJoCo is imported: draw without a display
