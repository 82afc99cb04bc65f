# SPDX-License-Identifier: Apache-2.0
"""The default model: simulated episodes, its data, its training run, its measurement."""
