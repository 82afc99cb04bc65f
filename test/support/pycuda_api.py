# SPDX-License-Identifier: Apache-2.0
"""What vljepa_ros may use of `pycuda.driver`: names, parameters and which must be given.

pycuda is published as source alone, and building it takes CUDA and minutes, so this was read from
src/wrapper/wrap_cudadrv.cpp and pycuda/driver.py of pycuda 2026.1. test_bindings.py compares it
with the pycuda that is installed, where there is one.
"""

from __future__ import annotations

FUNCTIONS: dict[str, tuple[tuple[str, ...], int]] = {
    "init": (("flags",), 0),
    "mem_alloc": (("arg1",), 1),
    "mem_get_info": ((), 0),
    "pagelocked_empty": (("shape", "dtype", "order", "mem_flags"), 2),
    "memcpy_htod": (("dest", "src"), 2),
    "memcpy_dtoh": (("dest", "src"), 2),
    "memcpy_htod_async": (("dest", "src", "stream"), 2),
    "memcpy_dtoh_async": (("dest", "src", "stream"), 2),
    "memcpy_dtod_async": (("dest", "src", "size", "stream"), 3),
}
CLASSES: dict[str, tuple[str, ...]] = {
    "Device": (
        "count",
        "name",
        "compute_capability",
        "total_memory",
        "retain_primary_context",
    ),
    "Context": ("push", "pop", "detach", "synchronize"),
    "Stream": ("handle", "synchronize", "is_done", "wait_for_event"),
    "Event": ("record", "synchronize", "query"),
    "DeviceAllocation": ("free", "__int__", "__index__"),
    "PagelockedHostAllocation": ("free", "get_device_pointer"),
    "ctx_flags": ("SCHED_AUTO", "SCHED_BLOCKING_SYNC"),
    "event_flags": ("DEFAULT", "BLOCKING_SYNC", "DISABLE_TIMING"),
    "host_alloc_flags": ("PORTABLE", "DEVICEMAP", "WRITECOMBINED"),
}
ERRORS = ("MemoryError", "LogicError", "LaunchError", "RuntimeError")
"""They derive from ``Error``."""
