# SPDX-License-Identifier: Apache-2.0
"""Recipes: what makes one model, on top of the training loop that serves all of them."""
