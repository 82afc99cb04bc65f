# SPDX-License-Identifier: Apache-2.0
"""Hostile inputs of fixed seeds for every door of the package: `make fuzz`."""
