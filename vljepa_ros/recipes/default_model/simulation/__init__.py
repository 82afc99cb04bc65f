# SPDX-License-Identifier: Apache-2.0
"""Simulated robot video with exact labels: tasks, episodes, labels and their sentences."""
