# SPDX-License-Identifier: Apache-2.0
"""All dimensions of a VL-JEPA in one frozen, validated place."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the default model.

    :param frame_pixels: height and width that a frame is brought to.
    :param frame_channels: channels of the frame encoder's feature map, ``frame_grid`` its side.
    :param clip_frames: frames of a clip, ``clip_rate_hz`` their rate.
    :param tubelet: frames that one visual token covers, ``patch`` the side of its feature patch.
    :param width: token width of X-Encoder and Predictor, ``heads`` their attention heads.
    :param text_width: width of the text encoder's token states.
    :param embedding: dimension of the shared embedding space.
    """

    frame_pixels: int = 160
    frame_channels: int = 112
    frame_grid: int = 10
    clip_frames: int = 8
    clip_rate_hz: float = 5.0
    tubelet: int = 4
    patch: int = 2
    width: int = 192
    heads: int = 6
    encoder_blocks: int = 2
    predictor_blocks: int = 3
    text_width: int = 384
    max_query_tokens: int = 24
    embedding: int = 256

    def __post_init__(self) -> None:
        """Raise ValueError where the sizes do not divide."""
        for whole, part in (
            ("clip_frames", "tubelet"),
            ("frame_grid", "patch"),
            ("width", "heads"),
        ):
            if getattr(self, whole) % getattr(self, part):
                raise ValueError(
                    f"{whole} {getattr(self, whole)} is no multiple of "
                    f"{part} {getattr(self, part)}"
                )

    @property
    def visual_tokens(self) -> int:
        """Number of visual tokens of a clip."""
        return (self.clip_frames // self.tubelet) * (self.frame_grid // self.patch) ** 2

    def to_dict(self) -> dict[str, int | float]:
        """Return the sizes for a checkpoint."""
        return asdict(self)
