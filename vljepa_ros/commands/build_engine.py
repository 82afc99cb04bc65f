# SPDX-License-Identifier: Apache-2.0
"""``ros2 run vljepa_ros build_engine``: build a bundle's engines for TensorRT or TensorRT-RTX.

Needs no running ROS. The engines are loaded once, and must compute what the bundle says. Those of
TensorRT-RTX can be built for GPUs that this machine does not have; the first start compares them.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from vljepa_ros.runtime.backend import AUTO, TENSORRT_RTX, BackendError
from vljepa_ros.runtime.bundle import Bundle, BundleError, default_bundle_path
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.tensorrt.driver import gpu_of_capability, probe_gpu
from vljepa_ros.runtime.tensorrt.engines import BuildNews, ensure_engines
from vljepa_ros.runtime.tensorrt.library import LIBRARIES, Library, library_of
from vljepa_ros.runtime.tensorrt.plan_store import PlanStore, VerifiedPlan
from vljepa_ros.runtime.tensorrt.tensorrt_backend import EngineOptions
from vljepa_ros.runtime.tensorrt.tensorrt_errors import BuildError, TensorRTError

_ROS_ARGUMENTS = "--ros-args"  # launch files end every command line with them


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, check and list the engines, and return the exit status."""
    # Ctrl-C ends a build at once, deep inside TensorRT too: the store is made for sudden ends
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    words = list(sys.argv[1:] if arguments is None else arguments)
    if _ROS_ARGUMENTS in words:
        words = words[: words.index(_ROS_ARGUMENTS)]
    try:
        _build(_parser().parse_args(words))
    except (TensorRTError, BundleError, BackendError, OSError) as error:
        print(f"build_engine: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="build_engine", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--bundle", type=Path, help="folder of the bundle; default: the shipped one"
    )
    parser.add_argument(
        "--engines",
        type=Path,
        help="folder that keeps them; default: $VLJEPA_ENGINES or ~/.cache/vljepa_ros/engines",
    )
    parser.add_argument(
        "--backend",
        choices=(AUTO, *LIBRARIES),
        default=AUTO,
        help="that the engines are for; default: the first of the others that is installed",
    )
    parser.add_argument(
        "--compute-capability",
        type=_capability,
        metavar="X.Y",
        help="build for GPUs of it, such as 8.9, on a machine that needs none; tensorrt_rtx only",
    )
    parser.add_argument(
        "--cameras",
        type=_count,
        default=1,
        help="number of cameras that the embedder is to look at; default: %(default)s",
    )
    parser.add_argument(
        "--allow-untrusted",
        action="store_true",
        help="use a folder of engines that others can write: whoever can may run code here",
    )
    return parser


def _build(args: argparse.Namespace) -> None:
    elsewhere = args.compute_capability
    gpu = gpu_of_capability(elsewhere) if elsewhere else probe_gpu()
    library = _library(args)
    store = PlanStore(args.engines, allow_untrusted=args.allow_untrusted)
    store.prepare()
    bundle = Bundle.load(args.bundle or default_bundle_path())
    ensure = partial(ensure_engines, bundle, store, gpu, args.cameras, library=library)
    plans = ensure(allow_build=True, progress=_print)
    lost = [graph for graph, plan in plans.items() if plan.path is None]
    if lost:
        raise OSError(f"engines that could not be kept: {', '.join(lost)}")
    if not elsewhere:
        options = EngineOptions(
            folder=store.root, cameras=args.cameras, allow_untrusted=args.allow_untrusted
        )
        VLJepa.load(bundle.root, backend=library.backend, engines=options).close()
    for plan in ensure().values():
        print(_line(plan), flush=True)


def _library(args: argparse.Namespace) -> Library:
    """Return the library that the command line asks for."""
    if args.compute_capability and args.backend == AUTO:
        return LIBRARIES[TENSORRT_RTX]
    library = library_of(args.backend)
    if args.compute_capability and not library.portable:
        cause = f"{library.title} builds engines only on the GPU that runs them"
        raise BuildError(cause, f"leave --compute-capability out, or use {TENSORRT_RTX}")
    return library


def _capability(text: str) -> str:
    if not re.fullmatch(r"\d{1,2}\.\d", text):
        raise argparse.ArgumentTypeError(f"must be a number such as 8.9, not {text}")
    return text


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def _print(news: BuildNews) -> None:
    stream = sys.stderr if news.warning else sys.stdout
    print(f"{news.graph}: {news.text}", file=stream, flush=True)


def _line(plan: VerifiedPlan) -> str:
    manifest = plan.manifest
    parity = "not compared" if manifest.parity is None else f"cosine {manifest.parity:.5f}"
    return (
        f"{plan.graph}: {manifest.plan_bytes / 1e6:.1f} MB, built in "
        f"{manifest.build_seconds:.0f} s, {parity} to ONNX Runtime, {plan.path}"
    )


if __name__ == "__main__":
    sys.exit(main())
