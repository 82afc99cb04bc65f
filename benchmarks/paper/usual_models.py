# SPDX-License-Identifier: Apache-2.0
"""CLIP and SmolVLM2 with random weights of the true shapes: their time does not depend on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.paper.costs import Job
from vljepa_ros.model.export.graphs import Graph
from vljepa_ros.model.export.onnx_file import write_graph

CLIP_FRAMES = 8
CAPTION_TOKENS = 10  # of SmolLM2's tokenizer; the shipped model's phrases have 5 to 10 words
PROMPT_TOKENS = 30  # "User: ... What is the robot doing? Assistant:"


class _ClipVision(torch.nn.Module):
    """CLIP's image tower and its projection (B, 3, 224, 224) -> (B, 512)."""

    def __init__(self) -> None:
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        super().__init__()
        self.model = CLIPVisionModelWithProjection(CLIPVisionConfig())  # the defaults are B/32

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed images."""
        return self.model(pixel_values=pixels).image_embeds


def clip_vision() -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return CLIP's image side in torch: normalised images (1, 3, 224, 224) to (1, 512)."""
    torch.set_num_threads(1)
    vision = _ClipVision().eval()

    def embed(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = vision(torch.from_numpy(pixels)).numpy()
        return found

    return embed


def export_clip(file: Path) -> None:
    """Write the same as a graph: ``pixels`` -> ``embedding``."""
    inputs = {"pixels": torch.zeros(1, 3, 224, 224)}
    write_graph(Graph(_ClipVision().eval(), inputs, ("embedding",)), file)


# The text towers are SmolLM2-135M and -360M.
_TEXT_TOWERS = {
    "256M": {
        "hidden_size": 576,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "intermediate_size": 1536,
    },
    "500M": {
        "hidden_size": 960,
        "num_hidden_layers": 32,
        "num_attention_heads": 15,
        "num_key_value_heads": 5,
        "intermediate_size": 2560,
    },
}
_VOCABULARY, _IMAGE_TOKEN = 49280, 49190
_FRAME_PIXELS, _FRAME_TOKENS = 512, 64


def ask_smolvlm(size: str) -> Job:
    """Return one question to SmolVLM2 about a clip, answered with ``CAPTION_TOKENS`` tokens."""
    torch.set_num_threads(1)
    model = _smolvlm(size).eval()
    frames = torch.zeros(1, CLIP_FRAMES, 3, _FRAME_PIXELS, _FRAME_PIXELS)
    frames = frames.normal_(generator=torch.Generator().manual_seed(0))
    prompt = torch.full((1, PROMPT_TOKENS), 7)
    seen = torch.full((1, CLIP_FRAMES * _FRAME_TOKENS), _IMAGE_TOKEN)
    ids = torch.cat([seen, prompt], 1)
    return lambda: model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        pixel_values=frames,
        do_sample=False,
        min_new_tokens=CAPTION_TOKENS,
        max_new_tokens=CAPTION_TOKENS,
    )


def _smolvlm(size: str) -> torch.nn.Module:
    from transformers import LlamaConfig, SmolVLMConfig, SmolVLMForConditionalGeneration
    from transformers.models.smolvlm.configuration_smolvlm import SmolVLMVisionConfig

    text = LlamaConfig(
        vocab_size=_VOCABULARY,
        **_TEXT_TOWERS[size],
        pad_token_id=2,
        bos_token_id=1,
        eos_token_id=2,
    )
    vision = SmolVLMVisionConfig(  # SigLIP base, patch 16
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        image_size=_FRAME_PIXELS,
        patch_size=16,
    )
    config = SmolVLMConfig(
        text_config=text.to_dict(),
        vision_config=vision.to_dict(),
        scale_factor=4,
        image_token_id=_IMAGE_TOKEN,
        pad_token_id=2,
    )
    return SmolVLMForConditionalGeneration(config)
