# SPDX-License-Identifier: Apache-2.0
"""Public checkpoints as parts of a model, one file per layout."""
