# SPDX-License-Identifier: Apache-2.0
"""A tiny real bundle that sees colours: four ONNX graphs, a tokenizer and a phrase bank.

It has the format of the default bundle and runs in the real ONNX Runtime in microseconds, and what
it answers is known beforehand: a red clip is described as "the scene is red". So the tests of the
runtime and of the nodes need neither trained weights nor doubles of our own parts.

The embedding space has one axis per phrase, one for filler words and one for unknown words. Token
states have two further axes that say what a query asks for: the colour, or the brightness.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from vljepa_ros.runtime.bundle import Bundle, write_manifest
from vljepa_ros.runtime.reference import Reference
from vljepa_ros.runtime.unfamiliarity import KnownClips

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
}
LEVELS: dict[str, float] = {"dark": 0.0, "bright": 1.0}
QUERIES = {"colour": "What colour is the scene?", "brightness": "How bright is the scene?"}
DIMENSION = len(COLOURS) + len(LEVELS) + 2
SIZE = 32
LOGIT_SCALE = 10.0
MAX_QUERY_TOKENS = 8
MAX_TEXT_TOKENS = 12

_FILLER, _UNKNOWN = DIMENSION - 2, DIMENSION - 1
_ASKS_COLOUR, _ASKS_BRIGHTNESS = DIMENSION, DIMENSION + 1
_STATE = DIMENSION + 2
_FILLERS = ("what", "how", "is", "the", "scene", "?")
_WORDS = ("[UNK]", *_FILLERS, "colour", "brightness", *COLOURS, *LEVELS)
_SHARPNESS = 20.0
_LUMINANCE = (0.299, 0.587, 0.114)
_NEWEST = 2  # frames that the clip's colour is taken from


def colour_frame(colour: str, height: int = SIZE, width: int = SIZE) -> NDArray[np.uint8]:
    """Return an RGB image (height, width, 3) of one of COLOURS."""
    return np.full((height, width, 3), COLOURS[colour], dtype=np.uint8)


def scene_frame(colour: str) -> NDArray[np.uint8]:
    """Return a frame of a colour with a grey thing in it: without, the lens would be covered."""
    frame = colour_frame(colour)
    frame[: SIZE // 4, : SIZE // 4] = 128
    return frame


def phrase(word: str) -> str:
    """Return the phrase of the bank for one of COLOURS or LEVELS."""
    return f"the scene is {word}"


def build_colour_bundle(
    root: Path, *, clip_frames: int = 4, clip_rate_hz: float = 10.0, stream_rate_hz: float = 10.0
) -> Path:
    """Write the bundle into the folder ``root`` and return it."""
    root.mkdir(parents=True, exist_ok=True)
    graphs = {
        "frame_encoder": _frame_encoder(),
        "x_encoder": _x_encoder(clip_frames),
        "predictor": _predictor(),
        "y_encoder": _y_encoder(),
    }
    for name, graph in graphs.items():
        (root / f"{name}.onnx").write_bytes(graph.SerializeToString())
    _tokenizer().save(str(root / "tokenizer.json"))
    _write_phrases(root)
    _write_reference(root, clip_frames)
    write_manifest(root, _fields(clip_frames, clip_rate_hz, stream_rate_hz))
    return root


def build_bare_bundle(root: Path, *, table: bool = False) -> Path:
    """Write the same model in the form of the paper's: only what a robot needs.

    No trunk, so clips are made of frames; one query per pass; no text encoder, so the tokens of
    the queries are stored, and those of all words only with ``table``.
    """
    build_colour_bundle(root)
    for name in ("frame_encoder.onnx", "y_encoder.onnx", "tokenizer.json"):
        (root / name).unlink()
    graphs = {"x_encoder": _x_encoder(4, pixels=True), "predictor": _predictor(queries=1)}
    for name, graph in graphs.items():
        (root / f"{name}.onnx").write_bytes(graph.SerializeToString())
    states = _word_states()
    tokens = {name: states[_tokenizer().encode(text).ids] for name, text in QUERIES.items()}
    np.savez(root / "query_tokens.npz", **tokens)
    section = {"source": "stored", "file": "query_tokens.npz"}
    if table:
        np.save(root / "query_table.npy", states.astype(np.float16))
        _tokenizer().save(str(root / "query_tokenizer.json"))
        section |= {"table": "query_table.npy", "tokenizer": "query_tokenizer.json"}
    seal(root, graphs={name: f"{name}.onnx" for name in graphs}, query_tokens=section)
    return root


def build_streaming_bundle(root: Path) -> Path:
    """Write the same model with a memory of four frames, of which it sees the newest two.

    Its queries may have any number of tokens.
    """
    build_colour_bundle(root, clip_rate_hz=5.0)
    (root / "x_encoder.onnx").write_bytes(_remembering_x_encoder(4).SerializeToString())
    (root / "predictor.onnx").write_bytes(_predictor(length="L").SerializeToString())
    seal(root, memory={"window": 2, "pairs": 1, "state": {"summaries": [3, 3]}})
    return root


def sentence(word: str) -> str:
    """Return what the text decoder says for one of COLOURS or LEVELS; no phrase of the bank."""
    return f"it looks {word}, surely"


def add_text_decoder(root: Path) -> Bundle:
    """Add a text decoder to the bundle in the folder ``root``."""
    (root / "y_decoder.onnx").write_bytes(_y_decoder().SerializeToString())
    pieces = [" it", " looks", ",", " surely", *(f" {word}" for word in (*COLOURS, *LEVELS))]
    (root / "words.json").write_text(json.dumps({"words": pieces}), encoding="utf-8")
    graphs = json.loads((root / "manifest.json").read_text(encoding="utf-8"))["graphs"]
    return seal(root, graphs={**graphs, "y_decoder": "y_decoder.onnx"}, words="words.json")


def add_knowledge(root: Path) -> Bundle:
    """Give the bundle statistics: red is familiar, blue is not, a share is worth half of it."""
    known = KnownClips.fit({f"{i}": _reddish(i) for i in range(8)})
    known.save(root / "known_clips.npz")
    line = {"shares": [0.0, 1.0], "scores": [0.0, 0.5], "guess": 0.1}
    calibration = {"phrases": {"colour": line}}
    (root / "calibration.json").write_text(json.dumps(calibration), encoding="utf-8")
    return seal(root, known_clips="known_clips.npz", calibration="calibration.json")


def _reddish(seed: int) -> NDArray[np.float64]:
    """Return mean colours (50, 3) of clips that are red, more or less."""
    noise = np.random.default_rng(seed).normal(0.0, 0.05, (50, 3))
    return np.array([1.0, 0.0, 0.0]) + noise


def seal(root: Path, **changes: object) -> Bundle:
    """Write the manifest again after a test changed files; ``changes`` replace its fields."""
    fields = json.loads((root / "manifest.json").read_text(encoding="utf-8"))
    for computed in ("format", "files"):
        fields.pop(computed)
    return write_manifest(root, {**fields, **changes})


def _fields(clip_frames: int, clip_rate_hz: float, stream_rate_hz: float) -> dict[str, object]:
    return {
        "name": "colour",
        "version": "1",
        "space_id": "colour-1",
        "dimension": DIMENSION,
        "logit_scale": LOGIT_SCALE,
        "frame": {"height": SIZE, "width": SIZE},
        "clip": {"frames": clip_frames, "rate_hz": clip_rate_hz},
        "stream_rate_hz": stream_rate_hz,
        "queries": QUERIES,
        "graphs": {
            "frame_encoder": "frame_encoder.onnx",
            "x_encoder": "x_encoder.onnx",
            "predictor": "predictor.onnx",
            "y_encoder": "y_encoder.onnx",
        },
        "tokenizer": "tokenizer.json",
        "query_tokens": {"source": "text_encoder"},
        "max_query_tokens": MAX_QUERY_TOKENS,
        "max_text_tokens": MAX_TEXT_TOKENS,
        "phrases": {"texts": "phrases.json", "embeddings": "phrases.npy"},
        "reference": "reference.npz",
        "precision": "fp32",
        "int8_weights": [],
        "parity": {},
        "licences": {"all": "Apache-2.0"},
    }


def _tokenizer() -> Tokenizer:
    vocabulary = {word: index for index, word in enumerate(_WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def _word_states() -> NDArray[np.float32]:
    """Return one token state (_STATE) per word of the vocabulary."""
    states = np.zeros((len(_WORDS), _STATE), dtype=np.float32)
    for index, word in enumerate((*COLOURS, *LEVELS)):
        states[_WORDS.index(word), index] = 1.0
    for word in _FILLERS:
        states[_WORDS.index(word), _FILLER] = 1e-3
    for word in ("[UNK]", "colour", "brightness"):
        states[_WORDS.index(word), _UNKNOWN] = 1.0
    states[_WORDS.index("colour"), _ASKS_COLOUR] = 1.0
    for word in ("brightness", "bright"):
        states[_WORDS.index(word), _ASKS_BRIGHTNESS] = 1.0
    return states


def _write_phrases(root: Path) -> None:
    texts = {"colour": [phrase(w) for w in COLOURS], "brightness": [phrase(w) for w in LEVELS]}
    states = _word_states()[:, :DIMENSION]
    rows = [
        sum(states[_WORDS.index(word)] for word in text.split())
        for phrases in texts.values()
        for text in phrases
    ]
    embeddings = np.stack(rows).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    (root / "phrases.json").write_text(json.dumps(texts), encoding="utf-8")
    np.save(root / "phrases.npy", embeddings)


def _write_reference(root: Path, clip_frames: int) -> None:
    """Write a clip that fades from red to yellow, and what ONNX Runtime makes of it."""
    clip = np.stack([colour_frame("red")] * clip_frames)
    clip[..., 1] = np.linspace(0, 255, clip_frames)[:, None, None]
    features = _run(root, "frame_encoder", frame=clip)
    visual = _run(root, "x_encoder", features=features[None])
    ids = [_tokenizer().encode(text).ids for text in QUERIES.values()]
    tokens = np.zeros((len(ids), MAX_QUERY_TOKENS, _STATE), np.float32)
    mask = np.zeros((len(ids), MAX_QUERY_TOKENS), np.bool_)
    for row, query in enumerate(ids):
        tokens[row, : len(query)], mask[row, : len(query)] = _word_states()[query], True
    feed = {"visual_tokens": visual, "query_tokens": tokens, "query_mask": mask}
    Reference(clip, _run(root, "predictor", **feed)[0]).save(root / "reference.npz")


def _run(root: Path, graph: str, **feed: NDArray[np.generic]) -> NDArray[np.float32]:
    session = ort.InferenceSession(root / f"{graph}.onnx", providers=["CPUExecutionProvider"])
    output: NDArray[np.float32] = session.run(None, feed)[0]
    return output


_Shape = list[int | str]


class _GraphWriter:
    """Collects the nodes and constants of one ONNX graph."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, operator: str, inputs: list[str], output: str = "", **attributes: object) -> str:
        output = output or f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, value: object, dtype: type = np.float32) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def model(
        self,
        inputs: dict[str, tuple[int, _Shape]],
        outputs: dict[str, _Shape],
        whole: tuple[str, ...] = (),
    ) -> onnx.ModelProto:
        """Return the graph; the outputs in ``whole`` are int64, the others float32."""
        kinds = {
            name: TensorProto.INT64 if name in whole else TensorProto.FLOAT for name in outputs
        }
        graph = helper.make_graph(
            self._nodes,
            "colour",
            [helper.make_tensor_value_info(n, kind, s) for n, (kind, s) in inputs.items()],
            [helper.make_tensor_value_info(n, kinds[n], s) for n, s in outputs.items()],
            self._constants,
        )
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        onnx.checker.check_model(model)
        return model


def _frame_encoder() -> onnx.ModelProto:
    g = _GraphWriter()
    pixels = g.add("Cast", ["frame"], to=TensorProto.FLOAT)
    mean = g.add("ReduceMean", [pixels], axes=[1, 2], keepdims=1)
    channels = g.add("Transpose", [mean], perm=[0, 3, 1, 2])
    g.add("Div", [channels, g.constant(255.0)], "features")
    frame: _Shape = ["B", SIZE, SIZE, 3]
    return g.model({"frame": (TensorProto.UINT8, frame)}, {"features": ["B", 3, 1, 1]})


def _x_encoder(clip_frames: int, *, pixels: bool = False) -> onnx.ModelProto:
    g = _GraphWriter()
    clip = "features"
    if pixels:
        mean = g.add("ReduceMean", [g.add("Cast", ["frames"], to=TensorProto.FLOAT)], axes=[2, 3])
        channels = g.add("Transpose", [mean], perm=[0, 1, 4, 2, 3])
        clip = g.add("Div", [channels, g.constant(255.0)])
    start, end, axis = (g.constant([v], np.int64) for v in (-_NEWEST, clip_frames, 1))
    newest = g.add("Slice", [clip, start, end, axis])
    mean = g.add("ReduceMean", [newest], axes=[1], keepdims=1)
    g.add("Reshape", [mean, g.constant([-1, 1, 3], np.int64)], "visual_tokens")
    inputs: dict[str, tuple[int, _Shape]] = {
        "features": (TensorProto.FLOAT, ["B", clip_frames, 3, 1, 1])
    }
    if pixels:
        inputs = {"frames": (TensorProto.UINT8, ["B", clip_frames, SIZE, SIZE, 3])}
    return g.model(inputs, {"visual_tokens": ["B", 1, 3]})


def _remembering_x_encoder(frames: int) -> onnx.ModelProto:
    g = _GraphWriter()
    zero, one, axis, end = (g.constant([v], np.int64) for v in (0, 1, 1, frames - 2))
    newest = g.add("Slice", ["features", one, g.constant([2], np.int64), axis])
    rgb = g.add("Reshape", [newest, g.constant([-1, 1, 3], np.int64)])
    weight = g.add("Cast", [g.add("Slice", ["seen", zero, one, axis])], to=TensorProto.FLOAT)
    weight = g.add("Unsqueeze", [weight, g.constant([2], np.int64)])  # (B, 1, 1)
    before = g.add("Mul", [g.add("Slice", ["past_summaries", zero, one, axis]), weight])
    count = g.add("Add", [weight, g.constant(1.0)])
    g.add("Div", [g.add("Add", [rgb, before]), count], "visual_tokens")
    older = g.add("Slice", ["past_summaries", zero, end, axis])
    g.add("Concat", [rgb, older], "next_summaries", axis=1)
    return g.model(
        {
            "features": (TensorProto.FLOAT, ["B", 2, 3, 1, 1]),
            "time": (TensorProto.FLOAT, ["B", 2, 1]),
            "seen": (TensorProto.BOOL, ["B", frames - 1]),
            "past_summaries": (TensorProto.FLOAT, ["B", frames - 1, 3]),
        },
        {"visual_tokens": ["B", 1, 3], "next_summaries": ["B", frames - 1, 3]},
    )


def _predictor(queries: int | str = "Q", length: int | str = MAX_QUERY_TOKENS) -> onnx.ModelProto:
    g = _GraphWriter()
    rgb = g.add("ReduceMean", ["visual_tokens"], axes=[1], keepdims=1)  # (B, 1, 3)
    prototypes = g.constant([np.array(list(COLOURS.values())) / 255.0])  # (1, colours, 3)
    colours = _nearness(g, g.add("Sub", [prototypes, rgb]))
    luminance = g.add("MatMul", [rgb, g.constant(np.array([_LUMINANCE]).T)])  # (B, 1, 1)
    levels = g.constant(np.array(list(LEVELS.values())).reshape(1, -1, 1))
    brightness = _nearness(g, g.add("Sub", [levels, luminance]))
    asked_colour, asked_brightness = _asked(g)
    total = g.add(
        "Add",
        [
            g.add("MatMul", [asked_colour, _placed(g, colours, 0, len(COLOURS))]),
            g.add("MatMul", [asked_brightness, _placed(g, brightness, len(COLOURS), len(LEVELS))]),
        ],
    )
    g.add("Div", [total, g.add("ReduceL2", [total], axes=[2], keepdims=1)], "embeddings")
    return g.model(
        {
            "visual_tokens": (TensorProto.FLOAT, ["B", 1, 3]),
            "query_tokens": (TensorProto.FLOAT, [queries, length, _STATE]),
            "query_mask": (TensorProto.BOOL, [queries, length]),
        },
        {"embeddings": ["B", queries, DIMENSION]},
    )


def _nearness(g: _GraphWriter, differences: str) -> str:
    """Softmax over how near each prototype is: (B, prototypes, n) to (B, prototypes)."""
    squared = g.add("ReduceSumSquare", [differences], axes=[2], keepdims=0)
    return g.add("Softmax", [g.add("Mul", [squared, g.constant(-_SHARPNESS)])], axis=1)


def _asked(g: _GraphWriter) -> tuple[str, str]:
    """How much each query asks for the colour and for the brightness: two (Q, 1)."""
    mask = g.add("Cast", ["query_mask"], to=TensorProto.FLOAT)
    last = g.constant([2], np.int64)
    real = g.add("Mul", ["query_tokens", g.add("Unsqueeze", [mask, last])])
    summed = g.add("ReduceSum", [real, g.constant([1], np.int64)], keepdims=0)  # (Q, _STATE)
    asked = []
    for index in (_ASKS_COLOUR, _ASKS_BRIGHTNESS):
        column = g.add("Gather", [summed, g.constant([index], np.int64)], axis=1)
        asked.append(g.add("Add", [column, g.constant(1e-4)]))
    return asked[0], asked[1]


def _placed(g: _GraphWriter, weights: str, start: int, count: int) -> str:
    """Put (B, count) weights on the axes of the space from ``start``: (B, 1, DIMENSION)."""
    placed = g.add("MatMul", [weights, g.constant(np.eye(DIMENSION)[start : start + count])])
    return g.add("Unsqueeze", [placed, g.constant([1], np.int64)])


def _y_encoder() -> onnx.ModelProto:
    g = _GraphWriter()
    g.add("Gather", [g.constant(_word_states()), "input_ids"], "token_states", axis=0)
    summed = g.add("ReduceSum", ["token_states", g.constant([1], np.int64)], keepdims=0)
    axes = g.constant(np.arange(DIMENSION), np.int64)
    vector = g.add("Gather", [summed, axes], axis=1)
    g.add("Div", [vector, g.add("ReduceL2", [vector], axes=[1], keepdims=1)], "embedding")
    return g.model(
        {"input_ids": (TensorProto.INT64, [1, "L"])},
        {"token_states": [1, "L", _STATE], "embedding": [1, DIMENSION]},
    )


def _y_decoder() -> onnx.ModelProto:
    """Say "it looks" and the word of the largest axis; its softmax is the probability."""
    g = _GraphWriter()
    axes = g.constant(np.arange(len(COLOURS) + len(LEVELS)), np.int64)
    fits = g.add("Gather", ["embedding", axes], axis=1)
    largest = g.add("ArgMax", [fits], axis=1, keepdims=1)
    word = g.add("Add", [largest, g.constant(5, np.int64)])
    before, after = g.constant([[1, 2]], np.int64), g.constant([[3, 4, 0, 0]], np.int64)
    g.add("Concat", [before, word, after], "words", axis=1)
    scaled = g.add("Mul", [fits, g.constant(LOGIT_SCALE)])
    chances = g.add("Softmax", [scaled], axis=1)
    g.add("ReduceMax", [chances], "probability", axes=[1], keepdims=0)
    return g.model(
        {"embedding": (TensorProto.FLOAT, [1, DIMENSION])},
        {"words": [1, 7], "probability": [1]},
        whole=("words",),
    )
