# SPDX-License-Identifier: Apache-2.0
"""Engines for the tests of the store: bytes with an identity, and a store that holds them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from vljepa_ros.runtime.tensorrt.driver import Gpu
from vljepa_ros.runtime.tensorrt.plan_key import PlanIdentity
from vljepa_ros.runtime.tensorrt.plan_manifest import PlanManifest, TensorInfo
from vljepa_ros.runtime.tensorrt.plan_store import PlanStore

ORIN = Gpu("Orin", "8.7", 8000, "12.6", 8)
IDENTITY = PlanIdentity(
    graph="predictor",
    space_id="colour-1",
    onnx_sha256="0" * 64,
    precision="fp32",
    clips=1,
    queries=(1, 2, 64),
    tensorrt="10.3.0",
    cuda="12.6",
    compute_capability="8.7",
    device="Orin with 8 multiprocessors",
)
CONTENT = bytes(range(256)) * 8192  # 2 MiB, so that it is read in pieces


def identity(**changes: object) -> PlanIdentity:
    """Return an identity in which some fields differ."""
    return replace(IDENTITY, **changes)  # type: ignore[arg-type]


def manifest_of(content: bytes = CONTENT, **changes: object) -> PlanManifest:
    """Return the manifest of an engine with this content."""
    return PlanManifest(
        identity=identity(**changes),
        plan_sha256=hashlib.sha256(content).hexdigest(),
        plan_bytes=len(content),
        inputs={"query_tokens": TensorInfo("FLOAT", (-1, 8, 12))},
        outputs={"embeddings": TensorInfo("FLOAT", (-1, 10))},
        build_seconds=1.5,
    )


def stored(root: Path, content: bytes = CONTENT) -> PlanStore:
    """Return a store below a shared folder for temporary files that holds one engine."""
    store = PlanStore(root, allow_untrusted=True)
    store.prepare()
    store.save(manifest_of(content), content)
    return store
