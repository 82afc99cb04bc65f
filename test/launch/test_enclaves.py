# SPDX-License-Identifier: Apache-2.0
"""The launch file gives each process the enclave that its policy is for."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from support.launch_api import described
from support.policies import FOLDER, read_policy

VLJEPA = Path(__file__).resolve().parents[2] / "launch" / "vljepa.launch.py"


@pytest.fixture(autouse=True)
def _own_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.parametrize("composed", ["true", "false"])
def test_each_process_has_the_enclave_of_a_policy(composed: str) -> None:
    result = described(VLJEPA, enclave="/vljepa", visualizer="true", use_composition=composed)
    enclaves = {read_policy(file)[0] for file in FOLDER.glob("*.policy.xml")}
    for node in result.nodes:
        flag, enclave = node.arguments[-2:]
        assert flag == "--enclave" and enclave == f"/vljepa/{node.executable}"
        assert enclave in enclaves


def test_without_the_argument_there_is_none() -> None:
    result = described(VLJEPA, visualizer="true")
    assert not any("--enclave" in node.arguments for node in result.nodes)
