# SPDX-License-Identifier: Apache-2.0
"""Y-Encoder: texts to the embedding space (paper section 3.1).

The tower is transformers' own (EmbeddingGemma, or MiniLM in the default model); mean pooling over
the real tokens and a linear head come after it. EmbeddingGemma must not run in half precision:
its activations leave that range.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import BertConfig, BertModel, Gemma3TextConfig, Gemma3TextModel, PreTrainedModel

from vljepa_ros.model.config import YEncoderConfig


class YEncoder(nn.Module):
    """Token numbers and mask (B, L) -> unit embeddings (B, embedding)."""

    def __init__(self, config: YEncoderConfig, embedding: int) -> None:
        super().__init__()
        self.config = config
        self.tower = build_tower(config)
        self.head = nn.Linear(config.width, embedding, bias=config.head_bias)
        if config.rate == 0:
            self.tower.requires_grad_(False)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed texts; ``mask`` is True on real tokens."""
        return self.project(self.sentence(ids, mask))

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the token states (B, L, width)."""
        return self.tower(input_ids=ids, attention_mask=mask.long()).last_hidden_state

    def sentence(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the mean token state of each text (B, width)."""
        weight = mask[..., None].to(self.head.weight.dtype)
        return (self.states(ids, mask) * weight).sum(1) / weight.sum(1)

    def project(self, sentence: Tensor) -> Tensor:
        """Return the unit embeddings of mean token states (..., width)."""
        return normalize(self.head(sentence), dim=-1)


def build_tower(config: YEncoderConfig) -> PreTrainedModel:
    """Return the text tower with random weights."""
    shape = {
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.heads,
        "intermediate_size": config.mlp,
    }
    if config.tower == "bert":
        return BertModel(
            BertConfig(**shape, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
            add_pooling_layer=False,
        )
    return Gemma3TextModel(
        Gemma3TextConfig(
            **shape,
            num_key_value_heads=config.kv_heads,
            head_dim=config.head_width,
            query_pre_attn_scalar=config.head_width,
            sliding_window=config.window,
            use_bidirectional_attention=True,
            max_position_embeddings=max(2048, config.max_tokens),
        )
    )
