# SPDX-License-Identifier: Apache-2.0
"""Everything that makes the default model: simulated data, training, evaluation. Needs torch."""
