# SPDX-License-Identifier: Apache-2.0
"""Which constants of a stored graph are the weights of the module that it was written from.

An export gives weights of products no names of their own, because it turns them round. But it
keeps the order in which the model multiplies, so the products of a graph are those of the module,
one after the other. Norms, biases and tables keep their names. So weights can be read from a graph
and written into it, and a model that was trained further needs no new export: its graphs compute
the same with other numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from vljepa_ros.model.checkpoints.tensors import CheckpointError
from vljepa_ros.model.export.graphs import Graph

_TUBELETS = "embedding.weight"  # the first product of the X-Encoder, which no layer makes
_CODES, _SCALE = "_codes", "_scale"  # what weights that are stored as int8 end with
_PREFIXES = ("encoder.", "predictor.")  # of the modules that graphs are written from


@dataclass(frozen=True)
class _Slot:
    """Where the weight of a parameter lies: the name of a constant, and if it is turned round."""

    constant: str
    turned: bool = False


class GraphWeights:
    """The weights of one part of a model in its stored graph.

    Attributes:
        stored: the graph; :meth:`write` changes it.
    """

    def __init__(self, part: nn.Module, graph: Graph, stored: onnx.ModelProto) -> None:
        """Find them.

        Args:
            part: the X-Encoder, the Predictor or the Y-Encoder, with any weights.
            graph: what is written of it.
            stored: what was written.

        Raises:
            CheckpointError: the graph is not that of such a part.
        """
        self.stored = stored
        self._part = part
        self._tensors = {one.name: one for one in stored.graph.initializer}
        self._slots = self._found(graph)
        self._content = _content_of(stored)

    def read(self) -> dict[str, Tensor]:
        """Return the weight of each parameter."""
        weights = {}
        for name, slot in self._slots.items():
            value = self._value(slot.constant)
            weights[name] = torch.tensor(value.T if slot.turned else value, dtype=torch.float32)
        if _TUBELETS in weights:
            weights[_TUBELETS] = self._unfolded(weights[_TUBELETS])
        return weights

    def write(self, state: Mapping[str, Tensor]) -> None:
        """Put other weights into the graph.

        Raises:
            CheckpointError: a weight that is stored as int8 is another now.
        """
        before = self.read()
        for name, slot in self._slots.items():
            value = state[name].detach()
            if torch.equal(value, before[name]):
                continue
            if slot.constant not in self._tensors:
                raise CheckpointError(f"{name} is stored as int8 and cannot become another")
            if name == _TUBELETS:
                value = self._folded(value)
            array = np.ascontiguousarray((value.T if slot.turned else value).numpy())
            stored = numpy_helper.from_array(array, slot.constant)
            self._tensors[slot.constant].CopyFrom(stored)

    def _found(self, graph: Graph) -> dict[str, _Slot]:
        names = list(_products(self._part, graph))
        factors = list(self._factors())
        if len(names) != len(factors):
            raise CheckpointError(
                f"a graph has {len(factors)} products instead of the model's {len(names)}"
            )
        slots = dict(zip(names, factors, strict=True))  # some are used more than once
        for name, value in self._part.named_parameters():
            if name not in slots:
                slots[name] = self._named(name)
            size = self._value(slots[name].constant).size
            if size != value.numel():
                raise CheckpointError(f"{name} has {size} values, expected {value.numel()}")
        return slots

    def _factors(self) -> Iterator[_Slot]:
        """Yield the constant factors of products, in the order of their use."""
        stands_for = _int8_products(self.stored)
        for node in self.stored.graph.node:
            if node.op_type in ("MatMul", "Gemm"):
                name = stands_for.get(node.input[1], node.input[1])
                if self._holds(name) and self._value(name).ndim == 2:
                    straight = any(each.name == "transB" and each.i for each in node.attribute)
                    yield _Slot(name, turned=not straight)

    def _named(self, name: str) -> _Slot:
        for prefix in _PREFIXES:
            if self._holds(prefix + name):
                return _Slot(prefix + name)
        raise CheckpointError(f"a graph has no constant {name}")

    def _unfolded(self, factor: Tensor) -> Tensor:
        """Turn the product (width, content) of weight and motion basis back into the weight."""
        embedding = self._part.embedding
        places = [self._content.index(axis) for axis in "dcthw"]
        sizes = dict(zip("dcthw", embedding.weight.shape, strict=True))
        folded = factor.reshape([sizes[axis] for axis in self._content]).permute(places)
        back = torch.linalg.inv(embedding.basis.double())
        return torch.einsum("dcthw,tk->dckhw", folded.double(), back).float()

    def _folded(self, weight: Tensor) -> Tensor:
        """Return the product (width, content) of a weight and the motion basis."""
        basis = self._part.embedding.basis
        return torch.einsum(f"dckhw,kt->{self._content}", weight, basis).flatten(1)

    def _holds(self, name: str) -> bool:
        return name in self._tensors or name + _CODES in self._tensors

    def _value(self, name: str) -> NDArray[np.generic]:
        if name in self._tensors:
            return numpy_helper.to_array(self._tensors[name])
        codes, scale = (
            numpy_helper.to_array(self._tensors[name + end]) for end in (_CODES, _SCALE)
        )
        value: NDArray[np.generic] = codes.astype(np.float32) * scale
        return value


def _products(part: nn.Module, graph: Graph) -> Iterator[str]:
    """Return the names of the weights of a part's products, in the order of their use."""
    order: list[str] = []
    hooks = []
    for name, layer in part.named_modules():
        if isinstance(layer, nn.Linear):
            key = f"{name}.weight"
            hooks.append(layer.register_forward_hook(lambda *_, key=key: order.append(key)))
    try:
        with torch.no_grad():
            graph.module(*graph.inputs.values())
    finally:
        for hook in hooks:
            hook.remove()
    if hasattr(part, "embedding"):
        yield _TUBELETS
    yield from order


def _content_of(stored: onnx.ModelProto) -> str:
    """Return the order of the axes of the tubelets' weight: width, then a tubelet's content.

    Older bundles have the channels first, and cut patches with one copy along eight axes.
    """
    axes = [len(attribute.ints) for node in stored.graph.node for attribute in node.attribute]
    return "dcthw" if 8 in axes else "dhwtc"


def _int8_products(stored: onnx.ModelProto) -> dict[str, str]:
    """Return the names of the constants that products of codes and scales stand for."""
    codes = {
        node.output[0]: node.input[0].removesuffix(_CODES)
        for node in stored.graph.node
        if node.op_type == "Cast" and node.input[0].endswith(_CODES)
    }
    return {
        node.output[0]: codes[node.input[0]]
        for node in stored.graph.node
        if node.op_type == "Mul" and node.input[0] in codes
    }
