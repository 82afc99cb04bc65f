# SPDX-License-Identifier: Apache-2.0
"""A `tensorrt` whose arithmetic is ONNX Runtime and whose memory is the fake GPU's.

It has what vljepa_ros uses and nothing else. test_bindings.py compares every name and signature
with NVIDIA's own bindings of five releases. It is as strict as they are: a call that must not be
made without a driver ends the process there and raises :class:`ProcessEnds` here, and what they
answer with None or False is None or False here. A plan is the ONNX file behind a header that says
which TensorRT and which GPU it is for, with a checksum over both.
"""

from __future__ import annotations

import enum
import hashlib
import json
import operator
import os
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from support import fake_gpu
from support.fake_gpu import CudaFailure

__version__ = "10.3.0"

BUILD_LOG = "FAKE_TENSORRT_BUILD_LOG"
"""Names a file that every build, in any process, adds a line to."""

_MAGIC = b"FAKEPLAN"
_CACHE_MAGIC = b"FAKETIMING"
_STEPS = 4
_END_GROUP = 4  # protobuf's kind of field that ends a group; "<" begins like one
_OPSETS = {"10.3": 20, "10.13": 24, "10.16": 24, "11.0": 25, "11.4": 25}
_SINCE = {"Attention": (10, 14), "RotaryEmbedding": (10, 15), "RMSNormalization": (10, 15)}


class ProcessEnds(BaseException):
    """Here the real library crashes the process, so nobody may catch this by accident."""


class _Enum(enum.Enum):
    """As pybind11 makes them: an int on request, and no arithmetic."""

    def __int__(self) -> int:
        return int(self.value)

    def __index__(self) -> int:
        return int(self.value)


class DataType(_Enum):
    FLOAT, HALF, INT8, INT32, BOOL, UINT8, FP8, BF16, INT64 = 0, 1, 2, 3, 4, 5, 6, 7, 8


class TensorIOMode(_Enum):
    NONE, INPUT, OUTPUT = 0, 1, 2


class MemoryPoolType(_Enum):
    WORKSPACE, DLA_MANAGED_SRAM, DLA_LOCAL_DRAM, DLA_GLOBAL_DRAM, TACTIC_DRAM = 0, 1, 2, 3, 4


class ProfilingVerbosity(_Enum):
    LAYER_NAMES_ONLY, NONE, DETAILED = 0, 1, 2


class HardwareCompatibilityLevel(_Enum):
    NONE, AMPERE_PLUS = 0, 1


class _Flags10(_Enum):
    STRONGLY_TYPED = 1


class _Flags11(_Enum):
    STRONGLY_TYPED, PREFER_JIT_PYTHON_PLUGINS, PREFER_AOT_PYTHON_PLUGINS = 0, 1, 2


class _FlagsRtx(_Enum):
    STRONGLY_TYPED = 0


_NEW_FLAGS = {"11": _Flags11, "1.7": _FlagsRtx}
NetworkDefinitionCreationFlag: type[_Enum] = _Flags10

float32, float16, int8, int32 = DataType.FLOAT, DataType.HALF, DataType.INT8, DataType.INT32
bool, uint8, int64 = DataType.BOOL, DataType.UINT8, DataType.INT64

_NUMPY = {
    DataType.FLOAT: np.float32,
    DataType.HALF: np.float16,
    DataType.INT8: np.int8,
    DataType.INT32: np.int32,
    DataType.BOOL: np.bool_,
    DataType.UINT8: np.uint8,
    DataType.INT64: np.int64,
}
_FROM_ONNX = {onnx.helper.np_dtype_to_tensor_dtype(np.dtype(v)): k for k, v in _NUMPY.items()}


def use_version(version: str) -> None:
    """Be another release; fake_nvidia calls this."""
    global __version__, NetworkDefinitionCreationFlag
    __version__ = version
    found = (flags for release, flags in _NEW_FLAGS.items() if version.startswith(release))
    NetworkDefinitionCreationFlag = next(found, _Flags10)


def nptype(trt_type: DataType) -> type:
    if trt_type not in _NUMPY:
        raise TypeError("Could not resolve TensorRT datatype to an equivalent numpy datatype.")
    return _NUMPY[trt_type]


def volume(iterable: Iterable[int]) -> int:
    result = 1
    for size in iterable:
        result *= size
    return result


class Dims:
    """A shape that is no tuple: it can be counted, indexed, iterated and compared."""

    MAX_DIMS = 8

    def __init__(self, shape: Any) -> None:
        self._sizes = _sizes(shape)

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, index: Any) -> Any:
        return self._sizes[index]

    def __eq__(self, other: object) -> Any:
        return isinstance(other, (Dims, tuple, list)) and self._sizes == _sizes(other)

    def __repr__(self) -> str:
        return repr(self._sizes)

    __hash__ = None  # type: ignore[assignment]


class _Overridable:
    """A class of pybind11 that Python extends: its __init__ must be called."""

    _made = False

    def __init__(self) -> None:
        self._made = True


class ILogger(_Overridable):
    class Severity(_Enum):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = 0, 1, 2, 3, 4

    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = Severity

    def log(self, severity: Severity, msg: str) -> None:
        raise NotImplementedError('Tried to call pure virtual function "ILogger::log"')


class Logger(ILogger):
    def __init__(self, min_severity: ILogger.Severity = ILogger.WARNING) -> None:
        super().__init__()
        self.min_severity = min_severity

    def log(self, severity: ILogger.Severity, msg: str) -> None:
        if int(severity) <= int(self.min_severity):
            print(f"[TRT] [{severity.name[0]}] {msg}")


class IProgressMonitor(_Overridable):
    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        raise NotImplementedError

    def step_complete(self, phase_name: str, step: int) -> Any:
        raise NotImplementedError

    def phase_finish(self, phase_name: str) -> None:
        raise NotImplementedError


class IHostMemory(bytes):
    """A buffer with a size in bytes, which has no length and no items."""

    @property
    def nbytes(self) -> int:
        return memoryview(self).nbytes

    @property
    def dtype(self) -> DataType:
        return DataType.INT8

    def __len__(self) -> int:
        raise TypeError("object of type 'IHostMemory' has no len()")

    def __getitem__(self, index: Any) -> Any:
        raise TypeError("'IHostMemory' object is not subscriptable")


class ITensor:
    def __init__(self, info: onnx.ValueInfoProto, model: onnx.ModelProto | None = None) -> None:
        kind = info.type.tensor_type
        self.name = info.name
        self.dtype = _FROM_ONNX[kind.elem_type]
        self._free_names = [size.dim_param for size in kind.shape.dim]
        self._sizes = kind.shape.dim
        self._model = model

    @property
    def shape(self) -> Dims:
        return Dims([s.dim_value if s.HasField("dim_value") else -1 for s in self._sizes])

    @shape.setter
    def shape(self, shape: Any) -> None:
        """Fix free sizes of a network's input, and with them those of the same name elsewhere."""
        assert self._model is not None, "only the network's own inputs take a shape"
        pairs = zip(self._sizes, _sizes(shape), strict=True)
        fixed = {size.dim_param: n for size, n in pairs if size.dim_param and n >= 0}
        for tensor in (*self._model.graph.input, *self._model.graph.output):
            for size in tensor.type.tensor_type.shape.dim:
                if size.dim_param in fixed:
                    size.dim_value = fixed[size.dim_param]


class INetworkDefinition:
    def __init__(self, strongly_typed: Any) -> None:
        self._strongly_typed = strongly_typed
        self._model: onnx.ModelProto | None = None

    @property
    def num_inputs(self) -> int:
        return 0 if self._model is None else len(self._model.graph.input)

    @property
    def num_outputs(self) -> int:
        return 0 if self._model is None else len(self._model.graph.output)

    def get_input(self, index: int) -> ITensor | None:
        info = _at(self._model.graph.input if self._model else (), index)
        return None if info is None else ITensor(info, self._model)

    def get_output(self, index: int) -> ITensor | None:
        info = _at(self._model.graph.output if self._model else (), index)
        return None if info is None else ITensor(info)


class ParserError:
    def __init__(self, text: str) -> None:
        self._text = text

    def desc(self) -> str:
        return self._text

    def node(self) -> int:
        return -1


class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        _check_made(logger)
        self._network = network
        self._logger = logger
        self._errors: list[ParserError] = []

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError | None:
        return _at(self._errors, index)

    def parse_from_file(self, model: str) -> Any:
        if type(model) is not str:
            raise TypeError(f"parse_from_file(): incompatible function arguments: {model!r}")
        try:
            if _parses_as_nothing(model):
                return True
            loaded = onnx.load(model)
            ort.InferenceSession(loaded.SerializeToString(), _options())
            _check_operators(loaded)
        except Exception as error:
            text = str(error).splitlines()[0] if str(error) else "Failed to parse the model"
            self._errors.append(ParserError(text))
            self._logger.log(ILogger.ERROR, f"ModelImporter.cpp: {text}")
            return False
        self._network._model = loaded
        return True


class IOptimizationProfile:
    def __init__(self) -> None:
        self._shapes: dict[str, tuple[tuple[int, ...], ...]] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        self._shapes[input] = _sizes(min), _sizes(opt), _sizes(max)  # looked at in the build

    def get_shape(self, input: str) -> list[Dims]:
        return [Dims(shape) for shape in self._shapes.get(input, ())]


class ITimingCache:
    def __init__(self, content: bytes) -> None:
        self._content = content or _CACHE_MAGIC

    def serialize(self) -> IHostMemory:
        return IHostMemory(self._content)


class IBuilderConfig:
    _capability: tuple[int, int] | None
    _times_kernels: Any = True

    def __init__(self) -> None:
        self._capability = fake_gpu.current().capability
        self.progress_monitor: IProgressMonitor | None = None
        self.builder_optimization_level = 3
        self.profiling_verbosity = ProfilingVerbosity.LAYER_NAMES_ONLY
        self.hardware_compatibility_level = HardwareCompatibilityLevel.NONE
        self._pools: dict[MemoryPoolType, int] = {}
        self._profiles: list[IOptimizationProfile] = []
        self._cache: ITimingCache | None = None

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        self._pools[pool] = pool_size

    def get_memory_pool_limit(self, pool: MemoryPoolType) -> int:
        return self._pools.get(pool, fake_gpu.current().memory)

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self._profiles.append(profile)
        return len(self._profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: Any) -> ITimingCache | None:
        content = bytes(memoryview(serialized_timing_cache))
        if content and not content.startswith(_CACHE_MAGIC):
            return None
        return ITimingCache(content)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: Any) -> Any:
        if not isinstance(cache, ITimingCache):
            raise TypeError("set_timing_cache(): incompatible function arguments")
        self._cache = cache
        return True

    def get_timing_cache(self) -> ITimingCache | None:
        return self._cache


class Builder:
    def __init__(self, logger: ILogger) -> None:
        _check_made(logger)
        if not fake_gpu.current().works:
            logger.log(ILogger.ERROR, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self._logger = logger

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        typed = operator.truth(flags & 1 << int(NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        return INetworkDefinition(typed or NetworkDefinitionCreationFlag is not _Flags10)

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(
        self, network: INetworkDefinition, config: IBuilderConfig
    ) -> IHostMemory | None:
        cause = _why_not_buildable(network, config)
        if cause is None and not self._went_through(config):
            cause = "Error Code 7: BuildCanceled (Build canceled by user)"
        if cause is not None:
            self._logger.log(ILogger.ERROR, f"IBuilder::buildSerializedNetwork: {cause}")
            return None
        if config._cache is not None:
            config._cache._content += b"."
        _note_build()
        return IHostMemory(_plan(network, config))

    def _went_through(self, config: IBuilderConfig) -> Any:
        monitor = config.progress_monitor
        if monitor is None:
            return True
        _check_made(monitor)
        monitor.phase_start("Building engine", None, _STEPS)
        monitor.phase_start("Timing tactics", "Building engine", 1)
        going = monitor.step_complete("Timing tactics", 0)
        monitor.phase_finish("Timing tactics")
        going = going and all(
            monitor.step_complete("Building engine", step) for step in range(_STEPS - 1)
        )
        monitor.phase_finish("Building engine")  # the last step is never told
        return going


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        _check_made(logger)
        self._logger = logger
        self._works = fake_gpu.current().works
        self.engine_host_code_allowed = False
        if not self._works:  # and yet the object looks valid
            logger.log(ILogger.ERROR, "CUDA initialization failure with error: 35")

    def deserialize_cuda_engine(self, serialized_engine: Any) -> ICudaEngine | None:
        if not self._works:
            raise ProcessEnds("segmentation fault: an engine was read without a driver")
        content = bytes(memoryview(serialized_engine))
        try:
            fake_gpu.current().enter("deserializeCudaEngine", context=False)
            return self._engine(*_read_plan(content), self._logger)
        except CudaFailure as failure:
            code = 2 if failure.code == fake_gpu.OUT_OF_MEMORY else 1
            kind = "OutOfMemory" if code == 2 else "Cuda Runtime"
            text = f"IRuntime::deserializeCudaEngine: Error Code {code}: {kind} ({failure})"
        except ValueError as error:
            text = f"IRuntime::deserializeCudaEngine: Error Code 1: Serialization ({error})"
        self._logger.log(ILogger.ERROR, text)
        return None

    @staticmethod
    def _engine(header: dict[str, Any], model: bytes, logger: ILogger) -> ICudaEngine:
        return ICudaEngine(header, model, logger)


class ICudaEngine:
    def __init__(self, header: dict[str, Any], model: bytes, logger: ILogger) -> None:
        self._header = header
        self._logger = logger
        self._weights = _Memory(len(model))
        self._session = ort.InferenceSession(model, _options())
        graph = onnx.load_from_string(model).graph
        self._inputs = {tensor.name: ITensor(tensor) for tensor in graph.input}
        self._outputs = {tensor.name: ITensor(tensor) for tensor in graph.output}
        self._tensors = {**self._inputs, **self._outputs}

    @property
    def num_io_tensors(self) -> int:
        return len(self._tensors)

    @property
    def num_optimization_profiles(self) -> int:
        return max(1, len(self._header["profiles"]))

    @property
    def device_memory_size_v2(self) -> int:
        return 1 << 16

    def get_tensor_name(self, index: int) -> str:
        return [*self._tensors][index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        if name not in self._tensors:
            return TensorIOMode.NONE
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return self._tensors[name].dtype

    def get_tensor_shape(self, name: str) -> Dims:
        return self._tensors[name].shape

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Dims]:
        return [Dims(shape) for shape in self._header["profiles"][profile_index][name]]

    def create_execution_context(self) -> IExecutionContext | None:
        try:
            fake_gpu.current().enter("createExecutionContext", context=False)
            return IExecutionContext(self)
        except CudaFailure as failure:
            text = f"ICudaEngine::createExecutionContext: Error Code 2: OutOfMemory ({failure})"
            self._logger.log(ILogger.ERROR, text)
            return None


class IExecutionContext:
    def __init__(self, engine: ICudaEngine) -> None:
        self.engine = engine
        self._scratch = _Memory(engine.device_memory_size_v2)
        self._addresses: dict[str, int] = {}
        self._shapes: dict[str, tuple[int, ...]] = {
            name: tuple(tensor.shape)
            for name, tensor in engine._inputs.items()
            if -1 not in tuple(tensor.shape)
        }

    def set_tensor_address(self, name: str, memory: int) -> Any:
        if type(memory) is not int:
            raise TypeError("set_tensor_address(): incompatible function arguments")
        if name not in self.engine._tensors:
            return self._refuse(f"{name} is not an input or output")
        self._addresses[name] = memory
        return True

    def get_tensor_address(self, name: str) -> int:
        return self._addresses.get(name, 0)

    def set_input_shape(self, name: str, shape: Any) -> Any:
        sizes = _sizes(shape)
        if name not in self.engine._inputs or not self._allows(name, sizes):
            return self._refuse(f"Static dimension mismatch or out of profile: {name} {sizes}")
        self._shapes[name] = sizes
        return True

    def get_tensor_shape(self, name: str) -> Dims:
        if name in self._shapes:
            return Dims(self._shapes[name])
        tensor = self.engine._tensors[name]
        sizes = self._sizes_of_names()
        free = zip(tuple(tensor.shape), tensor._free_names, strict=True)
        return Dims([sizes.get(of, -1) if size == -1 else size for size, of in free])

    def infer_shapes(self) -> list[str]:
        return [name for name in self.engine._inputs if name not in self._shapes]

    def execute_async_v3(self, stream_handle: int) -> Any:
        gpu = fake_gpu.current()
        try:
            gpu.enter("enqueueV3")
        except CudaFailure as failure:
            return self._refuse(f"Error Code 1: Cuda Runtime ({failure})")
        if self.infer_shapes():
            return self._refuse(f"input shapes are not specified: {self.infer_shapes()}")
        unset = [name for name in self.engine._tensors if not self._addresses.get(name)]
        if unset:
            return self._refuse(f"Neither address or allocator is set for {', '.join(unset)}")
        gpu.enqueue(stream_handle, self._work())
        return True

    def _work(self) -> Callable[[], None]:
        """Take down what to compute where, so that later calls do not change it."""
        engine = self.engine
        memory = {
            name: (self._addresses[name], tuple(self.get_tensor_shape(name)), tensor.dtype)
            for name, tensor in engine._tensors.items()
        }

        def work() -> None:
            inputs = {name: _array(*memory[name]).copy() for name in engine._inputs}
            outputs = engine._session.run([*engine._outputs], inputs)
            for name, values in zip(engine._outputs, outputs, strict=True):
                _array(*memory[name])[...] = values

        return work

    def _allows(self, name: str, sizes: tuple[int, ...]) -> Any:
        profiles = self.engine._header["profiles"]
        if profiles and name in profiles[0]:
            low, _, high = profiles[0][name]
            fits = zip(low, sizes, high, strict=True)
            return len(sizes) == len(low) and all(a <= b <= c for a, b, c in fits)
        return sizes == tuple(self.engine._inputs[name].shape)

    def _sizes_of_names(self) -> dict[str, int]:
        return {
            of: size
            for name, shape in self._shapes.items()
            for of, size in zip(self.engine._inputs[name]._free_names, shape, strict=True)
            if of
        }

    def _refuse(self, text: str) -> Any:
        self.engine._logger.log(ILogger.ERROR, f"IExecutionContext: {text}")
        return False


class _Memory:
    """Device memory that is given back with the object that holds this."""

    def __init__(self, size: int) -> None:
        gpu = fake_gpu.current()
        address = gpu.allocate(size, "cudaMalloc")
        weakref.finalize(self, gpu.release, address).atexit = False


def _check_made(object: Any) -> None:
    if not isinstance(object, _Overridable):
        raise TypeError("__init__(): incompatible constructor arguments")
    if not object._made:
        name = type(object).__name__
        raise TypeError(f"{name}.__init__() must be called when overriding __init__")


def _sizes(shape: Any) -> tuple[int, ...]:
    sizes = tuple(shape)
    if not all(type(size) is int for size in sizes):
        raise TypeError(f"incompatible function arguments: a shape of {sizes!r}")
    return sizes


def _at(items: Any, index: int) -> Any:
    """Return an item, or None as the libraries do if there is none of that number."""
    return items[index] if 0 <= index < len(items) else None


def _parses_as_nothing(file: str) -> Any:
    """Whether protobuf reads a message without fields: nothing, or what looks like its end."""
    with open(file, "rb") as stream:
        first = stream.read(1)
    return not first or first[0] & 7 == _END_GROUP


def _check_operators(model: onnx.ModelProto) -> None:
    release = ".".join(__version__.split(".")[:2])
    opset = next(entry.version for entry in model.opset_import if not entry.domain)
    if opset > _OPSETS.get(release, opset):
        raise ValueError(f"opset {opset} is not supported by this ONNX parser")
    for node in model.graph.node:
        if release in _OPSETS and _SINCE.get(node.op_type, (0, 0)) > _numbers(release):
            raise ValueError(f"No importer registered for op: {node.op_type}")


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


def _why_not_buildable(network: INetworkDefinition, config: IBuilderConfig) -> str | None:
    try:
        if config._times_kernels:
            fake_gpu.current().enter("buildSerializedNetwork", context=False)
    except CudaFailure as failure:
        return str(failure)
    if not network.num_outputs:
        return "Network must have at least one output."
    inputs = (network.get_input(index) for index in range(network.num_inputs))
    shapes = {tensor.name: tuple(tensor.shape) for tensor in inputs if tensor is not None}
    free = {name: shape for name, shape in shapes.items() if -1 in shape}
    if free and not config._profiles:
        return "Network has dynamic or shape inputs, but no optimization profile has been defined."
    profile = config._profiles[0]._shapes if config._profiles else {}
    complaints = (_why_not_in(profile.get(name), name, shape) for name, shape in free.items())
    return next(filter(None, complaints), None)


def _why_not_in(
    profile: tuple[tuple[int, ...], ...] | None, name: str, shape: tuple[int, ...]
) -> str | None:
    """Say why the sizes of a profile cannot be those of an input with free sizes."""
    if profile is None:
        return f"Dynamic input tensor {name} is missing dimensions in profile 0."
    if any(len(sizes) != len(shape) for sizes in profile):
        return f"Dynamic-shaped input tensor {name} has {len(shape)} dimensions but profile 0 not."
    fixed = (sizes[axis] for axis, size in enumerate(shape) if size != -1 for sizes in profile)
    expected = (size for size in shape if size != -1 for _ in profile)
    grows = all(a <= b <= c for a, b, c in zip(*profile, strict=True))
    if not grows or any(a != b for a, b in zip(fixed, expected, strict=True)):
        return f"Dimension mismatch for tensor {name} and profile 0."
    return None


def _note_build() -> None:
    if BUILD_LOG in os.environ:
        with open(os.environ[BUILD_LOG], "a") as file:
            file.write(f"{os.getpid()}\n")


def _plan(network: INetworkDefinition, config: IBuilderConfig) -> bytes:
    assert network._model is not None
    header = {
        "version": __version__,
        "capability": config._capability,
        "strongly_typed": network._strongly_typed,
        "profiles": [profile._shapes for profile in config._profiles],
    }
    head = json.dumps(header).encode()
    body = len(head).to_bytes(4, "big") + head + network._model.SerializeToString()
    return _MAGIC + hashlib.sha256(body).digest() + body


def _read_plan(content: bytes) -> tuple[dict[str, Any], bytes]:
    if not content.startswith(_MAGIC):
        raise ValueError("magicTag assertion: the engine plan file is not valid")
    digest, body = content[8:40], content[40:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("checksum mismatch: the engine plan file is damaged")
    end = 4 + int.from_bytes(body[:4], "big")
    header: dict[str, Any] = json.loads(body[4:end])
    if header["version"] != __version__:
        raise ValueError(f"version tag mismatch: made by {header['version']}, not {__version__}")
    capability = header["capability"]
    oldest = fake_gpu.current().capability >= (8, 0)
    if not (oldest if capability is None else tuple(capability) == fake_gpu.current().capability):
        raise ValueError("the engine was built for a GPU of another compute capability")
    return header, body[end:]


def _array(address: int, shape: tuple[int, ...], dtype: DataType) -> NDArray[Any]:
    kind = np.dtype(_NUMPY[dtype])
    size = kind.itemsize * volume(shape)
    return fake_gpu.current().view(address, size).view(kind).reshape(shape)


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return options
