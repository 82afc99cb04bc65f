# SPDX-License-Identifier: Apache-2.0
"""Every name, argument and number of NVIDIA's that is used exists in every release promised."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import vljepa_ros.runtime.tensorrt as package
from support import (
    fake_cuda_bindings,
    fake_nvidia,
    fake_pycuda,
    fake_tensorrt,
    fake_tensorrt_rtx,
    pycuda_api,
    real_tensorrt,
)
from support.real_bindings import FOLDER, VERSIONS, Bindings, compile_stub, read_bindings
from support.tensorrt_uses import missing

RTX_ONLY = "rtx.py"
SOURCES = sorted(Path(package.__file__).parent.glob("*.py"))
COMMON = [path for path in SOURCES if path.name != RTX_ONLY]
WRONG_SOMEWHERE = {
    "config.set_flag(trt.BuilderFlag.FP16)": "11.0.0.114",
    "flags = 1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)": "11.4.0.106",
    "print(engine.device_memory_size)": "11.4.0.106",
    "if builder.platform_has_fast_fp16: pass": "11.0.0.114",
    "config.int8_calibrator = calibrator": "11.0.0.114",
    "engine.create_execution_context_without_device_memory()": "11.4.0.106",
    "parser.load_model_proto(content)": "10.3.0",
    "config.hardware_compatibility_level = "
    "trt.HardwareCompatibilityLevel.SAME_COMPUTE_CAPABILITY": "10.3.0",
    "builder.build_serialized_network(network)": "10.3.0",
    "config.set_timing_cache(cache, ignore=False)": "11.4.0.106",
    "engine.create_execution_context(runtime_config=settings)": "10.3.0",
    "trt.Builder()": "10.16.1.11",
}


@pytest.fixture(scope="session")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_stub(tmp_path_factory.mktemp("tensorrt_stub"))


@pytest.fixture(scope="session")
def releases(stub: Path) -> dict[str, Bindings]:
    """Return what the bindings contain of every release that could be unpacked."""
    folders = [FOLDER / version for version in VERSIONS if (FOLDER / version).is_dir()]
    found = {it.name: read_bindings(it, "tensorrt_bindings", stub) for it in folders}
    if not found:
        pytest.skip(f"no TensorRT bindings in {FOLDER}: run `make test` with a network once")
    return found


@pytest.fixture(params=real_tensorrt.VERSIONS)
def rtx_release(request: pytest.FixtureRequest) -> Bindings:
    folder = real_tensorrt.FOLDER / request.param
    if not folder.is_dir():
        pytest.skip(f"no TensorRT-RTX in {folder}: run `make test` with a network once")
    return read_bindings(folder, real_tensorrt.MODULE)


@pytest.fixture(params=VERSIONS)
def release(request: pytest.FixtureRequest, releases: dict[str, Bindings]) -> Bindings:
    if request.param not in releases:
        pytest.skip(f"no bindings of TensorRT {request.param} for this Python or machine")
    return releases[request.param]


def test_the_bindings_are_what_their_folder_says(release: Bindings) -> None:
    assert (FOLDER / release.version).is_dir()
    assert release.members["Builder"].kind == "class"


def test_every_use_of_tensorrt_exists(release: Bindings, releases: dict[str, Bindings]) -> None:
    found = {
        path.name: missing(path.read_text(), release, releases.values(), fake_classes())
        for path in COMMON
    }
    assert not {name: complaints for name, complaints in found.items() if complaints}


def test_every_use_exists_in_tensorrt_rtx(rtx_release: Bindings) -> None:
    found = {
        path.name: missing(path.read_text(), rtx_release, [rtx_release], fake_classes())
        for path in SOURCES
    }
    timed = {"builder.py"}  # keeps what TensorRT timed, which TensorRT-RTX does not
    assert not {name: it for name, it in found.items() if it and name not in timed}
    nothing = Bindings("0.0", {})
    (source,) = (path.read_text() for path in SOURCES if path.name == RTX_ONLY)
    complaints = "\n".join(missing(source, nothing, [rtx_release], fake_classes()))
    for name in ("ComputeCapability", "create_runtime_config", "CudaGraphStrategy"):
        assert f"has no {name}" in complaints


def test_the_check_looks_at_every_use(releases: dict[str, Bindings]) -> None:
    """With a release that has nothing, all that builds and runs engines is missing."""
    nothing = Bindings("0.0", {})
    complaints = "\n".join(
        complaint
        for path in SOURCES
        for complaint in missing(path.read_text(), nothing, releases.values(), fake_classes())
    )
    for name in ("OnnxParser", "build_serialized_network", "Runtime", "execute_async_v3"):
        assert f"has no {name}" in complaints


@pytest.mark.parametrize(("snippet", "version"), WRONG_SOMEWHERE.items())
def test_old_and_too_new_calls_are_found(
    snippet: str, version: str, releases: dict[str, Bindings]
) -> None:
    if version not in releases:
        pytest.skip(f"no bindings of TensorRT {version} for this Python or machine")
    complaints = missing(snippet, releases[version], releases.values(), fake_classes())
    assert [version in complaint for complaint in complaints] == [True]


def test_the_fake_tensorrt_has_nothing_that_the_release_lacks(release: Bindings) -> None:
    check_fake(fake_tensorrt, release)


def test_the_fake_tensorrt_rtx_has_nothing_that_the_release_lacks(rtx_release: Bindings) -> None:
    check_fake(fake_tensorrt_rtx, rtx_release)


def check_fake(fake: ModuleType, release: Bindings) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fake_nvidia.be_release(patch, release.version)
        members = list(fake_members(fake))
    assert len(members) > 100
    for path, member in members:
        assert path in release.members, f"{release.version} has no {path}"
        check_alike(path, member, release)


def check_alike(path: str, member: Any, release: Bindings) -> None:
    real = release.members[path]
    if real.number is not None:
        assert int(member) == real.number, path
    if not inspect.isfunction(member) or not real.signatures:
        return
    parameters = [*inspect.signature(member).parameters.values()]
    names = [parameter.name for parameter in parameters if parameter.name != "self"]
    needed = sum(p.default is inspect.Parameter.empty for p in parameters) - (
        len(parameters) - len(names)
    )
    for given in range(needed, len(names) + 1):
        by_name = frozenset(names[:given])
        assert any(it.accepts(given) for it in real.signatures), path
        assert any(it.accepts(0, by_name) for it in real.signatures), path


def fake_classes() -> frozenset[str]:
    """Return the names of the classes of TensorRT and TensorRT-RTX that the fakes have."""
    return classes_of(fake_tensorrt) | classes_of(fake_tensorrt_rtx)


def classes_of(fake: ModuleType) -> frozenset[str]:
    return frozenset(
        name
        for name, value in vars(fake).items()
        if isinstance(value, type)
        and value.__module__ == fake.__name__
        and not name.startswith("_")
        and value is not fake_tensorrt.ProcessEnds
    )


def fake_members(fake: ModuleType) -> Any:
    """Yield the dotted name of everything public in a fake, and what it is."""
    for name in sorted(classes_of(fake_tensorrt) | classes_of(fake)):
        owner = getattr(fake, name)
        yield name, owner
        own = {key for kind in owner.__mro__[:-1] for key in vars(kind)}
        attributes = set(made_in_init(owner))
        for member in sorted(own | attributes):
            made_elsewhere = hasattr(int, member) or hasattr(bytes, member)
            if not member.startswith("_") and not (made_elsewhere and member not in vars(owner)):
                yield f"{name}.{member}", inspect.getattr_static(owner, member, None)
    for name in ("nptype", "volume", "float32", "float16", "uint8", "bool", "int32", "int64"):
        yield name, getattr(fake, name)


def made_in_init(owner: type) -> Any:
    """Yield the names of the attributes that a class gives itself in __init__."""
    if "__init__" not in vars(owner):
        return
    tree = ast.parse(textwrap.dedent(inspect.getsource(owner.__init__)))  # type: ignore[misc]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def test_the_fake_pycuda_is_like_the_list_that_was_read_from_its_sources() -> None:
    for name, (parameters, needed) in pycuda_api.FUNCTIONS.items():
        found = inspect.signature(getattr(fake_pycuda, name)).parameters.values()
        assert tuple(p.name for p in found) == parameters, name
        assert sum(p.default is p.empty for p in found) == needed, name
    for name, members in pycuda_api.CLASSES.items():
        assert all(hasattr_or_made(getattr(fake_pycuda, name), member) for member in members)
    for name in pycuda_api.ERRORS:
        assert issubclass(getattr(fake_pycuda, name), fake_pycuda.Error)
    assert public_names(fake_pycuda) == {
        *pycuda_api.FUNCTIONS,
        *pycuda_api.CLASSES,
        *pycuda_api.ERRORS,
        "Error",
    }


def test_an_installed_pycuda_is_like_the_list() -> None:
    pycuda = imported("pycuda.driver")
    for name, (parameters, needed) in pycuda_api.FUNCTIONS.items():
        # Boost writes down: name( (int)must_be_given [, (object)may_be=None]) -> ...
        head = re.search(rf"^{name}\((.*)\) -> ", getattr(pycuda, name).__doc__, re.MULTILINE)
        assert head is not None, name
        must, _, _ = head[1].partition("[")
        assert tuple(re.findall(r"\(\w+\)(\w+)", head[1])) == parameters, name
        assert len(re.findall(r"\(\w+\)\w+", must)) == needed, name
    for name, members in pycuda_api.CLASSES.items():
        assert all(hasattr(getattr(pycuda, name), member) for member in members), name
    for name in pycuda_api.ERRORS:
        assert issubclass(getattr(pycuda, name), pycuda.Error)


def test_an_installed_cuda_bindings_has_what_the_fake_has() -> None:
    real = imported("cuda.bindings.runtime")
    for name in public_names(fake_cuda_bindings):
        assert hasattr(real, name), name
        fake = getattr(fake_cuda_bindings, name)
        for member in getattr(fake, "__members__", {}):
            assert int(getattr(getattr(real, name), member)) == int(fake[member]), member


def imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"{name} cannot be imported: {error}")


def hasattr_or_made(owner: type, name: str) -> bool:
    return hasattr(owner, name) or name in made_in_init(owner)


def public_names(module: ModuleType) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    }
