# SPDX-License-Identifier: Apache-2.0
"""Why a run brought no state, from what was counted in it."""

from __future__ import annotations

from vljepa_ros.demo.record import RunRecord
from vljepa_ros.nodes.diagnostic_keys import FRAMES_REPLACED, STAMPS
from vljepa_ros.stream.stamp_gate import Admission
from vljepa_ros.views.doubts import doubt_words

_JUMPS = [
    f"{STAMPS}: {admission.value}"
    for admission in (Admission.OUT_OF_ORDER, Admission.GAP, Admission.JUMP_BACK)
]


def why_no_state(run: RunRecord) -> str:
    """Return the reason, or an empty text if states came."""
    if run.states:
        return ""
    if not run.complete:
        return "ended before the first state"
    if run.frames == 0:
        return f"the replay published {run.published} images, and none arrived"
    if run.embeddings:
        return f"embeddings came, but no state; {_why_no_words(run)}"
    return f"{run.frames} images came, but no embedding: {_why_no_embedding(run)}"


def _why_no_words(run: RunRecord) -> str:
    newest = run.embeddings[-1]
    if newest.is_strange:
        return (
            f"the recording ends before it is sure that nothing can be claimed "
            f"({doubt_words(newest.image_fault)})"
        )
    return f"the describer says: {run.said('describer')}"


def _why_no_embedding(run: RunRecord) -> str:
    if run.refused:
        cause, count = run.refused.most_common(1)[0]
        return f"{count} of them cannot be used: {cause}"
    if run.frames > 1 and run.duration_s == 0.0:
        return "all stamps are equal, and a clip is cut by time; set header.stamp when recording"
    if run.duration_s < run.clip_s - run.frame_s / 2:
        return (
            f"they last {run.duration_s:.1f} s, and one clip of the model takes {run.clip_s:.1f} s"
        )
    if jumps := sum(run.embedder.get(key, 0) for key in _JUMPS):
        return (
            f"their stamps jump {jumps} times, and no stretch between two jumps is as long as "
            f"one clip of the model ({run.clip_s:.1f} s)"
        )
    if replaced := run.embedder.get(FRAMES_REPLACED, 0):
        return f"the model is too slow: newer images replaced {replaced} before it was ready"
    return f"the embedder says: {run.said('embedder')}"
