# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: a file is there whole or not at all, and reading it runs no code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from vljepa_ros.files import new_file
from vljepa_ros.training.stage import Stage


class ResumeError(ValueError):
    """A checkpoint cannot be continued from."""


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint beside the old one and put it in its place.

    Raises:
        OSError: it cannot be written; an older one stays.
    """
    with new_file(path) as stream:
        try:
            torch.save(state, stream)
        except RuntimeError as error:  # torch hides why a file cannot be written
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def read_checkpoint(path: Path, stage: Stage, weights: set[str]) -> dict[str, Any] | None:
    """Return the checkpoint of a stage, or None if there is none yet.

    Raises:
        ResumeError: it is of another stage or another model.
    """
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    here = stage.to_dict()
    if changed := [name for name, value in state["stage"].items() if here.get(name) != value]:
        raise ResumeError(
            f"{path} was made with {changed[0]} {state['stage'][changed[0]]!r}, and the stage now "
            f"has {here.get(changed[0])!r}: restore that, or train into another folder"
        )
    if different := sorted(set(state["weights"]) ^ weights):
        raise ResumeError(
            f"{path} is of another model: {different[0]} is only in one of them. "
            "Train into another folder"
        )
    return state
