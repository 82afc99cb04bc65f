# SPDX-License-Identifier: Apache-2.0
"""A training run to a bundle: ``python -m vljepa_ros.training.export_bundle --run run --out DIR``.

The bundle is built beside its place and moved there whole, so that a failed export leaves the old
one untouched.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import torch

from .. import __version__
from ..model.config import ModelConfig
from ..model.export import (
    export_frame_encoder,
    export_predictor,
    export_x_encoder,
    export_y_encoder,
)
from ..model.vljepa import VLJepaModel
from ..runtime.bundle import write_manifest
from .episodes import FRAME_RATE_HZ, QUERY_NAMES
from .simulation import language
from .texts import FrozenText, minilm_paths

NAME = "vljepa-metaworld-small"
MAX_TEXT_TOKENS = 64
LICENCES = {
    "frame_encoder": "EfficientNet-Lite0, ImageNet weights, Apache-2.0",
    "x_encoder": "Apache-2.0 (trained by this repository)",
    "predictor": "Apache-2.0 (trained by this repository)",
    "y_encoder": "all-MiniLM-L6-v2 int8, Apache-2.0, with this repository's projection",
    "data": "Meta-World (MIT) rendered by MuJoCo (Apache-2.0)",
}


def main() -> None:
    """Parse the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("run"), help="folder of the training run")
    parser.add_argument("--out", type=Path, default=Path("engines/default"))
    args = parser.parse_args()
    model, labels = load_run(args.run)
    part = args.out.with_name(args.out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    write_bundle(model, labels, part)
    if (args.out / "README.md").exists():  # the model card is written by hand
        shutil.copy(args.out / "README.md", part)
    shutil.rmtree(args.out, ignore_errors=True)
    part.rename(args.out)


def load_run(run: Path) -> tuple[VLJepaModel, dict[str, list[str]]]:
    """Return the averaged model of a run and its labels by query."""
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    model = VLJepaModel(ModelConfig(**state["config"]))
    prefix = "module."
    average = {k[len(prefix) :]: v for k, v in state["average"].items() if k.startswith(prefix)}
    model.load_state_dict(average)
    return model.eval(), state["labels"]


def write_bundle(model: VLJepaModel, labels: dict[str, list[str]], out: Path) -> None:
    """Write every file of the bundle into the empty folder ``out``, the manifest last."""
    config = model.config
    minilm, tokenizer = minilm_paths()
    export_frame_encoder(config, out / "frame_encoder.onnx")
    export_x_encoder(model, out / "x_encoder.onnx")
    export_predictor(model, out / "predictor.onnx")
    projection = model.text_projection.weight.detach().numpy()
    export_y_encoder(minilm, projection, out / "y_encoder.onnx")
    shutil.copy(tokenizer, out / "tokenizer.json")
    _write_phrases(model, labels, out)
    digest = hashlib.sha256((out / "y_encoder.onnx").read_bytes()).hexdigest()[:12]
    write_manifest(
        out,
        {
            "name": NAME,
            "version": __version__,
            "space_id": f"{NAME}-{config.embedding}-{digest}",
            "dimension": config.embedding,
            "logit_scale": round(float(model.scale), 4),
            "frame": {"height": config.frame_pixels, "width": config.frame_pixels},
            "clip": {"frames": config.clip_frames, "rate_hz": config.clip_rate_hz},
            "stream_rate_hz": FRAME_RATE_HZ,
            "queries": {name: language.QUERIES[name][0] for name in QUERY_NAMES},
            "graphs": {
                name: f"{name}.onnx"
                for name in ("frame_encoder", "x_encoder", "predictor", "y_encoder")
            },
            "tokenizer": "tokenizer.json",
            "max_query_tokens": config.max_query_tokens,
            "max_text_tokens": MAX_TEXT_TOKENS,
            "phrases": {"texts": "phrases.json", "embeddings": "phrases.npy"},
            "precision": "fp32",
            "licences": LICENCES,
        },
    )


def _write_phrases(model: VLJepaModel, labels: dict[str, list[str]], out: Path) -> None:
    text = FrozenText(model.config.max_query_tokens)
    phrases = {name: [language.canonical(label) for label in labels[name]] for name in QUERY_NAMES}
    sentences = [text.sentence(phrase) for group in phrases.values() for phrase in group]
    with torch.no_grad():
        embeddings = model.embed_text(torch.from_numpy(np.stack(sentences))).numpy()
    (out / "phrases.json").write_text(json.dumps(phrases, indent=1) + "\n")
    np.save(out / "phrases.npy", embeddings)


if __name__ == "__main__":
    main()
