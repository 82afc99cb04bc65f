# SPDX-License-Identifier: Apache-2.0
"""Build a bundle's engines on this Jetson or PC, compare, measure, and print a table.

    ros2 run vljepa_ros gpu_report                          # the default bundle
    ros2 run vljepa_ros gpu_report --bundle DIR --polygraphy
    ros2 run vljepa_ros gpu_report --bundle DIR --computed  # what to expect; needs onnx, no GPU

The table is what people send back; nothing is sent by itself. With --polygraphy, polygraphy builds
every graph once more and compares it with ONNX Runtime, output by output.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vljepa_ros.runtime.backend import AUTO, TENSORRT, BackendError
from vljepa_ros.runtime.bundle import Bundle, BundleError, default_bundle_path
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.reference import Reference
from vljepa_ros.runtime.tensorrt.driver import probe_gpu
from vljepa_ros.runtime.tensorrt.engines import BuildNews, ensure_engines
from vljepa_ros.runtime.tensorrt.library import LIBRARIES, Library, library_of
from vljepa_ros.runtime.tensorrt.plan_key import ENGINE_GRAPHS
from vljepa_ros.runtime.tensorrt.plan_store import PlanStore
from vljepa_ros.runtime.tensorrt.tensorrt_backend import EngineOptions
from vljepa_ros.runtime.tensorrt.tensorrt_errors import TensorRTError

BOARD = ("/proc/device-tree/model", "/sys/class/dmi/id/product_name")
RELEASE = ("/etc/nv_tegra_release", "/etc/os-release")
UNKNOWN = "unknown"
RUNS = 50
WARM_UP = 5
REACHED = (0.65, 0.50)
"""Parts of the peak that products of this size usually reach: an assumption."""


@dataclass(frozen=True)
class Device:
    """A Jetson and what its GPU does at most in float16, without sparsity, in TFLOP/s."""

    name: str
    tflops: float


DEVICES = (
    Device("Orin Nano 8 GB (Super)", 16.7),
    Device("Orin NX 16 GB (Super)", 25.0),
    Device("AGX Orin 64 GB", 42.5),
    Device("Thor T5000", 259.0),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one table or the other, and return the exit status."""
    args = _parser().parse_args(arguments)
    try:
        bundle = Bundle.load(args.bundle or default_bundle_path())
        for line in computed(bundle) if args.computed else measured(bundle, args):
            print(line, flush=True)
    except (TensorRTError, BundleError, BackendError, OSError) as error:
        print(f"gpu_report: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gpu_report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bundle", type=Path, help="default: the shipped one")
    parser.add_argument(
        "--backend",
        choices=(AUTO, *LIBRARIES),
        default=AUTO,
        help="default: the first of the others that is installed",
    )
    parser.add_argument("--engines", type=Path, help="folder of engines; default: the usual one")
    parser.add_argument("--allow-untrusted", action="store_true", help="as for build_engine")
    parser.add_argument("--polygraphy", action="store_true", help="compare with polygraphy too")
    parser.add_argument("--computed", action="store_true", help="print what to expect, and end")
    return parser


def measured(bundle: Bundle, args: argparse.Namespace) -> Iterator[str]:
    """Yield the table of what was measured here, line by line."""
    gpu = probe_gpu()
    store = PlanStore(args.engines, allow_untrusted=args.allow_untrusted)
    store.prepare()
    library = library_of(args.backend)
    plans = ensure_engines(bundle, store, gpu, library=library, allow_build=True, progress=_tell)
    yield from ("| what | value |", "|---|---|")
    yield f"| bundle | {bundle.name} {bundle.version}, {bundle.precision} |"
    yield f"| board | {_first_line(*BOARD)} |"
    yield f"| release | {_first_line(*RELEASE)} |"
    yield f"| power | {_output('nvpmodel', '-q') or _nvidia_smi('power.limit') or UNKNOWN} |"
    yield f"| driver | {_nvidia_smi('driver_version') or UNKNOWN} |"
    yield f"| GPU | {gpu.name}, {gpu.compute_capability}, {gpu.memory_mb} MB, CUDA {gpu.cuda} |"
    yield f"| library | {library.title} {library.load().__version__} |"
    for graph, plan in plans.items():
        size, seconds = plan.manifest.plan_bytes / 1e6, plan.manifest.build_seconds
        yield f"| engine {graph} | {size:.0f} MB, built in {seconds:.0f} s |"
    options = EngineOptions(store.root, allow_untrusted=args.allow_untrusted)
    yield from _model(bundle, library, options)
    if args.polygraphy:
        for graph in plans:
            yield f"| polygraphy {graph} | {_polygraphy(bundle, graph, library)} |"


def _model(bundle: Bundle, library: Library, options: EngineOptions) -> Iterator[str]:
    before = _used_mb()
    model = VLJepa.load(bundle.root, backend=library.backend, engines=options)
    yield f"| memory of the model | {_used_mb() - before:.0f} MB |"
    reference = Reference.from_bundle(bundle)
    questions = list(bundle.queries.values())
    frames = [model.encode_frame(frame) for frame in reference.clip]
    found = model.embed(frames, questions)
    bank = np.load(bundle.root / bundle.phrases.embeddings)
    cosine = reference.check(found, bank, bundle.precision)
    yield f"| least cosine with ONNX Runtime in fp32 | {cosine:.5f} |"
    yield f"| one frame | {_timed(lambda: model.encode_frame(reference.clip[0]))} |"
    yield f"| one clip, 1 query | {_timed(lambda: model.embed(frames, questions[:1]))} |"
    name = f"one clip, {len(questions)} queries"
    yield f"| {name} | {_timed(lambda: model.embed(frames, questions))} |"
    model.close()


def _tell(news: BuildNews) -> None:
    print(f"{news.graph}: {news.text}", file=sys.stderr, flush=True)


def _timed(run: Callable[[], object]) -> str:
    """Return median and 90th percentile of the time of a call."""
    times = []
    for _ in range(WARM_UP + RUNS):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    p50, p90 = np.percentile(times[WARM_UP:], (50, 90))
    return f"{p50:.2f} ms, p90 {p90:.2f} ms, of {RUNS} runs"


def _polygraphy(bundle: Bundle, graph: str, library: Library) -> str:
    """Return what polygraphy says about a graph in TensorRT and in ONNX Runtime."""
    if library.backend != TENSORRT:
        return f"not run with {library.title}"
    program = shutil.which("polygraphy")
    if program is None:
        return "not installed"
    limit = "1e-3" if bundle.precision == "fp32" else "5e-2"
    command = [program, "run", str(bundle.root / bundle.graphs[graph]), "--trt", "--onnxrt"]
    command += ["--strongly-typed", "--atol", limit, "--rtol", limit]
    done = subprocess.run(command, capture_output=True, text=True)
    last = (done.stdout + done.stderr).strip().splitlines()[-1:]
    return f"{'passed' if done.returncode == 0 else 'FAILED'}: {''.join(last)}"


def _first_line(*paths: str) -> str:
    """Return the first line of the first file that there is."""
    file = next(filter(Path.is_file, map(Path, paths)), None)
    text = "" if file is None else file.read_text(errors="replace").strip("\0\n")
    return text.partition("\n")[0] or UNKNOWN


def _output(*command: str) -> str:
    """Return what a program prints, in one line; empty if there is no such program."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True)
    return ", ".join(done.stdout.split("\n")).strip(", ")


def _nvidia_smi(field: str) -> str:
    """Return what nvidia-smi knows of the first GPU; empty if that is nothing, as on a Jetson."""
    query = ("--id=0", f"--query-gpu={field}", "--format=csv,noheader")
    found = _output("nvidia-smi", *query)
    return "" if "N/A" in found or "rror" in found else found


def _used_mb() -> float:
    """Return the memory in use where engines live: the GPU's, or a Jetson's, which is the same."""
    if used := re.match(r"(\d+) MiB", _nvidia_smi("memory.used")):
        return int(used[1]) * (1 << 20) / 1e6
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    total, available = (
        int(re.search(rf"^{name}: +(\d+)", text, re.MULTILINE)[1])  # type: ignore[index]
        for name in ("MemTotal", "MemAvailable")
    )
    return (total - available) * 1024 / 1e6


def computed(bundle: Bundle) -> Iterator[str]:
    """Yield what to expect of the bundle's graphs in float16, from their sizes alone."""
    graphs = {name: Cost.of(bundle, name) for name in ENGINE_GRAPHS if name in bundle.graphs}
    yield from ("| graph | GFLOP | weights MB | largest value MB |", "|---|---|---|---|")
    for name, cost in graphs.items():
        yield f"| {name} | {cost.gflop:.1f} | {cost.weights_mb:.0f} | {cost.value_mb:.1f} |"
    memory = sum(c.weights_mb for c in graphs.values()) + 2 * max(
        c.value_mb for c in graphs.values()
    )
    clip = graphs["x_encoder"].gflop + graphs["predictor"].gflop
    yield ""
    best, worst = (f"{part:.0%}" for part in REACHED)
    yield f"| device | memory MB | one clip, one query, ms, at {best} to {worst} of the peak |"
    yield "|---|---|---|"
    for device in DEVICES:
        fast, slow = (clip / (device.tflops * part) for part in REACHED)
        yield f"| {device.name} | {memory:.0f} | {fast:.1f} to {slow:.1f} |"


@dataclass(frozen=True)
class Cost:
    """One run: products in GFLOP, weights (float16) and the largest value (float32) in MB."""

    gflop: float
    weights_mb: float
    value_mb: float

    @classmethod
    def of(cls, bundle: Bundle, graph: str) -> Cost:
        """Read the shapes of a graph: one query of the most tokens, as engines take it."""
        import onnx

        file = bundle.root / bundle.graphs[graph]
        model = onnx.load(str(file), load_external_data=False)
        _fix_length(model.graph, bundle.max_query_tokens)
        inferred = onnx.shape_inference.infer_shapes(model).graph
        shapes = {v.name: _shape(v) for v in [*inferred.value_info, *inferred.output]}
        shapes |= {v.name: _shape(v) for v in inferred.input}
        weights = {w.name: tuple(w.dims) for w in inferred.initializer}
        known = {**shapes, **weights}
        flop = sum(_flop(node, known) for node in inferred.node)
        largest = max(np.prod(shape) for shape in shapes.values())
        count = sum(np.prod(shape) for shape in weights.values())
        return cls(flop / 1e9, 2 * float(count) / 1e6, 4 * float(largest) / 1e6)


def _fix_length(graph: Any, tokens: int) -> None:
    """Give a free number of query tokens its value, so that shapes are inferred with it."""
    for value in graph.input:
        dimensions = value.type.tensor_type.shape.dim
        if value.name in ("query_tokens", "query_mask") and not dimensions[1].dim_value:
            dimensions[1].dim_value = tokens


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(size.dim_value or 1 for size in value.type.tensor_type.shape.dim)


def _flop(node: Any, shapes: dict[str, tuple[int, ...]]) -> float:
    """Return the floating-point operations of a product; everything else counts as nothing."""
    if node.op_type not in ("Conv", "Gemm", "MatMul"):
        return 0.0
    result, factor = shapes[node.output[0]], shapes[node.input[1]]
    if node.op_type == "Conv":
        return 2.0 * float(np.prod(result)) * float(np.prod(factor[1:]))
    inner = shapes[node.input[0]][-1]
    return 2.0 * float(np.prod(result)) * inner


if __name__ == "__main__":
    sys.exit(main())
