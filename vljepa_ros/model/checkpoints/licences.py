# SPDX-License-Identifier: Apache-2.0
"""Under which terms the public parts of a model may be used. They go with every model."""

from __future__ import annotations

V_JEPA = "V-JEPA by Meta: MIT or Apache-2.0, as the card of the checkpoint says"
LLAMA = "Llama 3.2 Community License by Meta: llama.com/llama3_2/license, 'Built with Llama'"
GEMMA = "Gemma Terms of Use by Google: ai.google.dev/gemma/terms"
MINILM = "all-MiniLM-L6-v2: Apache-2.0"
OPEN_VLJEPA = "open-vljepa: comes without a licence file"
RANDOM = "random weights, under no licence"

TOWERS = {"gemma3_text": GEMMA, "bert": MINILM}
