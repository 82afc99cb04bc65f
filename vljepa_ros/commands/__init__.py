# SPDX-License-Identifier: Apache-2.0
"""The ``vljepa`` command: one module for each of its subcommands."""
