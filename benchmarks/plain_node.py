# SPDX-License-Identifier: Apache-2.0
"""The node that a user would write: transformers' processor and torch, the whole clip every time.

The same architecture and the same clip as the embedder (random weights of the trained parts: the
time does not depend on them), without a feature cache. The processor is transformers' Pillow one:
its other one needs torchvision. Only for ``benchmarks/node_cost.py``.
"""

from __future__ import annotations

from array import array
from collections import deque
from contextlib import suppress

import numpy as np
import rclpy
import torch
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from transformers import VideoMAEImageProcessorPil

from vljepa_msgs.msg import Embedding
from vljepa_ros.model.frame_encoder import FEATURE_STD, FrameEncoder
from vljepa_ros.model.presets import DEFAULT
from vljepa_ros.model.vljepa import Tokens, VLJepaModel

CAMERA_RATE_HZ = 10.0
QUERIES = 4


class PlainNode(Node):
    """Embeds the last clip whenever an image arrives."""

    def __init__(self) -> None:
        super().__init__("plain")
        torch.set_num_threads(1)  # like the embedder's default
        side, query = DEFAULT.frame_pixels, DEFAULT.predictor
        self.stride = round(CAMERA_RATE_HZ / DEFAULT.clip_rate_hz)
        self.frames: deque[np.ndarray] = deque(maxlen=self.stride * (DEFAULT.clip_frames - 1) + 1)
        self.processor = VideoMAEImageProcessorPil(
            size={"shortest_edge": side},
            crop_size={"height": side, "width": side},
            image_mean=[127 / 255] * 3,
            image_std=[128 / 255] * 3,
        )
        self.trunk = FrameEncoder()
        self.model = VLJepaModel(DEFAULT).eval()
        tokens = torch.randn(1, QUERIES, query.max_query_tokens, query.query_width)
        self.queries = Tokens(tokens, torch.ones(tokens.shape[:-1], dtype=torch.bool))
        self.publisher = self.create_publisher(Embedding, "~/embedding", 10)
        self.create_subscription(Image, "image_raw", self.on_image, qos_profile_sensor_data)

    @torch.inference_mode()
    def on_image(self, message: Image) -> None:
        """Keep the image; embed the clip that ends with it."""
        image = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
        self.frames.append(image)
        if len(self.frames) < self.frames.maxlen:
            return
        clip = list(self.frames)[:: self.stride]
        pixels = self.processor(clip, return_tensors="pt")["pixel_values"][0]
        features = self.trunk.blocks(self.trunk.stem(pixels)) / FEATURE_STD
        for embedding in self.model.embed(features[None], self.queries)[0]:
            answer = Embedding(header=message.header)
            answer.data = array("f", embedding.numpy().tobytes())
            self.publisher.publish(answer)


def main() -> None:
    """Spin until interrupted."""
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(PlainNode())


if __name__ == "__main__":
    main()
