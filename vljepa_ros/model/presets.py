# SPDX-License-Identifier: Apache-2.0
"""The models that this package knows by name.

Dimensions of V-JEPA 2 and 2.1 are those of their checkpoints, of Llama-3.2-1B and EmbeddingGemma
those of their configurations. What the VL-JEPA paper leaves open is said at the field.
"""

from __future__ import annotations

from dataclasses import replace

from vljepa_ros.model.config import (
    ModelConfig,
    PredictorConfig,
    XEncoderConfig,
    YEncoderConfig,
)

V_JEPA_2 = {
    "vitl": XEncoderConfig(),
    "vith": XEncoderConfig(width=1280, depth=32, heads=16, mlp=5120),
    "vitg": XEncoderConfig(width=1408, depth=40, heads=22, mlp=6144),
    "vitg-384": XEncoderConfig(grid=384, width=1408, depth=40, heads=22, mlp=6144),
}

_V_JEPA_2_1 = XEncoderConfig(grid=384, rotary="interleaved", position_grid=16, image_tokens=True)

V_JEPA_2_1 = {
    "vitb": replace(_V_JEPA_2_1, width=768, depth=12, heads=12, mlp=3072),
    "vitl": _V_JEPA_2_1,
    "vitg": replace(_V_JEPA_2_1, width=1408, depth=40, heads=22, mlp=6144),
    "vitG": replace(_V_JEPA_2_1, width=1664, depth=48, heads=26, mlp=8192),
}

# The paper's model: 304 M + 490 M + 300 M parameters and Llama's table of 263 M. Whether its
# query tokens are projected is drawn in Fig. 2 and not said; open-vljepa does not project them.
PAPER = ModelConfig(
    name="vl-jepa",
    predictor=PredictorConfig(query_projection=True),
)

# The paper's Predictor on a block-causal X-Encoder of LeVJEPA's layout (arXiv 2608.27395):
# ViT-L/16 at 224 px, tubelets of one frame, 16 frames that keep all their tokens. A frame's
# summary stands for its CLS token, which the Predictor does not see.
STREAMING = ModelConfig(
    name="vl-jepa-streaming",
    frame_pixels=224,
    clip_frames=16,
    clip_rate_hz=4.0,
    x_encoder=XEncoderConfig(grid=224, tubelet=1, rotary="interleaved", memory=16),
    predictor=PredictorConfig(query_projection=True),
)

# For boards like the Orin Nano: V-JEPA 2.1's distilled ViT-B and two of Llama's layers, which cost
# 3 points of classification and 2.4 of retrieval in the paper's Table 7(d).
SMALL_JETSON = ModelConfig(
    name="vl-jepa-vitb",
    x_encoder=replace(V_JEPA_2_1["vitb"], grid=256),
    predictor=PredictorConfig(query_projection=True, depth=2, first_layer=0),
)

# The model in engines/default: a frozen image trunk that each frame passes once, MiniLM for
# queries and answers, and visual tokens that all queries share.
DEFAULT = ModelConfig(
    name="vljepa-metaworld-small",
    frame_pixels=160,
    clip_frames=8,
    clip_rate_hz=5.0,
    stream_rate_hz=10.0,
    embedding=256,
    queries_from="text_encoder",
    query_vocabulary=0,
    x_encoder=XEncoderConfig(
        trunk="efficientnet-lite0",
        grid=10,
        channels=112,
        patch=2,
        tubelet=4,
        width=192,
        depth=2,
        heads=6,
        mlp=768,
        rotary="interleaved",
        motion=True,
    ),
    predictor=PredictorConfig(
        width=192,
        depth=3,
        heads=6,
        kv_heads=6,
        mlp=512,
        rotary_base=10000.0,
        rotary_scaling=None,
        query_width=384,
        query_projection=True,
        max_query_tokens=24,
        joint=False,
        pool_visual=False,
        first_layer=0,
    ),
    y_encoder=YEncoderConfig(
        tower="bert",
        vocabulary=30522,
        width=384,
        depth=6,
        heads=12,
        kv_heads=12,
        head_width=32,
        mlp=1536,
        max_tokens=64,
        head_bias=False,
        rate=0.0,
    ),
)

# The same parts on streams: a memory of 4.8 s, and further questions for nearly nothing.
DEFAULT_STREAMING = replace(
    DEFAULT,
    name="vljepa-small-streaming",
    clip_frames=24,
    x_encoder=replace(DEFAULT.x_encoder, memory=2),
    predictor=replace(DEFAULT.predictor, pool_query=True),
)

PRESETS = {
    config.name: config for config in (PAPER, STREAMING, SMALL_JETSON, DEFAULT, DEFAULT_STREAMING)
}
