# SPDX-License-Identifier: Apache-2.0
"""Frame features of all episodes, computed once by the exported trunk and cached on disk.

The trunk is frozen, so training never needs the pictures again. ONNX Runtime is four times faster
than torch here, and it is what robots run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from vljepa_ros.model.export.graphs import frame_encoder_graph
from vljepa_ros.model.export.onnx_file import write_graph
from vljepa_ros.model.frame_encoder import FrameEncoder
from vljepa_ros.model.presets import DEFAULT
from vljepa_ros.recipes.default_model.episodes import StoredEpisode, load_episodes


def feature_path(episode: StoredEpisode) -> Path:
    """Return where an episode's features (F, C, h, w) float16 are cached."""
    return episode.path.with_suffix(".features.npy")


def cache_features(data: Path, splits: list[str]) -> None:
    """Compute what is missing; each file appears whole or not at all."""
    trunk = data / "frame_encoder.onnx"
    if not trunk.exists():
        write_graph(frame_encoder_graph(FrameEncoder(), DEFAULT), trunk)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(trunk), options, ["CPUExecutionProvider"])
    for split in splits:
        for episode in tqdm(load_episodes(data, split), split, unit="episode"):
            path = feature_path(episode)
            if path.exists():
                continue
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                np.save(file, _encode(session, episode.frames()))
            part.replace(path)


def _encode(
    session: onnxruntime.InferenceSession, frames: NDArray[np.uint8]
) -> NDArray[np.float16]:
    features = [session.run(None, {"frame": frame[None]})[0][0] for frame in frames]
    return np.stack(features).astype(np.float16)


def main() -> None:
    """Cache the features of every split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--splits", nargs="+", default=["val", "test", "side", "train"])
    args = parser.parse_args()
    cache_features(args.data, args.splits)


if __name__ == "__main__":
    main()
