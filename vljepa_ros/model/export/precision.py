# SPDX-License-Identifier: Apache-2.0
"""The visual graphs of a bundle in int8, for CPUs and TensorRT, or in fp16 or fp8, for TensorRT.

Precision lies in the graphs and not in flags of a builder, which TensorRT 11 dropped. The
Y-Encoder stays in float32: EmbeddingGemma does not survive float16, and texts are rare. What comes
out is compared with what went in, all the way through, by ONNX Runtime.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vljepa_ros.model.export.export_error import ExportError
from vljepa_ros.model.export.half_rounding import round_halves, value_types
from vljepa_ros.model.export.int8_graphs import (
    TOOL,
    quantise_convolutions,
    quantise_products,
)
from vljepa_ros.model.export.low_precision import FP32_OPERATORS
from vljepa_ros.runtime.backend import ONNXRUNTIME, StreamOutputs
from vljepa_ros.runtime.bundle import EXTERNAL, MANIFEST, Bundle, write_manifest
from vljepa_ros.runtime.bundle_files import BundleError
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.onnx_session import OnnxGraph
from vljepa_ros.runtime.reference import DisagreementError, Reference
from vljepa_ros.runtime.stream_steps import StreamSteps

PRECISIONS = ("fp16", "int8", "fp8")
GRAPHS = ("frame_encoder", "x_encoder", "predictor")
COMPARED_CLIPS = {"fp32": 3, "fp16": 3, "int8": 32, "fp8": 32}
"""How many clips graphs are compared on: ranges of int8 and fp8 are taken from them."""

_log = logging.getLogger(__name__)
_PROGRAM = "vljepa_ros.model.export.low_precision"
_ROOT = Path(__file__).resolve().parents[3]
_FLOAT16 = onnx.TensorProto.FLOAT16
_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class LowPrecision:
    """One of PRECISIONS, and the Python that has nvidia-modelopt, which int8 does not need."""

    precision: str
    python: Path = Path(sys.executable)


def lower_precision(bundle: Bundle, clips: NDArray[np.uint8], wanted: LowPrecision) -> Bundle:
    """Replace the visual graphs in the folder of a float32 bundle, and write its manifest again.

    Args:
        bundle: in float32, in a folder that nobody uses yet.
        clips: real clips uint8 (n, T, H, W, 3); ranges of values are taken from them, and on them
            the result is compared with the bundle.
        wanted: the precision, and what lowers it.

    Raises:
        ExportError: a graph cannot be converted, or the result differs too much.
    """
    model = VLJepa.load(bundle.root, backend=ONNXRUNTIME)
    true = [_embed(model, clip) for clip in clips]
    with TemporaryDirectory(dir=bundle.root.parent) as work:
        inputs = Path(work) / "inputs"
        _write_inputs(model, clips, inputs)
        fields = _fields(bundle) | {"precision": wanted.precision}
        lower = _lower_to_int8 if wanted.precision == "int8" else _lower_by_modelopt
        lowered, fields["cpu_graphs"] = lower(bundle, wanted, inputs)
    try:
        cosine = _compare(write_manifest(bundle.root, fields), clips, true)
    except ExportError as error:
        if not fields["cpu_graphs"]:
            raise
        # Convolutions lose most. What is left is worth having without them.
        _log.warning("convolutions stay in float32, because with them %s", error)
        for file in fields.pop("cpu_graphs").values():
            (bundle.root / file).unlink()
        cosine = _compare(write_manifest(bundle.root, fields), clips, true)
    fields["lowered"] = {**lowered, "cosine": round(cosine, 6)}
    return write_manifest(bundle.root, fields)


def _fields(bundle: Bundle) -> dict[str, Any]:
    """Return the manifest but for what is computed."""
    fields: dict[str, Any] = json.loads((bundle.root / MANIFEST).read_text(encoding="utf-8"))
    del fields["format"], fields["files"]
    return fields


def _embed(model: VLJepa, clip: NDArray[np.uint8]) -> _Floats:
    frames = [model.encode_frame(frame) for frame in clip]
    return model.embed(frames, list(model.bundle.queries.values()))


def _write_inputs(model: VLJepa, clips: NDArray[np.uint8], folder: Path) -> None:
    """Write what each graph is fed with on the clips, one npz file per run."""
    for graph in GRAPHS:
        (folder / graph).mkdir(parents=True)
    for number, (graph, feed) in enumerate(inputs_of_graphs(model, clips)):
        np.savez(folder / graph / f"{number:04}.npz", **feed)


def inputs_of_graphs(
    model: VLJepa, clips: NDArray[np.uint8]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of each graph that runs on the clips, and what it is fed with."""
    bundle = model.bundle
    queries = [model.encode_query(text) for text in bundle.queries.values()]
    x_encoder = _WatchedXEncoder(bundle)
    for clip in clips:
        if not bundle.pixels:
            yield from (("frame_encoder", {"frame": frame[np.newaxis]}) for frame in clip)
        visual, fed = x_encoder.see([model.encode_frame(frame) for frame in clip])
        yield from (("x_encoder", feed) for feed in fed)
        for query in queries:  # one by one, which suits graphs with a free number of them as well
            asked = {"query_tokens": query.tokens[None], "query_mask": query.mask[None]}
            yield "predictor", {"visual_tokens": visual, **asked}


class _WatchedXEncoder:
    """The X-Encoder of a bundle, and what it is fed with: clips, or their frames one by one."""

    def __init__(self, bundle: Bundle) -> None:
        self._graph = OnnxGraph(bundle, "x_encoder")
        self._frames = "frames" if bundle.pixels else "features"
        self._state = () if bundle.memory is None else tuple(bundle.memory.state)
        self._steps = None if bundle.memory is None else StreamSteps(bundle, self._follow)
        self._fed: list[dict[str, Any]] = []
        self._visual = np.empty(0, np.float32)

    def see(self, clip: list[NDArray[Any]]) -> tuple[_Floats, list[dict[str, Any]]]:
        """Return the visual tokens (1, N, width) of a clip, and what was fed to get them."""
        self._fed = []
        if self._steps is None:
            self._run({self._frames: np.stack(clip)[np.newaxis]})
        else:
            self._steps.run_clips([clip])
        return self._visual, self._fed

    def _follow(
        self, frames: NDArray[Any], inputs: Mapping[str, NDArray[Any]], *asked: object
    ) -> StreamOutputs:
        state = self._run({self._frames: frames, **inputs})
        nothing = np.empty((1, 0, 0), np.float32)
        return StreamOutputs(nothing, None, dict(zip(self._state, state, strict=True)))

    def _run(self, feed: dict[str, Any]) -> list[_Floats]:
        self._fed.append(feed)
        self._visual, *rest = self._graph.run(feed)
        return rest


def _lower_to_int8(
    bundle: Bundle, wanted: LowPrecision, inputs: Path
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what was done, and the files of the graphs that have another form for CPUs."""
    precisions, cpu_graphs = {}, {}
    for graph in _visual_graphs(bundle):
        feeds = sorted((inputs / graph).glob("*.npz"))
        file = bundle.root / bundle.graphs[graph]
        result = inputs / file.name
        precisions[graph] = "fp32"
        if quantise_products(file, result, feeds):
            _replace(file, result)
            precisions[graph] = "int8"
        elif graph == "frame_encoder":
            cpu_graphs[graph] = f"{graph}.int8.onnx"
            quantise_convolutions(file, bundle.root / cpu_graphs[graph], feeds)
    return {"tool": TOOL, "graphs": precisions}, cpu_graphs


def _lower_by_modelopt(
    bundle: Bundle, wanted: LowPrecision, inputs: Path
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what was done; no graph has another form for CPUs."""
    tools = {graph: _convert(bundle, graph, wanted, inputs) for graph in _visual_graphs(bundle)}
    precisions = dict.fromkeys(tools, wanted.precision)
    return {"tool": tools["x_encoder"], "graphs": precisions}, {}


def _visual_graphs(bundle: Bundle) -> list[str]:
    return [graph for graph in GRAPHS if graph in bundle.graphs]


def _convert(bundle: Bundle, graph: str, wanted: LowPrecision, inputs: Path) -> str:
    """Put the converted graph in the place of the graph; return what converted it."""
    file = bundle.root / bundle.graphs[graph]
    with TemporaryDirectory(dir=inputs) as work:
        source, result = Path(work) / file.name, Path(work) / "result" / file.name
        result.parent.mkdir()
        for each in (file, file.with_name(file.name + EXTERNAL)):
            if each.exists():
                shutil.copyfile(each, source.with_name(each.name))  # modelopt writes into it
        version = _run(wanted, source, result, inputs / graph)
        _check_types(result)
        _replace(file, result)
    return f"nvidia-modelopt {version}"


def _replace(file: Path, result: Path) -> None:
    """Put a graph, which has the same name, and its weights in the place of another."""
    for old in (file, file.with_name(file.name + EXTERNAL)):
        old.unlink(missing_ok=True)
    for new in (result, result.with_name(file.name + EXTERNAL)):
        if new.exists():
            new.rename(file.with_name(new.name))


def _run(wanted: LowPrecision, source: Path, result: Path, inputs: Path) -> str:
    command = [str(wanted.python), "-m", _PROGRAM, str(source), str(result)]
    command += ["--precision", wanted.precision, "--inputs", str(inputs)]
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
        )
    except OSError as error:
        raise ExportError(f"{wanted.python} does not run ({error.strerror})") from error
    if done.returncode != 0:
        cause = (done.stderr.strip() or "no message").splitlines()[-1]
        raise ExportError(
            f"{source.name} cannot be converted to {wanted.precision} ({cause}): "
            "--modelopt-python must be a Python set up as docs/export.md says"
        )
    return done.stdout.split()[-1]


def _check_types(file: Path) -> None:
    """Check that products are in half precision, and what sums over many values is not.

    Raises:
        ExportError: they are not.
    """
    types = value_types(file)
    nodes = onnx.load(str(file), load_external_data=False).graph.node
    halves = {node.op_type for node in nodes if types.get(node.output[0]) == _FLOAT16}
    if lost := halves.intersection(FP32_OPERATORS):
        raise ExportError(f"{file.name}: {', '.join(sorted(lost))} must not be in float16")
    if not halves.intersection({"Conv", "MatMul"}):
        raise ExportError(f"{file.name}: no product was converted, so nothing would be gained")


def _compare(bundle: Bundle, clips: NDArray[np.uint8], true: list[_Floats]) -> float:
    """Return the least cosine with the float32 bundle.

    Raises:
        ExportError: the difference is above the limit of the precision.
    """
    bank = np.load(bundle.root / bundle.phrases.embeddings)
    try:
        model = _rounding(bundle)
        return min(
            Reference(clip, expected).check(_embed(model, clip), bank, bundle.precision)
            for clip, expected in zip(clips, true, strict=True)
        )
    except (BundleError, DisagreementError) as error:
        raise ExportError(f"{bundle.precision} is not what fp32 was: {error}") from error


def _rounding(bundle: Bundle) -> VLJepa:
    """Load a copy of the bundle that rounds on the CPU as it will on a GPU."""
    if bundle.precision == "int8":  # nothing in it is float16
        return VLJepa.load(bundle.root, backend=ONNXRUNTIME)
    with TemporaryDirectory(dir=bundle.root.parent) as work:
        copy = Path(work) / "bundle"
        shutil.copytree(bundle.root, copy, copy_function=os.link)
        for graph in set(GRAPHS).intersection(bundle.graphs):
            round_halves(copy / bundle.graphs[graph])
        write_manifest(copy, _fields(bundle))
        return VLJepa.load(copy, backend=ONNXRUNTIME)
