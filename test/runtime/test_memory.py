# SPDX-License-Identifier: Apache-2.0
"""What a loaded model holds is what it needs."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = 4096
SLACK = 20 << 20  # bytes

# The resident memory of a process that has loaded the model, and after giving back all it can.
PROGRAM = """
import ctypes, sys
from vljepa_ros.runtime.model import VLJepa

def resident():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1])

model = VLJepa.load(sys.argv[1])
print(resident())
ctypes.CDLL(None).malloc_trim(0)
print(resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked")
def test_loading_leaves_no_free_memory_behind(default_bundle: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(default_bundle)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    loaded, trimmed = map(int, done.stdout.split())
    assert (loaded - trimmed) * PAGE < SLACK
