# SPDX-License-Identifier: Apache-2.0
"""What a message of the describer tells, as the views show it."""

from __future__ import annotations

import math

from vljepa_msgs.msg import StateDescription
from vljepa_ros.nodes.common.conversions import to_ns
from vljepa_ros.views.board import StateView
from vljepa_ros.views.doubts import doubt_words


def state_view(message: StateDescription) -> StateView:
    """Return the state of a message that is neither LOST nor FORCED."""
    is_doubted = message.reason == StateDescription.UNFAMILIAR
    return StateView(
        message.text,
        to_ns(message.since),
        message.score,
        doubt=doubt_words(message.image_fault) if is_doubted else "",
        unfamiliarity=message.unfamiliarity if math.isfinite(message.unfamiliarity) else None,
    )
