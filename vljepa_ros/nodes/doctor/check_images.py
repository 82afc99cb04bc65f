# SPDX-License-Identifier: Apache-2.0
"""Do images come that the embedder can use?"""

from __future__ import annotations

from collections.abc import Iterator

from vljepa_ros.nodes.common.complaints import IMAGES_LOST, WRONG_STAMPS
from vljepa_ros.nodes.doctor.ailments import OLD_IMAGES, REFUSED_IMAGES, SEVERAL_PUBLISHERS
from vljepa_ros.nodes.doctor.finding import Finding, fault, fine
from vljepa_ros.nodes.doctor.observation import Observation, SeenTopic

_OLD_S = 5.0


def check_images(seen: Observation) -> Iterator[Finding]:
    """Look at each topic that an embedder listens to."""
    for topic, images in seen.images.items():
        if images.silence:
            yield fault("images", images.silence)
            continue
        faults = list(_faults(topic, images))
        yield from faults
        if not faults:
            rate = f"{images.arrived_hz:.1f} images per second"
            yield fine("images", f"{topic}: {rate}, {images.looks}")


def _faults(topic: str, images: SeenTopic) -> Iterator[Finding]:
    if len(images.publishers) > 1:
        names = ", ".join(images.publishers)
        yield fault("images", SEVERAL_PUBLISHERS.told(topic, names))
    if images.refusal:
        yield fault("images", REFUSED_IMAGES.told(topic, images.refusal))
    if images.stamps:
        yield fault("stamps", f"{topic}: {WRONG_STAMPS.told(images.stamps)}")
    elif not images.comes_whole:
        facts = (f"{images.arrived_hz:.1f}", f"{images.sent_hz:.1f}")
        yield fault("images", f"{topic}: {IMAGES_LOST.told(*facts)}")
    if abs(images.age_s) > _OLD_S:
        yield fault("stamps", OLD_IMAGES.told(topic, f"{images.age_s:.0f}"))
