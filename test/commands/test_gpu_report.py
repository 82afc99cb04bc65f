# SPDX-License-Identifier: Apache-2.0
"""The report that a person with a GPU sends back, on the fake GPU; and what it expects."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from support import fake_nvidia
from support.driver_stub import build_driver
from support.fake_gpu import FakeGpu
from vljepa_ros.commands import gpu_report
from vljepa_ros.runtime.bundle import Bundle

ROOT = Path(__file__).resolve().parents[2]


def report(monkeypatch, capsys, *arguments: str) -> dict[str, str]:
    """Run the command; return its table."""
    monkeypatch.setattr(gpu_report, "RUNS", 3)
    assert gpu_report.main(arguments) == 0
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", capsys.readouterr().out, re.MULTILINE)
    return dict(rows)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeGpu:
    return fake_nvidia.install(monkeypatch, build_driver(tmp_path))


@pytest.fixture
def polygraphy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program of that name on the path, which fails for one graph and keeps its words."""
    program = tmp_path / "bin" / "polygraphy"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/words\n'
        'echo "said at the end"\ncase "$2" in *predictor*) exit 1;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "words"


def test_the_report_says_what_was_built_compared_and_measured(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path, polygraphy: Path, monkeypatch, capsys
) -> None:
    where = ["--bundle", str(colour_bundle), "--engines", str(tmp_path / "engines")]
    found = report(monkeypatch, capsys, *where, "--allow-untrusted", "--polygraphy")
    assert found["bundle"] == "colour 1, fp32"
    assert found["library"] == "TensorRT 10.3.0"
    assert {"board", "release", "GPU", "memory of the model"} <= set(found)
    for graph in ("frame_encoder", "x_encoder", "predictor"):
        assert re.fullmatch(r"\d+ MB, built in \d+ s", found[f"engine {graph}"])
    assert found["least cosine with ONNX Runtime in fp32"] == "1.00000"
    for call in ("one frame", "one clip, 1 query", "one clip, 2 queries"):
        assert re.fullmatch(r"[\d.]+ ms, p90 [\d.]+ ms, of 3 runs", found[call])
    assert found["polygraphy x_encoder"] == "passed: said at the end"
    assert found["polygraphy predictor"] == "FAILED: said at the end"
    words = polygraphy.read_text()
    assert f"run {colour_bundle}/x_encoder.onnx --trt --onnxrt --strongly-typed" in words


def test_without_polygraphy_the_report_says_so(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    where = ["--bundle", str(colour_bundle), "--engines", str(tmp_path / "engines")]
    found = report(monkeypatch, capsys, *where, "--allow-untrusted", "--polygraphy")
    assert found["polygraphy x_encoder"] == "not installed"
    assert (found["power"], found["driver"]) == ("unknown", "unknown")


def test_a_pc_is_described_by_nvidia_smi(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    fake_nvidia.install(monkeypatch, build_driver(tmp_path), gpu=gpu, version="1.7.1.116")
    program = tmp_path / "nvidia-smi"
    program.write_text(
        '#!/bin/sh\ncase "$2" in *driver*) echo 580.95.05;; *power*) echo "450.00 W";; '
        '*) echo "812 MiB";; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    where = ["--bundle", str(colour_bundle), "--engines", str(tmp_path / "engines")]
    found = report(monkeypatch, capsys, *where, "--allow-untrusted", "--polygraphy")
    assert found["library"] == "TensorRT-RTX 1.7.1.116"
    assert (found["driver"], found["power"]) == ("580.95.05", "450.00 W")
    assert found["memory of the model"] == "0 MB"
    assert found["polygraphy x_encoder"] == "not run with TensorRT-RTX"


def test_the_documentation_names_every_row(
    gpu: FakeGpu, colour_bundle: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    where = ["--bundle", str(colour_bundle), "--engines", str(tmp_path / "engines")]
    found = report(monkeypatch, capsys, *where, "--allow-untrusted")
    page = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `(.+?)` \| ", page, re.MULTILINE)
    assert set(map(general, named)) == set(map(general, found)) - {"what"}


def general(row: str) -> str:
    """Return the row that stands for those of every graph, or of every number of queries."""
    return re.sub(r"^engine .+|[\dN]+ quer.+", "each", row)


def test_a_machine_without_a_gpu_is_told_in_one_line(
    colour_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    fake_nvidia.install(monkeypatch, build_driver(tmp_path, status=100))
    assert gpu_report.main(["--bundle", str(colour_bundle)]) == 1
    assert re.fullmatch(r"gpu_report: .+NO_DEVICE.+\n", capsys.readouterr().err)


def test_what_to_expect_follows_from_the_products(colour_bundle: Path, tmp_path: Path) -> None:
    """A product of 1000 x 2000 x 500 has 2 GFLOP and a factor of 2 MB in half precision."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2000, 500], [0.0] * 1_000_000)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [value("x", TensorProto.FLOAT, ["Q", 1000, 2000])],
        [value("y", TensorProto.FLOAT, ["Q", 1000, 500])],
        [weight],
    )
    file = tmp_path / "product.onnx"
    onnx.save(helper.make_model(graph), str(file))
    graphs = {"x_encoder": file.name, "predictor": file.name}
    bundle = replace(Bundle.load(colour_bundle), root=tmp_path, graphs=graphs)
    lines = list(gpu_report.computed(bundle))
    assert "| x_encoder | 2.0 | 2 | 8.0 |" in lines
    # 4 MB of weights and twice the largest value; 4 GFLOP at 65 % and 50 % of 25 TFLOP/s
    assert "| Orin NX 16 GB (Super) | 20 | 0.2 to 0.3 |" in lines


def test_convolutions_count_what_each_result_sums() -> None:
    shapes = {"x": (1, 4, 8, 8), "w": (6, 2, 3, 3), "y": (1, 6, 8, 8)}
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=2)
    assert gpu_report._flop(node, shapes) == 2 * 6 * 8 * 8 * 2 * 3 * 3
    assert gpu_report._flop(helper.make_node("Add", ["x", "w"], ["y"]), shapes) == 0
