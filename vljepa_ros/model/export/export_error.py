# SPDX-License-Identifier: Apache-2.0
"""What an export says when it leaves no bundle."""


class ExportError(RuntimeError):
    """A model cannot be exported as asked, or a graph does not compute what torch computes."""
