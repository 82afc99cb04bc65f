# SPDX-License-Identifier: Apache-2.0
"""Fixtures for every test: a bundle that is built in a moment, and the one that is shipped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from support.colour_bundle import build_colour_bundle, build_streaming_bundle
from support.loopback_hub import LoopbackHub, loopback_hub, use_endpoint

# The same examples on every run, and no verdict on the speed of the machine.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("search", deadline=None, max_examples=2000, database=None)
hypothesis.settings.load_profile("steady")

# A shell starts background jobs deaf to Ctrl-C, and the programs that tests start inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

_DEFAULT_BUNDLE = Path(__file__).resolve().parents[1] / "engines" / "default"


@pytest.fixture(scope="session")
def colour_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny real bundle that sees colours. Do not write into it."""
    return build_colour_bundle(tmp_path_factory.mktemp("bundles") / "colour")


@pytest.fixture(scope="session")
def streaming_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the same with a memory. Do not write into it."""
    return build_streaming_bundle(tmp_path_factory.mktemp("bundles") / "streaming")


@pytest.fixture(scope="session")
def paper_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an exported tiny model of the paper's form. Do not write into it.

    Its weights lie beside the graphs. Tests that need it are skipped where the export cannot run.
    """
    for module in ("torch", "onnxscript", "transformers"):
        pytest.importorskip(module, reason="the export needs torch, onnxscript and transformers")
    from support.tiny_model import TINY_PAPER, contents, random_clips, tiny_model
    from vljepa_ros.model.export import contents as choices
    from vljepa_ros.model.export import export_bundle, onnx_file

    folder = tmp_path_factory.mktemp("paper")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_file, "EXTERNAL_BYTES", 1000)
        return export_bundle.export_bundle(
            tiny_model(TINY_PAPER),
            folder / "bundle",
            contents(TINY_PAPER, folder),
            random_clips(TINY_PAPER),
            choices.Choices(query_table=True),
        ).root


@pytest.fixture(scope="session")
def default_bundle() -> Path:
    """Return the folder of the bundle in engines/default; skip the test where there is none."""
    if not (_DEFAULT_BUNDLE / "manifest.json").is_file():
        pytest.skip(f"no default model in {_DEFAULT_BUNDLE}: train and export one (see README)")
    return _DEFAULT_BUNDLE


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Let torch use one thread: sums come out the same, and tests side by side do not wait."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A hub that huggingface_hub takes for the real one; it reads 1 kB at a time, never waits."""
    pytest.importorskip("huggingface_hub", reason="downloads need huggingface_hub")
    from huggingface_hub import constants

    with loopback_hub() as hub:
        use_endpoint(monkeypatch, hub.endpoint)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1024)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no_token"))
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub
