# SPDX-License-Identifier: Apache-2.0
"""The one error of this room."""

from __future__ import annotations


class FetchError(RuntimeError):
    """Something cannot be fetched or published; the text says why and what to do about it."""
