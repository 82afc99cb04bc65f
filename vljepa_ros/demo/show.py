# SPDX-License-Identifier: Apache-2.0
"""A run from its first line on the terminal to its last."""

from __future__ import annotations

import traceback
from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.demo.annotated_video import AnnotatedVideo
from vljepa_ros.demo.figures import Figures, figures
from vljepa_ros.demo.notices import Notices
from vljepa_ros.demo.out_folder import OutFolder
from vljepa_ros.demo.picture import timeline
from vljepa_ros.demo.record import EmbeddingRecord, RunRecord, StateRecord
from vljepa_ros.demo.run_log import RunLog
from vljepa_ros.demo.session import DemoError, Session, session
from vljepa_ros.demo.terminal import silence
from vljepa_ros.demo.truth import Truth
from vljepa_ros.demo.verdict import why_no_state
from vljepa_ros.views.board import BoardView
from vljepa_ros.views.colours import StateColours
from vljepa_ros.views.overlay import OverlayPainter
from vljepa_ros.views.timeline import draw_timeline


class _Outputs:
    """Passes on what the recorder hears to the video, the log and the terminal."""

    def __init__(self, video: AnnotatedVideo, log: RunLog, notices: Notices) -> None:
        self._video = video
        self._log = log
        self._notices = notices

    def on_image(self, stamp_ns: int, image: NDArray[np.uint8], view: BoardView) -> None:
        self._video.add(stamp_ns, image, view)

    def on_state(self, state: StateRecord) -> None:
        self._log.state(state)

    def on_embedding(self, embedding: EmbeddingRecord) -> None:
        self._log.embedding(embedding)

    def on_notice(self, node: str, text: str) -> None:
        self._notices.show(node, text)


def show(
    source: str, topic: str, bundle: str, truth: Truth | None, out: OutFolder, live: bool = False
) -> int:
    """Replay a source through the nodes, write, print, and return the exit status.

    Args:
        source: video, folder, bag or camera.
        topic: image topic of a bag; empty lets the replay choose.
        bundle: folder of the model bundle; empty is the default bundle.
        truth: what is right, if that is known.
        out: where to write; it was prepared.
        live: also open the live view in the browser.
    """
    run = RunRecord(Path(source).name)
    colours = StateColours()
    print(f"replaying {source}; each line is a change of state (Ctrl-C ends)", flush=True)
    with RunLog(out.log, run) as log, AnnotatedVideo(out.video, OverlayPainter(colours)) as video:
        outputs = _Outputs(video, log, Notices(out.nodes))
        problem = _replay(session(run, outputs, source, topic, bundle, out.nodes, live))
        summary = figures(run, truth)
        log.summary(summary)
    picture = draw_timeline(timeline(run, summary, truth), colours=colours)
    if not cv2.imwrite(str(out.picture), picture[..., ::-1]):
        problem = problem or f"{out.picture} cannot be written"
    return _conclude(run, summary, problem or why_no_state(run), video, out)


def _replay(prepared: AbstractContextManager[Session]) -> str:
    """Run to the end or to Ctrl-C; return what went wrong, or an empty text."""
    try:
        with prepared as running:
            running.replay()
    except KeyboardInterrupt as signal:
        print(f"ended by {str(signal) or 'Ctrl-C'}")
    except BrokenPipeError:
        silence()
    except DemoError as error:
        return str(error)
    except OSError as error:  # a full disk, for instance
        return f"{error.strerror}: {error.filename}" if error.filename else str(error)
    except Exception as error:
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    return ""


def _conclude(
    run: RunRecord, summary: Figures, problem: str, video: AnnotatedVideo, out: OutFolder
) -> int:
    if run.frames:
        print("\n" + "\n".join(summary.lines()))
    if video.error is not None:
        print(f"the annotated video could not be written: {video.error}")
    elif video.left_out:
        print(f"the annotated video lacks {video.left_out} of {run.frames} images")
    if problem:
        print(f"demo: FAILED: {problem}")
        return 1
    print(
        f"demo: done. Look at {out.video} and {out.picture}; everything is in {out.log}",
        flush=True,
    )
    return 0
