# SPDX-License-Identifier: Apache-2.0
"""What an engine depends on. If any of it differs, the engine is another one.

TensorRT ties an engine to its own version, and to the GPU that it timed its kernels on. Whether a
device of another name with the same compute capability may use it is not looked into: building
again costs minutes once, and a wrong engine is slow or wrong without a word. TensorRT-RTX times
nothing: its engines are for a compute capability.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from vljepa_ros.runtime.bundle import EXTERNAL, Bundle
from vljepa_ros.runtime.queries import MAX_QUERIES
from vljepa_ros.runtime.tensorrt.driver import Gpu

ENGINE_GRAPHS = ("frame_encoder", "x_encoder", "predictor")
"""Graphs that become engines. Texts are rare, and EmbeddingGemma must never run in FP16."""


@dataclass(frozen=True)
class PlanIdentity:
    """Everything that decides what an engine computes, and on which machines it may run.

    Attributes:
        graph: name of the graph.
        space_id: the bundle's embedding space.
        onnx_sha256: of the graph and its weights.
        precision: of the visual graphs.
        clips: number of clips, one per camera, that a run takes. Shapes are fixed, because that is
            what TensorRT is fastest with.
        queries: the fewest, the usual and the most queries that an engine of the predictor takes
            at once, if their number is free in its graph. The other graphs see none.
        tensorrt: version of TensorRT.
        cuda: the newest CUDA that the driver knows.
        compute_capability: of the GPU, such as "8.7".
        device: name of the GPU and the number of its multiprocessors; "any", like ``cuda``, if an
            engine runs on all GPUs of the compute capability.
    """

    graph: str
    space_id: str
    onnx_sha256: str
    precision: str
    clips: int
    queries: tuple[int, ...]
    tensorrt: str
    cuda: str
    compute_capability: str
    device: str

    @property
    def key(self) -> str:
        """Name of the engine's folder: the graph, and a hash of every field."""
        fields = json.dumps(asdict(self), sort_keys=True).encode()
        return f"{self.graph}-{hashlib.sha256(fields).hexdigest()}"

    @property
    def machine(self) -> str:
        """A short hash of what decides how fast a kernel is here: GPU, CUDA and TensorRT."""
        fields = (self.tensorrt, self.cuda, self.compute_capability, self.device)
        return hashlib.sha256("\n".join(fields).encode()).hexdigest()[:16]

    def differences(self, other: PlanIdentity) -> list[str]:
        """Say for each field in which ``other`` differs what it has and what is needed."""
        mine, others = asdict(self), asdict(other)
        return [
            f"{field} {others[field]} instead of {mine[field]}"
            for field in mine
            if mine[field] != others[field]
        ]


def identify(bundle: Bundle, graph: str, gpu: Gpu, tensorrt: str, clips: int = 1) -> PlanIdentity:
    """Return the identity of the engine for one graph of a verified bundle on this machine.

    Args:
        bundle: the bundle, whose manifest vouches for the graph and its weights.
        graph: one of :data:`ENGINE_GRAPHS` that the bundle has.
        gpu: the machine's GPU, or what an engine depends on of it.
        tensorrt: ``__version__`` of TensorRT or TensorRT-RTX, which have no number in common.
        clips: that one run takes.
    """
    return PlanIdentity(
        graph=graph,
        space_id=bundle.space_id,
        onnx_sha256=_onnx_sha256(bundle, bundle.graphs[graph]),
        precision=bundle.precision,
        clips=clips,
        queries=_queries(bundle) if graph == "predictor" else (),
        tensorrt=tensorrt,
        cuda=gpu.cuda,
        compute_capability=gpu.compute_capability,
        device=gpu.device,
    )


def _queries(bundle: Bundle) -> tuple[int, ...]:
    return (1, min(len(bundle.queries), MAX_QUERIES), MAX_QUERIES)


def _onnx_sha256(bundle: Bundle, file: str) -> str:
    """Return the graph's sha256; if its weights lie beside it, that of both sha256."""
    graph = bundle.files[file].sha256
    if not bundle.holds_weights_of(file):
        return graph
    return hashlib.sha256((graph + bundle.files[file + EXTERNAL].sha256).encode()).hexdigest()
