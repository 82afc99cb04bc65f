# SPDX-License-Identifier: Apache-2.0
"""Training of a model of any size and any recipe: stages, batches, the loop, checkpoints."""
