# SPDX-License-Identifier: Apache-2.0
"""Fewer triangles for meshes that are only seen: triangles are most of a small picture's cost.

Vertices of one cell of a grid become one, and triangles that this makes flat are left out.
"""

from __future__ import annotations

import mujoco
import numpy as np

CELL_M = 0.006  # about a pixel of a frame
FEW = 200  # triangles; a mesh with no more is left as it is


def coarsen_meshes(model: mujoco.MjModel) -> None:
    """Thin out the meshes that nothing can touch; call it before a renderer reads the model."""
    is_mesh = model.geom_type == mujoco.mjtGeom.mjGEOM_MESH
    touchable = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
    solid = set(model.geom_dataid[is_mesh & touchable])
    for mesh in range(model.nmesh):
        if mesh not in solid and model.mesh_facenum[mesh] > FEW:
            _coarsen(model, mesh)


def _coarsen(model: mujoco.MjModel, mesh: int) -> None:
    start, count = int(model.mesh_vertadr[mesh]), int(model.mesh_vertnum[mesh])
    cells = np.floor(model.mesh_vert[start : start + count] / CELL_M).astype(np.int64)
    _, first, cell = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    start, count = int(model.mesh_faceadr[mesh]), int(model.mesh_facenum[mesh])
    corners = first[cell.ravel()][model.mesh_face[start : start + count]]
    whole = np.flatnonzero((corners != np.roll(corners, 1, axis=1)).all(1))
    kept = slice(start, start + len(whole))
    for rows in (model.mesh_facenormal, model.mesh_facetexcoord):
        rows[kept] = rows[start + whole]
    model.mesh_face[kept] = corners[whole]
    model.mesh_facenum[mesh] = len(whole)
