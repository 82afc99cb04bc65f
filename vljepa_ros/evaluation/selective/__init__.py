# SPDX-License-Identifier: Apache-2.0
"""When to decode a stream of embeddings: offline methods, and how good the outputs are."""
