# SPDX-License-Identifier: Apache-2.0
"""The states as texts in space, for rviz without any plugin."""

from __future__ import annotations

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from vljepa_ros.views.board import BoardView, QueryView

_LIFETIME = Duration(sec=2)  # texts of a node that has died disappear
_LINES = 3.0  # from one text to the next, in heights of a line


def state_markers(view: BoardView, frame_id: str, size_m: float, distance_m: float) -> MarkerArray:
    """Return one text per query that has a state, one below the other.

    They stand `distance_m` in front of the camera whose optical frame (x right, y down, z forward)
    is `frame_id`, in letters `size_m` high. The stamp is zero: rviz takes the newest transform.
    """
    shown = [query for query in view.queries if query.states]
    top = -_LINES * size_m * (len(shown) - 1) / 2
    markers = [
        _text(
            number, query, frame_id, size_m, Point(y=top + number * _LINES * size_m, z=distance_m)
        )
        for number, query in enumerate(shown)
    ]
    return MarkerArray(markers=markers)


def _text(number: int, query: QueryView, frame_id: str, size_m: float, place: Point) -> Marker:
    state = query.states[-1]
    question = query.question or query.name
    return Marker(
        header=Header(frame_id=frame_id),
        ns="vljepa",
        id=number,
        type=Marker.TEXT_VIEW_FACING,
        action=Marker.ADD,
        pose=Pose(position=place, orientation=Quaternion(w=1.0)),
        scale=Vector3(z=size_m),
        color=ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0),
        lifetime=_LIFETIME,
        text=f"{question}\n{state.text} ({100 * state.score:.0f} %)",
    )
