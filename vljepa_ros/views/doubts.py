# SPDX-License-Identifier: Apache-2.0
"""How a doubt about what is seen is shown: words, a question mark, and stripes.

Stripes and the question mark tell it apart without colours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.stream.image_faults import ImageFault
from vljepa_ros.views.text_drawing import Colour

DOUBTED: Colour = (240, 176, 60)
_STRIPE = 4  # pixels, width of a stripe and of the gap to the next one
_WORDS = {
    ImageFault.NO_FAULT: "unfamiliar scene",
    ImageFault.COVERED: "lens covered",
    ImageFault.FROZEN: "images frozen",
    ImageFault.UNDEREXPOSED: "too dark",
    ImageFault.OVEREXPOSED: "too bright",
}


def doubt_words(image_fault: int) -> str:
    """Return why nothing that is said can be trusted; without a fault it is the scene."""
    return _WORDS[ImageFault.of(image_fault)]


def doubted(text: str, doubt: str) -> str:
    """Return words as they are shown in a doubt; there may be none."""
    return f"? {text} ({doubt})" if text else f"? {doubt}"


def hatch(area: NDArray[np.uint8], colour: Colour, ground: Colour) -> None:
    """Fill an area (H, W, 3) with slanted stripes."""
    rows, columns = np.indices(area.shape[:2])
    area[:] = ground
    area[(rows + columns) // _STRIPE % 2 == 0] = colour
