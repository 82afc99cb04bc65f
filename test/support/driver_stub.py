# SPDX-License-Identifier: Apache-2.0
"""A stand-in for libcuda.so.1, compiled when a test needs it: a driver with one GPU, or with none.

It answers the calls that describe the GPU, as the real one does, and nothing else.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

LIBRARY = "libcuda.so.1"

_SOURCE = r"""
#include <string.h>
int cuInit(unsigned flags) { return STATUS; }
int cuGetErrorName(int status, const char **name) {
    *name = "CUDA_ERROR_NO_DEVICE";
    return status == 100 ? 0 : 1;
}
#ifndef OLD
int cuDriverGetVersion(int *version) { *version = 12060; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = 7; return ordinal; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 8000000000u; return device - 7; }
int cuDeviceGetName(char *name, int size, int device) {
    strncpy(name, "Orin", size);
    return device - 7;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? 8 : attribute == 76 ? 7 : attribute == 16 ? 8 : -1;
    return device - 7;
}
#endif
"""


def build_driver(folder: Path, *, status: int = 0, old: bool = False) -> Path:
    """Compile the library into ``folder`` and return its path.

    Args:
        folder: where it lies; a process finds it there through LD_LIBRARY_PATH.
        status: what ``cuInit`` answers; 100 is a driver without a GPU.
        old: leave out every call but ``cuInit``.
    """
    library = folder / LIBRARY
    flags = [f"-DSTATUS={status}", *(["-DOLD"] if old else [])]
    command = ["cc", "-shared", "-fPIC", *flags, "-x", "c", "-", "-o", str(library)]
    subprocess.run(command, input=_SOURCE, text=True, check=True)
    return library
