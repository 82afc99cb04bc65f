# SPDX-License-Identifier: Apache-2.0
"""Why embeddings of a camera lead to no state in words."""

from __future__ import annotations

from vljepa_ros.nodes.camera_describer import CameraDescriber
from vljepa_ros.nodes.common.complaints import (
    DECODER_FAILS,
    NO_STATE,
    OTHER_SPACE,
    Complaint,
)
from vljepa_ros.nodes.common.diagnostics import Tally
from vljepa_ros.nodes.common.recent import Recent
from vljepa_ros.nodes.diagnostic_keys import (
    DESCRIPTIONS_FAILED,
    EMBEDDINGS_OF_ANOTHER_SPACE,
)

_ENOUGH = 20  # embeddings after which the first state must have been told
_CAUSES: dict[str, Complaint] = {
    EMBEDDINGS_OF_ANOTHER_SPACE: OTHER_SPACE,
    DESCRIPTIONS_FAILED: DECODER_FAILS,
}


class DescriberComplaints:
    """Finds what is wrong with each camera, from what was counted lately."""

    def __init__(self, tally: Tally) -> None:
        """Take the node's tally."""
        self._tally = tally
        self._recent = Recent()

    def of(self, name: str, camera: CameraDescriber) -> str:
        """Say what is wrong; empty if embeddings come and states are told that can be trusted.

        Args:
            name: Of the camera; empty if there is only one, without a name.
            camera: Of that name.
        """
        if silence := camera.silence():
            return silence
        prefix = f"{name}: " if name else ""
        for cause, complaint in _CAUSES.items():
            total = self._tally[cause] + (self._tally[prefix + cause] if prefix else 0)
            if self._recent.grew(prefix + cause, total):
                return prefix + complaint.told()
        if doubt := camera.doubt():
            return doubt
        listener = camera.listener
        if listener and listener.rate.total >= _ENOUGH and not camera.states.total:
            return prefix + NO_STATE.told()
        return ""
