# SPDX-License-Identifier: Apache-2.0
"""Gives back what loading a model needed and running it does not.

ONNX Runtime turns stored weights into those that it computes with, and glibc keeps the memory of
what is left over. On a small robot that memory is somebody else's.
"""

from __future__ import annotations

import ctypes


def return_freed_memory() -> None:
    """Return the memory that is free in this process to the system; only glibc can be asked."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
