# SPDX-License-Identifier: Apache-2.0
"""A run from its first line on the terminal to its last."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.demo.annotated_video import AnnotatedVideo
from vljepa_ros.demo.figures import Figures, figures
from vljepa_ros.demo.picture import timeline
from vljepa_ros.demo.record import EmbeddingRecord, RunRecord, StateRecord
from vljepa_ros.demo.run_log import RunLog
from vljepa_ros.demo.session import DemoError, Session, session
from vljepa_ros.demo.truth import Truth
from vljepa_ros.views.board import BoardView
from vljepa_ros.views.colours import StateColours
from vljepa_ros.views.overlay import OverlayPainter
from vljepa_ros.views.timeline import draw_timeline


class _Outputs:
    """Passes on what the recorder hears to the video, the log and the terminal."""

    def __init__(self, video: AnnotatedVideo, log: RunLog) -> None:
        self._video = video
        self._log = log

    def on_image(self, stamp_ns: int, image: NDArray[np.uint8], view: BoardView) -> None:
        self._video.add(stamp_ns, image, view)

    def on_state(self, state: StateRecord) -> None:
        self._log.state(state)

    def on_embedding(self, embedding: EmbeddingRecord) -> None:
        self._log.embedding(embedding)


def show(source: str, topic: str, bundle: str, truth: Truth | None, out: Path) -> int:
    """Replay `source` through the nodes, write to `out`, print, and return the exit status."""
    run = RunRecord(Path(source).name)
    colours = StateColours()
    video = AnnotatedVideo(out / "annotated.mp4", OverlayPainter(colours))
    log = RunLog(out / "log.jsonl", run)
    print(f"replaying {source}; each line is a change of state (Ctrl-C ends)", flush=True)
    outputs = _Outputs(video, log)
    problem = _replay(session(run, outputs, source, topic, bundle, out / "nodes"))
    video.close()
    summary = figures(run, truth)
    log.close(summary)
    picture = draw_timeline(timeline(run, summary, truth), colours=colours)
    cv2.imwrite(str(out / "timeline.png"), picture[..., ::-1])
    return _conclude(run, summary, problem or _what_is_missing(run), video, out)


def _replay(prepared: AbstractContextManager[Session]) -> str:
    """Run to the end or to Ctrl-C; return what went wrong, or an empty text."""
    try:
        with prepared as running:
            running.replay()
    except KeyboardInterrupt:
        print("ended by Ctrl-C")
    except DemoError as error:
        return str(error)
    return ""


def _what_is_missing(run: RunRecord) -> str:
    if run.frames == 0:
        return "no image came"
    if not run.embeddings:
        return f"{run.frames} images came, but no embedding: is the recording shorter than a clip?"
    return "" if run.states else "embeddings came, but no state"


def _conclude(
    run: RunRecord, summary: Figures, problem: str, video: AnnotatedVideo, out: Path
) -> int:
    print("\n" + "\n".join(summary.lines()))
    if video.error is not None:
        print(f"the annotated video could not be written: {video.error}")
    elif video.left_out:
        print(f"the annotated video lacks {video.left_out} of {run.frames} images")
    if problem:
        print(f"demo: FAILED: {problem}")
        return 1
    print(
        f"demo: done. Look at {out / 'annotated.mp4'} and {out / 'timeline.png'}; "
        f"everything is in {out / 'log.jsonl'}"
    )
    return 0
