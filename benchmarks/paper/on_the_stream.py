# SPDX-License-Identifier: Apache-2.0
"""What answers questions about a camera's stream: ours, and what a user would take instead.

All run on one thread. The others have random weights of the true shapes, on which their time does
not depend. CLIP also runs in ONNX Runtime, as ours does; SmolVLM2 runs in transformers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.paper.costs import Contestant, Job, costs
from benchmarks.paper.results import Figures

ROUNDS = 3
QUESTIONS = 4
CAMERA_HZ = 10.0
CLIP_FRAMES = 8
CAPTION_TOKENS = 10  # of SmolLM2's tokenizer; the shipped model's phrases have 5 to 10 words
PROMPT_TOKENS = 30  # "User: ... What is the robot doing? Assistant:"
_PIXELS = (480, 640)  # of the camera


def compare() -> dict[str, Figures]:
    """Return the costs of all contestants."""
    return costs(
        {
            "ours, four queries": Contestant(ours, QUESTIONS, 30),
            "CLIP ViT-B/32, ONNX Runtime": Contestant(clip_in_onnx, QUESTIONS, 5),
            "CLIP ViT-B/32, torch": Contestant(clip_in_torch, QUESTIONS, 5),
            "SmolVLM2-256M": Contestant(partial(smolvlm, *SMOLVLM_256M), 1, 1),
            "SmolVLM2-500M": Contestant(partial(smolvlm, *SMOLVLM_500M), 1, 1),
        },
        ROUNDS,
    )


def ours(cameras: int = 1, queries: int = QUESTIONS) -> Job:
    """Return a tick of the shipped bundle: a frame of each camera in, the nearest phrases out."""
    from vljepa_ros.runtime.clip_embedder import ClipEmbedder, Frame
    from vljepa_ros.runtime.model import VLJepa

    model = VLJepa.load(threads=1)
    known = list(model.bundle.queries)
    asked = [f"q{i}: {model.bundle.queries[known[i % len(known)]]}" for i in range(queries)]
    names = [str(camera) for camera in range(cameras)]
    embedder = ClipEmbedder(model, asked, names)
    size, image = model.bundle.frame, _image()
    number = count()

    def tick() -> object:
        small = cv2.resize(image, (size.width, size.height), interpolation=cv2.INTER_AREA)
        stamp_ns = round(next(number) * 1e9 / CAMERA_HZ)
        frames = {name: Frame(stamp_ns, "", small, restart=False) for name in names}
        return [
            model.describe(known[i % len(known)], vector).text
            for seen in embedder.add(frames).values()
            for i, vector in enumerate(seen.vectors.values())
        ]

    while not tick():  # until the first clip is complete
        pass
    return tick


def clip_in_torch() -> Job:
    """Return a tick of CLIP ViT-B/32: the newest frame against the texts of every question."""
    vision = _clip_vision()

    def embed(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = vision(torch.from_numpy(pixels)).numpy()
        return found

    return _clip_tick(embed)


def clip_in_onnx() -> Job:
    """Return the same, with CLIP's image side exported to ONNX."""
    import tempfile

    import onnxruntime

    from vljepa_ros.model.export.graphs import Graph
    from vljepa_ros.model.export.onnx_file import write_graph
    from vljepa_ros.runtime.onnx_session import session_options

    graph = Graph(_clip_vision(), {"pixels": torch.zeros(1, 3, 224, 224)}, ("embedding",))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.onnx"
        write_graph(graph, path)
        session = onnxruntime.InferenceSession(
            str(path), session_options(1), ["CPUExecutionProvider"]
        )
    return _clip_tick(lambda pixels: session.run(None, {"pixels": pixels})[0])


class _ClipVision(torch.nn.Module):
    """CLIP's image tower and its projection (B, 3, 224, 224) -> (B, 512)."""

    def __init__(self) -> None:
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        super().__init__()
        self.model = CLIPVisionModelWithProjection(CLIPVisionConfig())  # the defaults are B/32

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed images."""
        return self.model(pixel_values=pixels).image_embeds


def _clip_vision() -> _ClipVision:
    torch.set_num_threads(1)
    return _ClipVision().eval()


def _clip_tick(embed: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Job:
    from vljepa_ros.runtime.bundle import Bundle, default_bundle_path
    from vljepa_ros.runtime.phrases import PhraseBank

    bank = PhraseBank.from_bundle(Bundle.load(default_bundle_path()))
    random = np.random.default_rng(0)
    texts = [random.normal(size=(len(each), 512)).astype("f4") for each in bank.texts.values()]
    image, half = _image(), np.float32(0.5)

    def tick() -> object:
        small = cv2.resize(image, (224, 224), interpolation=cv2.INTER_AREA)
        pixels = (small.astype(np.float32) / 255 - half) / half
        found = embed(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))[0]
        return [int((of_question @ found).argmax()) for of_question in texts]

    return tick


# The text towers are SmolLM2-135M and -360M: width, layers, heads, heads of keys, MLP.
SMOLVLM_256M = (576, 30, 9, 3, 1536)
SMOLVLM_500M = (960, 32, 15, 5, 2560)
_VOCABULARY, _IMAGE_TOKEN = 49280, 49190
_FRAME_PIXELS, _FRAME_TOKENS = 512, 64


def smolvlm(width: int, depth: int, heads: int, kv_heads: int, mlp: int) -> Job:
    """Return one question to SmolVLM2 about a clip, answered with ``CAPTION_TOKENS`` tokens."""
    torch.set_num_threads(1)
    model = _smolvlm(width, depth, heads, kv_heads, mlp).eval()
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


def _smolvlm(width: int, depth: int, heads: int, kv_heads: int, mlp: int) -> torch.nn.Module:
    from transformers import LlamaConfig, SmolVLMConfig, SmolVLMForConditionalGeneration
    from transformers.models.smolvlm.configuration_smolvlm import SmolVLMVisionConfig

    text = LlamaConfig(
        vocab_size=_VOCABULARY,
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        intermediate_size=mlp,
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


def _image() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (*_PIXELS, 3), np.uint8)
