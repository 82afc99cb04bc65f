# SPDX-License-Identifier: Apache-2.0
"""An engine's key changes with everything that the engine depends on, and with nothing else."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from support.colour_bundle import build_colour_bundle, seal
from support.plans import IDENTITY, ORIN, identity
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.tensorrt.plan_key import ENGINE_GRAPHS, PlanIdentity, identify


@pytest.mark.parametrize("field", [field.name for field in fields(PlanIdentity)])
def test_every_field_counts(field: str) -> None:
    other = {"queries": (1, 3, 64), "clips": 2}.get(field, "other")
    changed = identity(**{field: other})
    assert changed.key != IDENTITY.key
    assert IDENTITY.differences(changed) == [
        f"{field} {other} instead of {getattr(IDENTITY, field)}"
    ]


def test_the_key_is_the_name_of_a_folder_and_says_the_graph() -> None:
    assert re.fullmatch(r"predictor-[0-9a-f]{64}", IDENTITY.key)
    assert identity().key == IDENTITY.key


def test_measurements_are_shared_by_all_graphs_of_a_machine_only() -> None:
    assert identity(graph="x_encoder", onnx_sha256="1" * 64).machine == IDENTITY.machine
    assert identity(tensorrt="10.7.0").machine != IDENTITY.machine
    assert identity(device="Thor").machine != IDENTITY.machine


def test_only_the_predictor_depends_on_the_number_of_queries(colour_bundle: Path) -> None:
    bundle = Bundle.load(colour_bundle)
    assert identify(bundle, "predictor", ORIN, "10.3.0").queries == (1, 2, 64)
    assert identify(bundle, "x_encoder", ORIN, "10.3.0").queries == ()


def test_every_graph_depends_on_the_number_of_clips(colour_bundle: Path) -> None:
    bundle = Bundle.load(colour_bundle)
    for graph in ENGINE_GRAPHS:
        one, two = (identify(bundle, graph, ORIN, "10.3.0", clips) for clips in (1, 2))
        assert one.key != two.key


def test_the_machine_and_the_bundle_are_in_it(colour_bundle: Path) -> None:
    bundle = Bundle.load(colour_bundle)
    found = identify(bundle, "x_encoder", ORIN, "10.3.0")
    assert found.device == "Orin with 8 multiprocessors"
    assert (found.compute_capability, found.cuda) == ("8.7", "12.6")
    assert (found.space_id, found.precision, found.tensorrt) == ("colour-1", "fp32", "10.3.0")
    assert found.onnx_sha256 == bundle.files["x_encoder.onnx"].sha256
    assert identify(replace(bundle, precision="fp16"), "x_encoder", ORIN, "10.3.0") != found


def test_a_large_gpu_of_the_same_name_is_another_one(colour_bundle: Path) -> None:
    bundle = Bundle.load(colour_bundle)
    large = identify(bundle, "x_encoder", replace(ORIN, multiprocessors=16), "10.3.0")
    assert large.key != identify(bundle, "x_encoder", ORIN, "10.3.0").key


def test_weights_beside_the_graph_count(tmp_path: Path) -> None:
    root = build_colour_bundle(tmp_path / "bundle")
    (root / "x_encoder.onnx.data").write_bytes(b"some weights")
    before = identify(seal(root), "x_encoder", ORIN, "10.3.0")
    (root / "x_encoder.onnx.data").write_bytes(b"more weights")
    after = identify(seal(root), "x_encoder", ORIN, "10.3.0")
    assert before.onnx_sha256 != after.onnx_sha256
