# SPDX-License-Identifier: Apache-2.0
"""Every engine of a bundle on this machine: found in the store, or built if that is allowed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from vljepa_ros.runtime.backend import TENSORRT
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.onnx_session import graph_path
from vljepa_ros.runtime.tensorrt.builder import BuiltPlan, build_plan
from vljepa_ros.runtime.tensorrt.driver import Gpu
from vljepa_ros.runtime.tensorrt.library import LIBRARIES, Library
from vljepa_ros.runtime.tensorrt.plan_key import ENGINE_GRAPHS, PlanIdentity, identify
from vljepa_ros.runtime.tensorrt.plan_manifest import PlanManifest
from vljepa_ros.runtime.tensorrt.plan_store import PlanStore, VerifiedPlan
from vljepa_ros.runtime.tensorrt.tensorrt_errors import UnusablePlan

_WAITING = "waiting for another process that builds it"


@dataclass(frozen=True)
class BuildNews:
    """What happens to an engine. TensorRT tells of it from threads of its own.

    Attributes:
        graph: the graph that the engine runs.
        text: what happens, in a sentence.
        fraction: how much of a build is done, 0 to 1; None if nothing is being built.
        warning: the user has to do something about it.
    """

    graph: str
    text: str
    fraction: float | None = None
    warning: bool = False


Progress = Callable[[BuildNews], None]


def ensure_engines(
    bundle: Bundle,
    store: PlanStore,
    gpu: Gpu,
    clips: int = 1,
    *,
    library: Library = LIBRARIES[TENSORRT],
    allow_build: bool = False,
    progress: Progress = lambda news: None,
) -> dict[str, VerifiedPlan]:
    """Return a verified engine of every graph of a bundle that becomes one.

    Blocks for minutes if one is built, here or by another process. If the store cannot be written,
    a built engine lives in memory and is built again at the next start; ``progress`` is told so
    with a warning.

    Args:
        bundle: a verified bundle.
        store: the folder of engines.
        gpu: this machine's GPU, as the driver described it; for a portable library any.
        clips: that one run takes, one per camera.
        library: that builds and loads them.
        allow_build: build what is missing, damaged or for something else.
        progress: is told what happens; what it raises ends the build and comes out here.

    Raises:
        MissingPackage: the library cannot be imported.
        UnusablePlan: an engine is missing or damaged, and must not be built.
        UntrustedPlan: others could have written an engine or the store.
        BuildError: TensorRT builds no engine of a graph.
    """
    version = library.load().__version__
    builds = _Builds(bundle, store, library, version, library.target(gpu), clips, progress)
    graphs = [graph for graph in ENGINE_GRAPHS if graph in bundle.graphs]
    return {graph: builds.ensure(graph, allow_build) for graph in graphs}


@dataclass(frozen=True)
class _Builds:
    bundle: Bundle
    store: PlanStore
    library: Library
    version: str
    gpu: Gpu
    clips: int
    progress: Progress

    def ensure(self, graph: str, allow_build: bool) -> VerifiedPlan:
        identity = identify(self.bundle, graph, self.gpu, self.version, self.clips)
        try:
            return self.store.find(identity)
        except UnusablePlan as error:
            if not allow_build:
                raise
            self._tell(graph, f"building: {error.cause}")
        with self._alone(identity) as obstacle:
            with suppress(UnusablePlan):
                return self.store.find(identity)  # another process was faster
            manifest, content = self._build(identity)
            return self._keep(manifest, content, obstacle)

    @contextmanager
    def _alone(self, identity: PlanIdentity) -> Iterator[OSError | None]:
        """Keep other builders of this engine out, or give the reason why that is not possible."""
        obstacle = None
        with ExitStack() as stack:
            try:
                self.store.prepare()
                lock = self.store.locked(identity, partial(self._tell, identity.graph, _WAITING))
                stack.enter_context(lock)
            except OSError as error:
                obstacle = error
            yield obstacle

    def _build(self, identity: PlanIdentity) -> tuple[PlanManifest, bytes]:
        graph = identity.graph
        built = build_plan(
            self.library,
            self.gpu,
            graph_path(self.bundle, self.bundle.graphs[graph]),
            identity.clips,
            identity.queries,
            self.store.timing_cache(identity),
            lambda done: self._tell(graph, f"building engine {100 * done:.0f} %", done),
            query_tokens=self.bundle.max_query_tokens,
        )
        self._tell(graph, f"built in {built.seconds:.0f} s", 1.0)
        if built.timing_cache:
            with suppress(OSError):  # the next build is slower; the engine itself is what matters
                self.store.save_timing_cache(identity, built.timing_cache)
        return _describe(identity, built), built.content

    def _keep(
        self, manifest: PlanManifest, content: bytes, obstacle: OSError | None
    ) -> VerifiedPlan:
        graph = manifest.identity.graph
        try:
            if obstacle is not None:
                raise obstacle
            return self.store.save(manifest, content)
        except OSError as error:
            text = (
                f"the engine cannot be kept in {self.store.root} ({error.strerror or error}), "
                "so it lives in memory and is built again at the next start; make room there, or "
                "let VLJEPA_ENGINES name a folder that can be written"
            )
            self.progress(BuildNews(graph, text, warning=True))
            return VerifiedPlan(graph, None, manifest, lambda: content)

    def _tell(self, graph: str, text: str, fraction: float | None = None) -> None:
        self.progress(BuildNews(graph, text, fraction))


def _describe(identity: PlanIdentity, built: BuiltPlan) -> PlanManifest:
    return PlanManifest(
        identity=identity,
        plan_sha256=hashlib.sha256(built.content).hexdigest(),
        plan_bytes=len(built.content),
        inputs=built.inputs,
        outputs=built.outputs,
        build_seconds=round(built.seconds, 1),
    )
