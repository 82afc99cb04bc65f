# SPDX-License-Identifier: Apache-2.0
"""Tensors of a file become parameters of a module: all of them, none left over, none misshapen.

A layout is a :data:`Plan`. It names, for each parameter, the tensors that it is made of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from vljepa_ros.fields import FieldError, FieldReader

_SHOWN = 20


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the text names the file and lists all that is wrong."""


@dataclass(frozen=True)
class Part:
    """A tensor of a file.

    Attributes:
        rows: the order in which its rows are taken; None leaves them as they are.
    """

    name: str
    shape: tuple[int, ...]
    rows: Tensor | None = None

    def taken_from(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the tensor, its rows in order."""
        tensor = tensors[self.name]
        return tensor if self.rows is None else tensor[self.rows]


Plan = Mapping[str, Sequence[Part]]
"""Name of a parameter: the tensors that lie in it one below the other."""


def same_names(module: nn.Module, prefix: str = "") -> dict[str, list[Part]]:
    """Return the plan of a file that has the module's own names, each after ``prefix``."""
    return {
        name: [Part(prefix + name, tuple(value.shape))]
        for name, value in module.state_dict().items()
    }


def model_prefix(tensors: Iterable[str]) -> str:
    """Return what stands before all names if a model was saved as a part of a larger one."""
    return "model." if any(name.startswith("model.") for name in tensors) else ""


def fill(
    module: nn.Module,
    plan: Plan,
    tensors: Mapping[str, Tensor],
    source: Path | str,
    ignored: Iterable[str] = (),
) -> None:
    """Put ``tensors`` in the place of the module's parameters, as float32.

    Parameters that the plan does not name stay as they are.

    Args:
        module: what gets the weights.
        plan: the tensors of each parameter.
        tensors: by their names in the file.
        source: the file, for the text of an error.
        ignored: beginnings of names that are known and not needed.

    Raises:
        CheckpointError: tensors are missing, unexpected, have another shape, or cannot be float32.
    """
    parts = {part.name: part for group in plan.values() for part in group}
    known = tuple(ignored)
    unexpected = [name for name in tensors if name not in parts and not name.startswith(known)]
    check({part.name: part.shape for part in parts.values()}, tensors, unexpected, source)
    shapes = {name: value.shape for name, value in module.state_dict().items()}
    values = {}
    for name, group in plan.items():
        try:
            joined = [part.taken_from(tensors).to(torch.float32) for part in group]
            whole = joined[0] if len(joined) == 1 else torch.cat(joined)
            values[name] = whole.reshape(shapes[name]).contiguous()
        except (RuntimeError, TypeError) as error:  # packed types; views of more than is there
            raise CheckpointError(f"{source}: {name} cannot be float32 ({error})") from error
    module.load_state_dict(values, strict=False, assign=True)


def split_parts(plan: Plan, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a layout that takes rows in our order; :func:`fill` backwards."""
    tensors: dict[str, Tensor] = {}
    for name, group in plan.items():
        pieces = values[name].split([part.shape[0] for part in group])
        tensors |= {part.name: piece for part, piece in zip(group, pieces, strict=True)}
    return tensors


def check(
    wanted: Mapping[str, tuple[int, ...]],
    found: Mapping[str, Tensor],
    unexpected: Sequence[str],
    source: Path | str,
) -> None:
    """Raise one CheckpointError for all tensors that are missing, unexpected or misshapen."""
    wrong = [f"missing: {name}" for name in wanted if name not in found]
    wrong += [f"unexpected: {name}" for name in unexpected]
    wrong += [
        f"shape {tuple(found[name].shape)} instead of {shape}: {name}"
        for name, shape in wanted.items()
        if name in found and tuple(found[name].shape) != tuple(shape)
    ]
    if wrong:
        more = [f"... and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        lines = "\n  ".join(wrong[:_SHOWN] + more)
        raise CheckpointError(f"{source} does not fit, {len(wrong)} tensors are wrong:\n  {lines}")


def read_transformers(folder: Path) -> dict[str, Tensor]:
    """Map the tensors of a transformers directory.

    Raises:
        CheckpointError: there are none, or a file is damaged.
    """
    files = (read_safetensors(path) for path in transformers_files(folder))
    return {name: value for file in files for name, value in file.items()}


def transformers_files(folder: Path) -> list[Path]:
    """Return the safetensors file of a transformers directory, or all that it is divided into.

    Raises:
        CheckpointError: their index is damaged.
    """
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return [folder / "model.safetensors"]
    try:
        names = set(FieldReader(read_json(index)).texts("weight_map").values())
    except FieldError as error:
        raise CheckpointError(f"{index}: {error}; download it again") from error
    if strange := [name for name in names if Path(name).name != name]:
        raise CheckpointError(f"{index} names files that are not beside it: {strange[0]!r}")
    return [folder / name for name in sorted(names)]


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Map the tensors of one safetensors file; memory is taken when they are used.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    with open_safetensors(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@contextmanager
def open_safetensors(path: Path) -> Iterator[Any]:
    """Open a safetensors file.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing; is the download complete?") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); download it again") from error


def read_torch(path: Path) -> dict[str, Any]:
    """Map what ``torch.save`` wrote, tensors and plain values only: nothing in it is executed.

    Raises:
        CheckpointError: the file is missing, damaged, or needs pickle.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing") from error
    except UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds Python objects besides tensors, and reading those could execute code: "
            "save its tensors alone, on a machine where you trust it"
        ) from error
    except Exception as error:  # a damaged pickle ends in almost any of Python's errors
        cause = str(error) or type(error).__name__
        raise CheckpointError(f"{path} is damaged or no file of torch.save: {cause}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no dictionary but {type(content).__name__}")
    return content


def named_tensors(content: object, source: Path | str) -> dict[str, Tensor]:
    """Return a part of a file that must be tensors by name.

    Raises:
        CheckpointError: it is something else.
    """
    pairs = content.items() if isinstance(content, Mapping) else [(None, content)]
    found = {}
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, Tensor):
            what = type(value).__name__
            raise CheckpointError(f"{source} holds {what} {str(name)[:64]!r} instead of a tensor")
        found[name] = value
    return found


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        CheckpointError: it is missing, cannot be read or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing; is the download complete?") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is no JSON ({error}); download it again") from error
