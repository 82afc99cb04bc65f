# SPDX-License-Identifier: Apache-2.0
"""The states as texts in space, for rviz without any plugin."""

from __future__ import annotations

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from vljepa_ros.views.board import BoardView, QueryView
from vljepa_ros.views.durations import duration

_LIFETIME = Duration(sec=2)  # texts of a node that has died disappear
_WHITE, _GREY = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0), ColorRGBA(r=0.5, g=0.5, b=0.5, a=1.0)
_ORANGE = ColorRGBA(r=0.94, g=0.69, b=0.24, a=1.0)
_LINES = 3.0  # from one text to the next, in heights of a line


def state_markers(view: BoardView, frame_id: str, size_m: float, distance_m: float) -> MarkerArray:
    """Return one text per query that has a state, one below the other.

    They stand `distance_m` in front of the camera whose optical frame (x right, y down, z forward)
    is `frame_id`, in letters `size_m` high. A state that is not seen any more is grey and says for
    how long; one that cannot be trusted is orange, with a question mark and the cause. The stamp
    is zero: rviz takes the newest transform.
    """
    shown = [query for query in view.queries if query.states]
    top = -_LINES * size_m * (len(shown) - 1) / 2
    markers = [
        _text(
            number,
            query,
            view.now_ns,
            frame_id,
            size_m,
            Point(y=top + number * _LINES * size_m, z=distance_m),
        )
        for number, query in enumerate(shown)
    ]
    return MarkerArray(markers=markers)


def _text(
    number: int, query: QueryView, now_ns: int, frame_id: str, size_m: float, place: Point
) -> Marker:
    state, unseen_s = query.states[-1], query.unseen_s(now_ns)
    question = query.question or query.name
    sure, colour = f"{100 * state.score:.0f} %" if state.score else "", _WHITE
    if unseen_s is not None:
        sure, colour = f"not seen for {duration(round(1e9 * unseen_s))}", _GREY
    elif state.doubt:
        sure, colour = f"for {duration(now_ns - state.since_ns)}", _ORANGE
    return Marker(
        header=Header(frame_id=frame_id),
        ns="vljepa",
        id=number,
        type=Marker.TEXT_VIEW_FACING,
        action=Marker.ADD,
        pose=Pose(position=place, orientation=Quaternion(w=1.0)),
        scale=Vector3(z=size_m),
        color=colour,
        lifetime=_LIFETIME,
        text=f"{question}\n{state.text}" + (f" ({sure})" if sure else ""),
    )
