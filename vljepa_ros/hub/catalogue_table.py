# SPDX-License-Identifier: Apache-2.0
"""The catalogue as a table: what an entry costs, and what it may be used for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vljepa_ros.hub.catalogue import PublicModel
from vljepa_ros.hub.costs import DEVICES, DIMENSIONS, FRAMES, ModelCost, cost_of
from vljepa_ros.hub.disk_space import gigabytes
from vljepa_ros.hub.fetch_error import FetchError

_NOTES = (
    f"Columns of devices: clips of {FRAMES} frames per second, if nothing else runs.",
    "Memory: weights of the graphs that see, in half precision.",
    "Both are computed, from the dimensions and from what such a device reaches in matrix",
    "products. Nothing in this table was measured (docs/fetch.md).",
    "A download of unknown size is asked for before it begins.",
)


def table(models: Iterable[PublicModel]) -> Iterator[str]:
    """Yield the lines of the table, and of what its names mean.

    Raises:
        FetchError: an entry names dimensions that are not known.
    """
    models = list(models)
    rows = [("NAME", "DOWNLOAD", "MEMORY", *DEVICES), *map(_row, models)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield from (_line(row, widths) for row in rows)
    yield from _NOTES
    for model in models:
        yield ""
        yield from about(model)
        yield from (f"  {name}: {terms}" for name, terms in model.licences.items())


def about(model: PublicModel) -> Iterator[str]:
    """Yield what an entry is, and how good."""
    yield f"{model.name}: {model.about}"
    if model.quality:
        yield f"  {model.quality}"


def figures(model: PublicModel) -> str:
    """Return what an entry costs, on one line.

    Raises:
        FetchError: it names dimensions that are not known.
    """
    cost = _cost(model)
    rates = (f"{device} {cost.rate_hz(speed):.2g}" for device, speed in DEVICES.items())
    computed = f"{cost.weights_gb:.1f} GB of weights; clips/s: {', '.join(rates)}"
    return f"  download {_size(model.bytes)}; computed, not measured: {computed}"


def _row(model: PublicModel) -> tuple[str, ...]:
    cost = _cost(model)
    rates = (f"{cost.rate_hz(speed):.2g}" for speed in DEVICES.values())
    return (model.name, _size(model.bytes), f"{cost.weights_gb:.1f} GB", *rates)


def _cost(model: PublicModel) -> ModelCost:
    if model.dimensions not in DIMENSIONS:
        known = ", ".join(DIMENSIONS)
        raise FetchError(f"{model.name}: dimensions {model.dimensions!r} are none of {known}")
    return cost_of(DIMENSIONS[model.dimensions])


def _size(size: int | None) -> str:
    return "unknown" if size is None else gigabytes(size)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
