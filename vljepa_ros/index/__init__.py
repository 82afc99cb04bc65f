# SPDX-License-Identifier: Apache-2.0
"""Recordings made searchable: the road of a stream, offline, and the store of what it found."""
