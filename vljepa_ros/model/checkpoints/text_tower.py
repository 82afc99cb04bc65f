# SPDX-License-Identifier: Apache-2.0
"""The Y-Encoder's tower from a transformers directory: EmbeddingGemma, or a BERT such as MiniLM.

The dense layers that sentence-transformers puts after EmbeddingGemma lie in folders of their own
and are not read: VL-JEPA has a head of its own there.
"""

from __future__ import annotations

from pathlib import Path

from vljepa_ros.model.checkpoints.tensors import fill, model_prefix, read_transformers, same_names
from vljepa_ros.model.checkpoints.transformers_config import check_config
from vljepa_ros.model.y_encoder import YEncoder

_UNUSED = ("embeddings.position_ids", "pooler.")
_SAME = {
    "bert": (
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "hidden_act",
        "layer_norm_eps",
        "max_position_embeddings",
        "type_vocab_size",
    ),
    "gemma3_text": (
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "intermediate_size",
        "hidden_activation",
        "rms_norm_eps",
        "query_pre_attn_scalar",
        "attn_logit_softcapping",
        "attention_bias",
        "use_bidirectional_attention",
        "sliding_window",
        "layer_types",
        "rope_parameters",
    ),
}


def load_text_tower(y_encoder: YEncoder, folder: Path) -> None:
    """Read the weights of the tower; the head stays as it is.

    Raises:
        CheckpointError: the directory holds another model, or its tensors do not fit.
    """
    tower, kind = y_encoder.tower, y_encoder.config.tower
    check_config(folder, kind, {name: getattr(tower.config, name) for name in _SAME[kind]})
    tensors = read_transformers(folder)
    prefix = model_prefix(tensors)
    unused = [prefix + name for name in _UNUSED]
    fill(tower, same_names(tower, prefix), tensors, folder, unused)
