# SPDX-License-Identifier: Apache-2.0
"""V-JEPA 2 and 2.1 as X-Encoder: what their layouts have in common.

Nothing has to be said about the size of a model: its dimensions are those of its tensors. Only
the number of heads is not, and each width of the family has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vljepa_ros.model.checkpoints.names import Names
from vljepa_ros.model.checkpoints.tensors import CheckpointError, Part, fill
from vljepa_ros.model.config import XEncoderConfig
from vljepa_ros.model.presets import V_JEPA_2, V_JEPA_2_1
from vljepa_ros.model.rotary import head_order
from vljepa_ros.model.x_encoder import XEncoder

_HEADS = {c.width: c.heads for c in (*V_JEPA_2.values(), *V_JEPA_2_1.values())}
_OFFSETS = ("image_offset", "video_offset")


@dataclass(frozen=True)
class VJepaWeights:
    """The encoder of a file.

    Attributes:
        layout: the layout's name, for people.
        ignored: beginnings of names that the layout has and the encoder does not need.
        heads: as the file says it; None if it does not.
    """

    source: Path
    layout: str
    names: Names
    tensors: Mapping[str, Tensor]
    ignored: tuple[str, ...] = ()
    heads: int | None = None

    def config(self, pixels: int) -> XEncoderConfig:
        """Return the dimensions, for frames of ``pixels`` rows and columns.

        Raises:
            CheckpointError: the tensors are not those of a member of the family.
        """
        width, channels, tubelet, patch, _ = self._shape("embedding.weight", 5)
        newer = "image_embedding" in self.names.around
        return XEncoderConfig(
            grid=pixels,
            channels=channels,
            patch=patch,
            tubelet=tubelet,
            width=width,
            depth=self._depth(),
            heads=self.heads or self._usual_heads(width),
            mlp=self._shape("blocks.0.mlp.up.weight", 2)[0],
            rotary="interleaved" if newer else "tiled",
            position_grid=16 if newer else 0,
            image_tokens=newer,
        )

    def fill(self, x_encoder: XEncoder) -> None:
        """Put the weights into an X-Encoder of :meth:`config`'s dimensions.

        Raises:
            CheckpointError: tensors are missing, unexpected or misshapen.
        """
        plan = {
            name: self._parts(name, tuple(value.shape), x_encoder.config)
            for name, value in x_encoder.state_dict().items()
        }
        fill(x_encoder, plan, self.tensors, self.source, self.ignored)

    def _parts(self, name: str, shape: tuple[int, ...], config: XEncoderConfig) -> list[Part]:
        theirs = self.names.of(name)
        if name in _OFFSETS:
            return [Part(theirs[0], (1, 1, *shape))]
        if ".attention.qkv." not in name:
            return [Part(theirs[0], shape)]
        turned = _turned_rows(config)
        straight = torch.arange(config.width)
        orders = [turned, turned, straight]
        if len(theirs) == 3:
            one = (config.width, *shape[1:])
            return [Part(part, one, rows) for part, rows in zip(theirs, orders, strict=True)]
        rows = torch.cat([order + i * config.width for i, order in enumerate(orders)])
        return [Part(theirs[0], shape, rows)]

    def _shape(self, parameter: str, axes: int) -> tuple[int, ...]:
        (name,) = self.names.of(parameter)
        found = self.tensors.get(name)
        if found is None or found.ndim != axes:
            what = "is missing" if found is None else f"has the shape {tuple(found.shape)}"
            raise CheckpointError(f"{self.source} is no {self.layout}: {name} {what}")
        return tuple(found.shape)

    def _depth(self) -> int:
        start = self.names.block + "."
        blocks = (name[len(start) :] for name in self.tensors if name.startswith(start))
        return len({block.partition(".")[0] for block in blocks})

    def _usual_heads(self, width: int) -> int:
        if width not in _HEADS:
            known = ", ".join(map(str, sorted(_HEADS)))
            raise CheckpointError(
                f"{self.source}: no V-JEPA of width {width} is known, only of {known}, so its "
                "number of heads is not known either"
            )
        return _HEADS[width]


def _turned_rows(config: XEncoderConfig) -> Tensor:
    """Return the order of the rows of queries or keys that :func:`~..rotary.head_order` asks."""
    order = torch.from_numpy(head_order(config.head_width))
    starts = torch.arange(config.heads)[:, None] * config.head_width
    return (starts + order).flatten()
