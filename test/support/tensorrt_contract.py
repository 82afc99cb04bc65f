# SPDX-License-Identifier: Apache-2.0
"""What TensorRT answers, question by question: the fake must answer as NVIDIA's libraries do.

An answer is a plain value. An error is the name of its class; words differ, and are not compared.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from vljepa_ros.runtime.tensorrt.tensorrt_log import collecting_logger

_ROWS = (1, 4), (2, 4), (3, 4)


def answers(trt: Any, folder: Path) -> dict[str, Any]:
    """Put every question to a library; files for it are written into the folder."""
    asking = _Asking(trt, folder)
    questions = {
        name: getattr(asking, name) for name in sorted(vars(_Asking)) if not name.startswith("_")
    }
    return {name: _answer(question) for name, question in questions.items()}


def _answer(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except Exception as error:
        return type(error).__name__


class _Asking:
    def __init__(self, trt: Any, folder: Path) -> None:
        self._trt = trt
        self._folder = folder
        self._log = collecting_logger(trt)
        self._builder = trt.Builder(self._log)
        self._file = _model(folder, "Relu")

    # the parser

    def nothing_parses_as_a_graph(self) -> Any:
        return self._parse_bytes(b"")

    def html_parses_as_a_graph(self) -> Any:
        return self._parse_bytes(b"<html>not found</html>" * 9)

    def words_do_not_parse(self) -> Any:
        return self._parse_bytes(b"no graph")

    def half_a_graph_does_not_parse(self) -> Any:
        whole = self._file.read_bytes()
        return self._parse_bytes(whole[: len(whole) // 2])

    def a_missing_file_does_not_parse(self) -> Any:
        return self._parsed(self._folder / "missing")

    def a_folder_does_not_parse(self) -> Any:
        return self._parsed(self._folder)

    def an_unknown_operator_does_not_parse(self) -> Any:
        return self._parsed(_model(self._folder, "NoSuchOperator"))[:2]

    def a_path_is_no_str(self) -> Any:
        network = self._network()
        return self._trt.OnnxParser(network, self._log).parse_from_file(self._file)

    def there_is_no_error_of_that_number(self) -> Any:
        return self._trt.OnnxParser(self._network(), self._log).get_error(7)

    # the network

    def there_are_no_tensors_of_that_number(self) -> Any:
        network = self._graph()
        return [network.get_input(7), network.get_input(-1), network.get_output(7)]

    def shapes(self) -> Any:
        shape = self._graph().get_input(0).shape
        return [tuple(shape), shape == (-1, 4), shape == [-1, 4], shape[0], shape[-1], len(shape)]

    def a_shape_has_no_hash(self) -> Any:
        return hash(self._graph().get_input(0).shape)

    def a_size_that_is_fixed_goes_on_to_the_output(self) -> Any:
        network = self._graph()
        network.get_input(0).shape = (3, 4)
        return [tuple(network.get_input(0).shape), tuple(network.get_output(0).shape)]

    def sizes_are_whole(self) -> None:
        self._graph().get_input(0).shape = (3.0, 4)

    def types(self) -> Any:
        dtype = self._graph().get_input(0).dtype
        return [dtype.name, int(dtype), dtype == self._trt.float32, dtype == 0]

    def enumerations_are_no_numbers(self) -> Any:
        return self._trt.float32 + 1

    def flags_are_shifted_as_int_alone(self) -> Any:
        return 1 << self._trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED

    # profiles and the build

    def a_profile_keeps_what_it_is_given(self) -> Any:
        profile = self._builder.create_optimization_profile()
        profile.set_shape("x", *reversed(_ROWS))
        shapes = [tuple(shape) for shape in profile.get_shape("x")]
        return [shapes, profile.get_shape("unknown")]

    def profiles_are_counted(self) -> Any:
        config = self._builder.create_builder_config()
        return [config.add_optimization_profile(self._profile("x", _ROWS)) for _ in range(2)]

    def a_free_size_needs_a_profile(self) -> Any:
        return self._builds()

    def a_profile_names_the_input(self) -> Any:
        return self._builds(self._profile("unknown", _ROWS))

    def a_profile_has_the_rank_of_the_input(self) -> Any:
        return self._builds(self._profile("x", ((1,), (2,), (3,))))

    def a_profile_has_the_fixed_sizes_of_the_input(self) -> Any:
        return self._builds(self._profile("x", ((1, 5), (2, 5), (3, 5))))

    def a_profile_grows(self) -> Any:
        return self._builds(self._profile("x", tuple(reversed(_ROWS))))

    def a_good_profile_builds(self) -> Any:
        return self._builds(self._profile("x", _ROWS))

    def a_network_of_nothing_does_not_build(self) -> Any:
        config = self._builder.create_builder_config()
        return self._builder.build_serialized_network(self._network(), config)

    def what_was_built_is_a_buffer(self) -> Any:
        plan = self._built(self._profile("x", _ROWS))
        kinds = [type(plan).__name__, plan.dtype.name, plan.nbytes == len(bytes(plan))]
        return [*kinds, memoryview(plan).itemsize]

    def a_buffer_has_no_length(self) -> Any:
        return len(self._built(self._profile("x", _ROWS)))

    def a_monitor_that_answers_nothing_ends_a_build(self) -> Any:
        return self._built(self._profile("x", _ROWS), self._monitor([]))

    def the_last_phase_to_end_is_the_outermost(self) -> Any:
        told: list[tuple[str, Any]] = []
        self._built(self._profile("x", _ROWS), self._monitor(told, goes_on=True))
        name, _, parent, steps = told[0]
        last = max(entry[2] for entry in told if entry[:2] == (name, "step"))
        return [parent, told[-1] == (name, "finish"), last < steps]

    def scratch_memory(self) -> Any:
        config, pool = self._builder.create_builder_config(), self._trt.MemoryPoolType.WORKSPACE
        config.set_memory_pool_limit(pool, 1 << 20)
        return config.get_memory_pool_limit(pool)

    def defaults(self) -> Any:
        config = self._builder.create_builder_config()
        enumerated = config.profiling_verbosity.name, config.hardware_compatibility_level.name
        return [config.builder_optimization_level, *enumerated, config.progress_monitor]

    # the rest

    def a_logger_is_made_by_its_own_class(self) -> Any:
        class Unmade(self._trt.ILogger):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                pass

        return self._trt.Builder(Unmade())

    def there_must_be_a_logger(self) -> Any:
        return self._trt.Builder(None)

    def numpy_types(self) -> Any:
        names = "float32", "float16", "int8", "int32", "bool", "uint8", "int64"
        return [self._trt.nptype(getattr(self._trt, name)).__name__ for name in names]

    def some_types_are_not_numpys(self) -> Any:
        return self._trt.nptype(self._trt.DataType.BF16)

    def volumes(self) -> Any:
        return [self._trt.volume((2, 3)), self._trt.volume(())]

    def targets(self) -> Any:
        config = self._builder.create_builder_config()
        before = config.num_compute_capabilities
        config.num_compute_capabilities = 1
        target = self._trt.ComputeCapability.SM89
        set_at = [config.set_compute_capability(target, index) for index in (0, 1)]
        return [before, config.num_compute_capabilities, *set_at]

    def _network(self) -> Any:
        flag = 1 << int(self._trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        return self._builder.create_network(flag)

    def _graph(self) -> Any:
        network = self._network()
        self._parser = self._trt.OnnxParser(network, self._log)
        assert self._parser.parse_from_file(str(self._file))
        return network

    def _parse_bytes(self, content: bytes) -> Any:
        file = self._folder / "file"
        file.write_bytes(content)
        return self._parsed(file)

    def _parsed(self, file: Path) -> Any:
        network = self._network()
        parser = self._trt.OnnxParser(network, self._log)
        return [parser.parse_from_file(str(file)), parser.num_errors, network.num_outputs]

    def _profile(self, name: str, shapes: tuple[tuple[int, ...], ...]) -> Any:
        profile = self._builder.create_optimization_profile()
        profile.set_shape(name, *shapes)
        return profile

    def _built(self, profile: Any = None, monitor: Any = None) -> Any:
        config = self._builder.create_builder_config()
        if profile is not None:
            config.add_optimization_profile(profile)
        config.progress_monitor = monitor
        return self._builder.build_serialized_network(self._graph(), config)

    def _builds(self, profile: Any = None) -> bool:
        return self._built(profile) is not None

    def _monitor(self, told: list[Any], *, goes_on: bool | None = None) -> Any:
        trt = self._trt

        class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                trt.IProgressMonitor.__init__(self)

            def phase_start(self, name: str, parent: str | None, steps: int) -> None:
                told.append((name, "start", parent, steps))

            def step_complete(self, name: str, step: int) -> bool | None:
                told.append((name, "step", step))
                return goes_on

            def phase_finish(self, name: str) -> None:
                told.append((name, "finish"))

        return Monitor()


def _model(folder: Path, operator: str) -> Path:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"])],
        operator,
        [value("x", TensorProto.FLOAT, ["rows", 4])],
        [value("y", TensorProto.FLOAT, ["rows", 4])],
    )
    opset = [helper.make_opsetid("", 18)]
    file = folder / f"{operator}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(file))
    return file
