# SPDX-License-Identifier: Apache-2.0
"""Do the written graphs compute what torch computes, on real frames and all the way through?

Each graph is fed with what the graph before it gave, and compared with what torch makes of the
same frames. At the end the whole bank of phrases must be in the same order for every query.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from vljepa_ros.model.export.contents import Contents, EncodedTexts
from vljepa_ros.model.export.export_error import ExportError
from vljepa_ros.model.export.stored_trunk import StoredTrunk
from vljepa_ros.model.frame_encoder import FrameEncoder
from vljepa_ros.model.normalise import normalised
from vljepa_ros.model.rotary import time_pairs
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.model.y_decoder import YDecoder
from vljepa_ros.runtime.onnx_session import session_options
from vljepa_ros.runtime.reference import Reference, same_order
from vljepa_ros.runtime.stream_memory import PAST, SEEN, STATE, TIME
from vljepa_ros.stream.last_frames import last_frames
from vljepa_ros.stream.time_turn import time_turn

TOLERANCE = 1e-4  # relative
TIE = 1e-5  # cosines nearer than this have no order

_Floats = NDArray[np.float32]
_Run = Callable[..., list[_Floats]]


class Parity:
    """Compares the graphs in a folder with a model, on clips uint8 (n, T, H, W, 3)."""

    def __init__(
        self,
        folder: Path,
        model: VLJepaModel,
        trunk: FrameEncoder | StoredTrunk | None,
        contents: Contents,
        clips: NDArray[np.uint8],
    ) -> None:
        self._folder, self._model, self._trunk = folder, model, trunk
        self._texts, self._contents = EncodedTexts(model, contents), contents
        self._clips = clips
        self.errors: dict[str, float] = {}

    @torch.no_grad()
    def check(self, bank: _Floats) -> Reference:
        """Compare every graph in the folder; return the first clip and what they made of it.

        :attr:`errors` holds the largest relative error of each graph from then on.

        Args:
            bank: embeddings (n, D) of all phrases.

        Raises:
            ExportError: an error is above the tolerance, the order of phrases differs, or other
                words are said.
        """
        true, found = self._predict(*self._see(*self._frames()))
        for clip, pair in enumerate(zip(true, found, strict=True)):
            for name, a, b in zip(self._contents.queries, *pair, strict=True):
                if not same_order(bank @ a, bank @ b, TIE):
                    raise ExportError(
                        f"query {name!r} about clip {clip}: "
                        "the graphs order the phrases differently than torch"
                    )
        if (self._folder / "y_encoder.onnx").exists():
            self._read()
        if self._contents.decoder is not None:
            self._decode(self._contents.decoder, np.concatenate([bank, *found]))
        return Reference(self._clips[0], found[0])

    def _frames(self) -> tuple[list[Tensor], list[NDArray[Any]]]:
        """Return what the X-Encoder takes of each clip, in torch and as a graph."""
        clips = [torch.from_numpy(clip) for clip in self._clips]
        if self._trunk is None:
            return [normalised(clip) for clip in clips], list(self._clips)
        run = self._graph("frame_encoder")
        true = [self._trunk(clip) for clip in clips]
        found = [run(frame=clip)[0] for clip in self._clips]
        self._compare("frame_encoder", true, found)
        return true, found

    def _see(
        self, true: list[Tensor], found: list[NDArray[Any]]
    ) -> tuple[list[Tensor], list[_Floats]]:
        """Return the visual tokens (1, N, width) of each clip."""
        run = self._graph("x_encoder")
        name = "frames" if self._trunk is None else "features"
        true = [self._model.x_encoder(clip[None]) for clip in true]
        if not self._model.config.x_encoder.memory:
            found = [run(**{name: clip[None]})[0] for clip in found]
        else:
            found = [self._follow(run, name, clip) for clip in found]
        self._compare("x_encoder", true, found)
        return true, found

    def _follow(self, run: _Run, name: str, clip: NDArray[Any]) -> _Floats:
        """Return the visual tokens (1, N, width) of a clip that is seen frame by frame."""
        config = self._model.config
        state = self._model.x_encoder.no_past().numpy()
        back = np.arange(1, config.clip_frames)
        for place in range(len(clip)):
            turn = time_turn(np.array([float(place)]), time_pairs(config.x_encoder))
            window = np.stack(last_frames([*clip[: place + 1]], config.x_encoder.window))
            inputs = {name: window[None], TIME: turn, SEEN: (back <= place)[None]}
            tokens, state = run(**inputs, **{PAST + STATE: state})
        return tokens

    def _predict(
        self, true: list[Tensor], found: list[_Floats]
    ) -> tuple[list[_Floats], list[_Floats]]:
        """Return the embeddings (Q, D) of each clip."""
        tokens, mask = self._texts.queries(self._contents.queries.values())
        run = self._graph("predictor")
        step = 1 if self._model.config.predictor.joint else len(tokens)
        asked = list(zip(tokens.numpy(), mask.numpy(), strict=True))
        passes = [asked[i : i + step] for i in range(0, len(asked), step)]

        def predict(visual: _Floats) -> _Floats:
            feeds = [map(np.stack, zip(*each, strict=True)) for each in passes]
            return np.concatenate(
                [run(visual_tokens=visual, query_tokens=q, query_mask=m)[0][0] for q, m in feeds]
            )

        predictor = self._model.predictor
        expected = [predictor(visual, tokens[None], mask[None])[0] for visual in true]
        embeddings = [predict(visual) for visual in found]
        self._compare("predictor", expected, embeddings)
        return [each.numpy() for each in expected], embeddings

    def _read(self) -> None:
        """Compare the text encoder on all texts, with its token states if it gives them."""
        run = self._graph("y_encoder")
        limit = self._model.config.predictor.max_query_tokens
        true, found = [], []
        for text in {*self._contents.queries.values(), *self._contents.all_phrases}:
            embedding, *states = run(input_ids=self._texts.ids(text).numpy())
            true.append(self._texts.embedding(text))
            found.append(embedding)
            true += [self._texts.query(text) for _ in states]
            found += [each[0, :limit] for each in states]
        self._compare("y_encoder", true, found)

    def _decode(self, decoder: YDecoder, embeddings: _Floats) -> None:
        """Compare what the Y-Decoder says about embeddings (n, D), and how probable it is."""
        run = self._graph("y_decoder")
        found = [run(embedding=each[None]) for each in embeddings]
        words, probabilities = decoder.greedy_decode(torch.from_numpy(embeddings))
        if not np.array_equal(words, np.concatenate([each[0] for each in found])):
            raise ExportError("y_decoder says other words than torch")
        self._compare("y_decoder", [probabilities], [np.concatenate([p for _, p in found])])

    def _graph(self, name: str) -> _Run:
        session = onnxruntime.InferenceSession(
            str(self._folder / f"{name}.onnx"),
            session_options(torch.get_num_threads()),
            providers=["CPUExecutionProvider"],
        )
        return lambda **feed: session.run(None, feed)

    def _compare(self, graph: str, true: list[Tensor], found: list[_Floats]) -> None:
        pairs = zip(true, found, strict=True)
        errors = [relative_error(expected.numpy(), got) for expected, got in pairs]
        worst = float(np.max(errors))  # not a number if one of them is none
        if not worst <= TOLERANCE:
            raise ExportError(
                f"{graph} differs from torch by {worst:.1e} relative, allowed is {TOLERANCE}"
            )
        self.errors[graph] = worst


def relative_error(true: _Floats, found: _Floats) -> float:
    """Return the norm of the difference divided by the norm of ``true``."""
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))
