# SPDX-License-Identifier: Apache-2.0
"""All dimensions of a VL-JEPA in one frozen, validated place.

The paper's model and the small default model are two values of :class:`ModelConfig`
(:mod:`.presets`); no dimension stands anywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vljepa_ros.fields import FieldError, FieldReader

ROTARIES = ("tiled", "interleaved")
TOWERS = ("gemma3_text", "bert")
TRUNKS = ("efficientnet-lite0",)
QUERY_SOURCES = ("table", "text_encoder")

# Far above any model that there is. Layers are made only if the weights file holds as many values
# (:mod:`.directory`); these limits keep products of sizes, and clips, within what can be computed.
_LARGEST = 1 << 20
_MOST_ROWS = 1 << 24  # of a table of tokens
_MOST_PIXELS = 1 << 13  # of a side of a frame
_MOST_FRAMES = 1 << 10
_MOST_VISUAL_TOKENS = 1 << 15
_MOST_CLIP_VALUES = 1 << 28


class ConfigError(ValueError):
    """A configuration is incomplete or its dimensions do not fit each other."""


def _sizes(config: object, *names: str, at_least: int = 1, at_most: int = _LARGEST) -> None:
    for name in names:
        value = getattr(config, name)
        if value < at_least:
            raise ConfigError(f"{name} {value} must be at least {at_least}")
        if value > at_most:
            raise ConfigError(f"{name} {value} must be at most {at_most}")


def _amounts(config: object, *names: str) -> None:
    for name in names:
        if not getattr(config, name) > 0:
            raise ConfigError(f"{name} {getattr(config, name)} must be above 0")


def _divides(config: object, whole: str, part: str) -> None:
    if getattr(config, whole) % getattr(config, part):
        raise ConfigError(
            f"{whole} {getattr(config, whole)} is no multiple of {part} {getattr(config, part)}"
        )


def _one_of(config: object, name: str, allowed: tuple[str, ...]) -> None:
    if getattr(config, name) not in allowed:
        known = ", ".join(repr(value) for value in allowed)
        raise ConfigError(f"{name} {getattr(config, name)!r} is none of {known}")


@dataclass(frozen=True)
class XEncoderConfig:
    """A vision transformer of the V-JEPA 2 family (arXiv 2506.09985, 2603.14482).

    Attributes:
        grid: height and width in pixels of what is cut into patches, of the frame itself or of the
            feature map of ``trunk``; ``channels`` are its channels.
        patch: side of a patch, ``tubelet`` the frames that one visual token covers.
        mlp: width of the hidden layer of the MLPs.
        rotary: how V-JEPA pairs channels and frequencies: ``tiled`` in V-JEPA 2, ``interleaved``,
            which is a true rotation, in V-JEPA 2.1.
        position_grid: patches per side that spatial positions are stretched to, whatever the size
            of the frame (16 in V-JEPA 2.1); 0 leaves the positions as they are.
        image_tokens: one frame has a patch embedding of its own, and images and videos an offset
            each (V-JEPA 2.1); without it an image is repeated to fill a tubelet.
        motion: tubelets are seen as their mean and the differences of their frames.
        trunk: a frozen network that each frame passes first; "" is none.
        evidence: numbers that a linear map reads off some frames. They follow the visual
            tokens as one more token, which the Predictor adds to its answer; 0 is none.
        evidence_lags: how many frames before the newest one those frames are that evidence is
            read off beside the newest one, ascending.
        memory: newest tubelets of a stream, the new one among them, that keep all their tokens;
            older ones keep their summary (docs/streaming.md). Frames see their past only, and
            each is encoded once and ends a tubelet. 0 sees whole clips.
    """

    grid: int = 256
    channels: int = 3
    patch: int = 16
    tubelet: int = 2
    width: int = 1024
    depth: int = 24
    heads: int = 16
    mlp: int = 4096
    rotary: str = "tiled"
    position_grid: int = 0
    image_tokens: bool = False
    motion: bool = False
    trunk: str = ""
    evidence: int = 0
    evidence_lags: tuple[int, ...] = ()
    memory: int = 0

    def __post_init__(self) -> None:
        """Raise ConfigError if a value is no size or two of them do not fit."""
        _sizes(self, "channels", "patch", "width", "depth", "heads", "mlp")
        _sizes(self, "grid", at_most=_MOST_PIXELS)
        _sizes(self, "tubelet", at_most=_MOST_FRAMES)
        _sizes(self, "position_grid", "evidence", "memory", at_least=0)
        _divides(self, "grid", "patch")
        _divides(self, "width", "heads")
        _one_of(self, "rotary", ROTARIES)
        _one_of(self, "trunk", ("", *TRUNKS))
        if self.evidence > self.width:
            raise ConfigError(f"evidence {self.evidence} does not fit into width {self.width}")
        if list(self.evidence_lags) != sorted({*self.evidence_lags} - {0}):
            raise ConfigError(f"evidence_lags {list(self.evidence_lags)} must ascend from 1")
        if self.head_width < 6 or self.head_width % 2:
            raise ConfigError(f"head width {self.head_width}: it must be even and at least 6")
        if self.memory and (self.rotary != "interleaved" or self.image_tokens):
            raise ConfigError("memory needs rotary 'interleaved' and no image_tokens")

    @property
    def head_width(self) -> int:
        """Channels of one attention head."""
        return self.width // self.heads

    @property
    def frame_patches(self) -> int:
        """Number of patches of one frame or tubelet."""
        return (self.grid // self.patch) ** 2

    @property
    def matrix_values(self) -> int:
        """Number of values of the matrices that visual tokens pass, without the trunk's."""
        patches = self.width * self.channels * self.tubelet * self.patch**2
        blocks = self.depth * self.width * (4 * self.width + 2 * self.mlp)
        read = (1 + len(self.evidence_lags)) * self.channels * self.frame_patches
        return patches + blocks + self.evidence * read

    @property
    def window(self) -> int:
        """Number of the newest frames that a new frame of a stream is seen with.

        They are its tubelet, or more if evidence is read off older frames.
        """
        return max(self.tubelet, 1 + max(self.evidence_lags, default=0))

    def tokens(self, frames: int) -> int:
        """Return the number of visual tokens of a clip of ``frames`` frames.

        With a memory these are the patches of its newest tubelet.
        """
        tubelets = 1 if self.memory else max(1, frames // self.tubelet)
        return tubelets * self.frame_patches + (self.evidence > 0)


@dataclass(frozen=True)
class RotaryScaling:
    """Llama 3's stretching of low rotary frequencies to long contexts."""

    factor: float = 32.0
    low: float = 1.0
    high: float = 4.0
    context: int = 8192

    def __post_init__(self) -> None:
        """Raise ConfigError if a value does not stretch anything."""
        _sizes(self, "context")
        _amounts(self, "factor", "low", "high")
        if not self.high > self.low:
            raise ConfigError(f"high {self.high} must be above low {self.low}")


@dataclass(frozen=True)
class PredictorConfig:
    """A stack of Llama layers over visual and query tokens (VL-JEPA section 3.1).

    Attributes:
        query_width: width of a query token as it comes in.
        query_projection: a linear map of the query tokens (the paper's Fig. 2 draws one,
            open-vljepa has none).
        joint: visual tokens look at the query as the query does at them (the paper). Without it
            they do not, and all queries about a clip share one pass of its visual tokens.
        pool_query: a query is one token, the mean of its tokens, so that a further query costs
            next to nothing.
        pool_visual: the answer is pooled over visual and query tokens, not only the latter.
        first_layer: layer of the language model that the first layer is initialised with.
    """

    width: int = 2048
    depth: int = 8
    heads: int = 32
    kv_heads: int = 8
    mlp: int = 8192
    norm_eps: float = 1e-5
    rotary_base: float = 500000.0
    rotary_scaling: RotaryScaling | None = RotaryScaling()
    query_width: int = 2048
    query_projection: bool = False
    max_query_tokens: int = 512
    joint: bool = True
    pool_query: bool = False
    pool_visual: bool = True
    first_layer: int = 8

    def __post_init__(self) -> None:
        """Raise ConfigError if a value is no size or two of them do not fit."""
        _sizes(self, "width", "depth", "heads", "kv_heads", "mlp", "query_width")
        _sizes(self, "max_query_tokens")
        _sizes(self, "first_layer", at_least=0)
        _amounts(self, "norm_eps", "rotary_base")
        _divides(self, "width", "heads")
        _divides(self, "heads", "kv_heads")
        if not self.query_projection and self.query_width != self.width:
            raise ConfigError(
                f"query_width {self.query_width} is not width {self.width}: set query_projection"
            )
        if self.pool_visual and not self.joint:
            raise ConfigError("pool_visual needs joint: shared visual tokens know no query")

    @property
    def head_width(self) -> int:
        """Channels of one attention head."""
        return self.width // self.heads

    @property
    def matrix_values(self) -> int:
        """Number of values of the matrices of all layers."""
        keys = self.kv_heads * self.head_width
        return self.depth * self.width * (2 * self.width + 2 * keys + 3 * self.mlp)


@dataclass(frozen=True)
class YEncoderConfig:
    """A text encoder of transformers, mean pooling and a linear head.

    Attributes:
        tower: ``gemma3_text`` (EmbeddingGemma) or ``bert`` (MiniLM).
        window: tokens that the sliding layers of Gemma see, half of them to either side.
        head_bias: whether the linear head has a bias.
        rate: factor on the learning rate of the tower; 0 freezes it.
    """

    tower: str = "gemma3_text"
    vocabulary: int = 262144
    width: int = 768
    depth: int = 24
    heads: int = 3
    kv_heads: int = 1
    head_width: int = 256
    mlp: int = 1152
    window: int = 512
    max_tokens: int = 512
    head_bias: bool = True
    rate: float = 0.05

    def __post_init__(self) -> None:
        """Raise ConfigError if a value is no size or two of them do not fit."""
        _sizes(self, "width", "depth", "heads", "kv_heads", "head_width", "mlp")
        _sizes(self, "window", "max_tokens")
        _sizes(self, "vocabulary", at_most=_MOST_ROWS)
        if not self.rate >= 0:
            raise ConfigError(f"rate {self.rate} must be at least 0")
        _divides(self, "heads", "kv_heads")
        _one_of(self, "tower", TOWERS)
        if self.tower == "bert" and (
            self.kv_heads != self.heads or self.heads * self.head_width != self.width
        ):
            raise ConfigError("a bert tower has kv_heads like heads, and they fill its width")


@dataclass(frozen=True)
class ModelConfig:
    """A whole VL-JEPA.

    Attributes:
        frame_pixels: height and width that a camera frame is brought to.
        clip_frames: frames of a clip, or in the X-Encoder's memory; ``clip_rate_hz`` their rate.
        stream_rate_hz: rate of clips for which the model is meant.
        embedding: dimension of the shared embedding space.
        queries_from: where query tokens come from: ``table`` is a table of token embeddings
            (Llama's, in the paper), ``text_encoder`` the token states of the Y-Encoder.
        query_vocabulary: rows of that table; 0 without one.
    """

    name: str
    frame_pixels: int = 256
    clip_frames: int = 8
    clip_rate_hz: float = 1.0
    stream_rate_hz: float = 2.0
    embedding: int = 1536
    queries_from: str = "table"
    query_vocabulary: int = 128256
    x_encoder: XEncoderConfig = XEncoderConfig()
    predictor: PredictorConfig = PredictorConfig()
    y_encoder: YEncoderConfig = YEncoderConfig()

    def __post_init__(self) -> None:
        """Raise ConfigError if a value is no size or two of them do not fit."""
        _sizes(self, "embedding")
        _sizes(self, "frame_pixels", at_most=_MOST_PIXELS)
        _sizes(self, "clip_frames", at_most=_MOST_FRAMES)
        _sizes(self, "query_vocabulary", at_least=0, at_most=_MOST_ROWS)
        _amounts(self, "clip_rate_hz", "stream_rate_hz")
        _one_of(self, "queries_from", QUERY_SOURCES)
        if (self.queries_from == "table") != (self.query_vocabulary > 0):
            raise ConfigError("query_vocabulary counts the rows of a table, and 0 is without one")
        states = self.queries_from == "text_encoder"
        if states and self.predictor.query_width != self.y_encoder.width:
            raise ConfigError("query_width must be the width of the Y-Encoder's token states")
        x = self.x_encoder
        if self.clip_frames > 1 and self.clip_frames % x.tubelet:
            raise ConfigError(f"clip_frames {self.clip_frames} is no multiple of {x.tubelet}")
        if x.evidence_lags and x.evidence_lags[-1] >= self.clip_frames:
            raise ConfigError(
                f"evidence_lags {list(x.evidence_lags)} reach back farther than the "
                f"{self.clip_frames} frames of a clip"
            )
        if x.memory:
            self._check_memory()
        if not x.trunk and x.grid != self.frame_pixels:
            raise ConfigError(f"frame_pixels {self.frame_pixels} is not grid {x.grid}")
        if self.visual_tokens > _MOST_VISUAL_TOKENS:
            raise ConfigError(
                f"a clip has {self.visual_tokens} visual tokens, at most {_MOST_VISUAL_TOKENS} "
                "are possible: take fewer or smaller frames"
            )
        values = self.clip_frames * x.channels * x.grid**2
        if values > _MOST_CLIP_VALUES:
            raise ConfigError(f"a clip has {values} values, at most {_MOST_CLIP_VALUES}")

    def _check_memory(self) -> None:
        x = self.x_encoder
        tubelets = self.clip_frames // x.tubelet
        if not 2 <= tubelets >= x.memory:
            raise ConfigError(
                f"clip_frames {self.clip_frames} is a memory of {tubelets} tubelets, and it must "
                f"have two or more, and its {x.memory} newest ones that keep all their tokens"
            )
        kept = x.memory * x.tubelet * x.frame_patches + self.clip_frames
        values = 2 * x.depth * x.width * kept
        if values > _MOST_CLIP_VALUES:
            raise ConfigError(f"a memory has {values} values, at most {_MOST_CLIP_VALUES}")

    @property
    def matrix_values(self) -> int:
        """Number of values of the largest matrices. The whole model has somewhat more."""
        x, p, y = self.x_encoder, self.predictor, self.y_encoder
        return (
            x.matrix_values
            + p.matrix_values
            + y.depth * y.width * (2 * y.heads * y.head_width + 2 * y.mlp)
            + y.width * y.vocabulary
            + p.query_width * self.query_vocabulary
            + self.embedding * (p.width + y.width)
        )

    @property
    def visual_tokens(self) -> int:
        """Number of visual tokens of a clip."""
        return self.x_encoder.tokens(self.clip_frames)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a JSON file or a checkpoint."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> ModelConfig:
        """Read what :meth:`to_dict` wrote.

        Raises:
            ConfigError: a field is missing, unknown or not valid.
        """
        try:
            return FieldReader(_with_newer_fields(values)).dataclass(ModelConfig, complete=True)
        except FieldError as error:
            raise ConfigError(str(error)) from error


def _with_newer_fields(values: Any) -> Any:
    """Add the fields that earlier releases did not write, with what these releases computed."""
    if not isinstance(values, Mapping):
        return values  # which the reader refuses
    newer: dict[str, dict[str, Any]] = {
        "x_encoder": {"memory": 0, "evidence_lags": _all_lags(values)},
        "predictor": {"pool_query": False},
    }
    return {
        name: {**newer[name], **part} if name in newer and isinstance(part, Mapping) else part
        for name, part in values.items()
    }


def _all_lags(values: Mapping[str, Any]) -> list[int]:
    """Return the lags of a release that read the evidence off every frame of a clip."""
    x, frames = values.get("x_encoder"), values.get("clip_frames")
    if not (isinstance(x, Mapping) and x.get("evidence") and isinstance(frames, int)):
        return []
    return list(range(1, min(frames, _MOST_FRAMES)))
