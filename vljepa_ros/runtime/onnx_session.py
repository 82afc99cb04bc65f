# SPDX-License-Identifier: Apache-2.0
"""One graph of a bundle as an ONNX Runtime session, with the settings that suit a robot.

Worker threads do not spin: by default ONNX Runtime burns a core between two frames to save a few
microseconds of wake-up, which a robot's other programs pay for. A graph is read as verified bytes,
so what runs is what the manifest describes. Only if the manifest lists a file of weights beside
it, which was compared when the bundle was loaded, ONNX Runtime opens both by their paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime as ort
from numpy.typing import NDArray

from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.bundle import EXTERNAL, Bundle, BundleError
from vljepa_ros.runtime.stream_memory import NEXT, PAST, SEEN, TIME

_ERRORS_ONLY = 3
_INPUTS = {
    "frame_encoder": {"frame": "tensor(uint8)"},
    "predictor": {
        "visual_tokens": "tensor(float)",
        "query_tokens": "tensor(float)",
        "query_mask": "tensor(bool)",
    },
    "y_encoder": {"input_ids": "tensor(int64)"},
    "y_decoder": {"embedding": "tensor(float)"},
}
_FRAMES = {"frames": "tensor(uint8)"}
_FEATURES = {"features": "tensor(float)"}
_OUTPUTS = {
    "frame_encoder": ("features",),
    "x_encoder": ("visual_tokens",),
    "predictor": ("embeddings",),
    "y_encoder": ("embedding",),
    "y_decoder": ("words", "probability"),
}


class OnnxGraph:
    """A loaded graph. :meth:`run` may be called from several threads."""

    def __init__(self, bundle: Bundle, graph: str, threads: int = 1) -> None:
        """Load ``graph`` (a key of ``bundle.graphs``) with ``threads`` compute threads.

        Raises:
            BundleError: the file does not verify, or ONNX Runtime refuses it.
        """
        self.name = graph
        self._outputs = [*_expected_outputs(bundle, graph)]
        file = bundle.cpu_graphs.get(graph, bundle.graphs[graph])
        by_path = bundle.holds_weights_of(file)
        model = str(graph_path(bundle, file)) if by_path else bundle.read(file)
        try:
            session = ort.InferenceSession(
                model,
                session_options(threads),
                providers=["CPUExecutionProvider"],
                enable_fallback=0,  # it prints, and loads a graph that failed once more
            )
        except Exception as error:  # ONNX Runtime's errors share no other base class.
            cause = f"ONNX Runtime {ort.__version__} cannot load it ({_first_line(error)})"
            remedy = "export the bundle again, or install a newer onnxruntime"
            raise BundleError(bundle.root / file, cause, remedy) from error
        _check_interface(bundle, graph, file, session)
        self._session: ort.InferenceSession | None = session

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the graph once and return its outputs in the documented order.

        Raises:
            BackendError: the graph is closed, or ONNX Runtime refuses the inputs.
        """
        session = self._session
        if session is None:
            raise BackendError(f"{self.name} is closed")
        try:
            outputs: list[NDArray[Any]] = session.run(self._outputs, dict(inputs))
        except Exception as error:  # ONNX Runtime's errors share no other base class.
            raise BackendError(f"{self.name} failed: {_first_line(error)}") from error
        return outputs

    def sizes(self, name: str) -> list[int | str]:
        """Return the sizes of an input; a free one is a name.

        Raises:
            BackendError: the graph is closed.
        """
        if self._session is None:
            raise BackendError(f"{self.name} is closed")
        shapes: dict[str, list[int | str]] = {
            node.name: node.shape for node in self._session.get_inputs()
        }
        return shapes[name]

    def close(self) -> None:
        """Let the session go. A call that still runs in another thread ends normally."""
        self._session = None


def session_options(threads: int) -> ort.SessionOptions:
    """Return the settings that every graph runs with; a fair benchmark uses them too."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _ERRORS_ONLY
    return options


def graph_path(bundle: Bundle, file: str) -> Path:
    """Return the real path of a graph's file, so that links (colcon) lead to its weights as well.

    Raises:
        BundleError: its weights lie in another folder than the graph.
    """
    path = (bundle.root / file).resolve()
    if bundle.holds_weights_of(file):
        weights = (bundle.root / (file + EXTERNAL)).resolve()
        if weights != path.with_name(path.name + EXTERNAL):
            cause = f"leads to {weights}, which is not beside {path}"
            raise BundleError(bundle.root / (file + EXTERNAL), cause, "copy the bundle again")
    return path


def _expected_inputs(bundle: Bundle, graph: str) -> dict[str, str]:
    if graph != "x_encoder":
        return _INPUTS[graph]
    seen = _FRAMES if bundle.pixels else _FEATURES
    if bundle.memory is None:
        return seen
    state = {PAST + name: "tensor(float)" for name in bundle.memory.state}
    return {**seen, TIME: "tensor(float)", SEEN: "tensor(bool)", **state}


def _expected_outputs(bundle: Bundle, graph: str) -> tuple[str, ...]:
    if graph == "x_encoder" and bundle.memory is not None:
        return (*_OUTPUTS[graph], *(NEXT + name for name in bundle.memory.state))
    gives_queries = graph == "y_encoder" and bundle.query_tokens is None
    return (*_OUTPUTS[graph], "token_states") if gives_queries else _OUTPUTS[graph]


def _check_interface(bundle: Bundle, graph: str, file: str, session: ort.InferenceSession) -> None:
    inputs = {node.name: node.type for node in session.get_inputs()}
    outputs = {node.name for node in session.get_outputs()}
    takes, gives = _expected_inputs(bundle, graph), _expected_outputs(bundle, graph)
    if inputs == takes and outputs >= set(gives):
        return
    raise BundleError(
        bundle.root / file,
        f"as {graph} it must take {takes} and give {gives}, "
        f"but it takes {inputs} and gives {tuple(sorted(outputs))}",
        "export the bundle again",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
