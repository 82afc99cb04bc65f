# SPDX-License-Identifier: Apache-2.0
"""Engines of a bundle for the fake GPU, built in a folder of the test's own."""

from __future__ import annotations

from pathlib import Path

from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.tensorrt.driver import probe_gpu
from vljepa_ros.runtime.tensorrt.engines import ensure_engines
from vljepa_ros.runtime.tensorrt.plan_store import PlanStore, VerifiedPlan
from vljepa_ros.runtime.tensorrt.tensorrt_backend import EngineOptions


def build_engines(bundle: Bundle, folder: Path) -> dict[str, VerifiedPlan]:
    """Build the engines of a bundle; a folder below /tmp is nobody's own, so it is not trusted."""
    store = PlanStore(folder, allow_untrusted=True)
    return ensure_engines(bundle, store, probe_gpu(), allow_build=True)


def engines_in(folder: Path, **options: object) -> EngineOptions:
    """Return the options to use what :func:`build_engines` left in ``folder``."""
    return EngineOptions(folder=folder, allow_untrusted=True, **options)  # type: ignore[arg-type]
