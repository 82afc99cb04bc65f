# SPDX-License-Identifier: Apache-2.0
"""What the nodes complain about on ``/diagnostics``: what is seen, why, and what to do.

"It runs, but nothing happens" is the most frequent complaint about perception nodes. A status that
is not OK says its cause and the remedy in these sentences. The README's section "No output?" is
the same table; a test keeps both equal.
"""

from __future__ import annotations

from dataclasses import dataclass

from vljepa_ros.stream.image_faults import ImageFault


@dataclass(frozen=True)
class Complaint:
    """One row of the table.

    Attributes:
        seen: How the message begins; ``{}`` stands for a fact, for instance a number of seconds.
        why: The most likely cause.
        remedy: What a user can do.
    """

    seen: str
    why: str
    remedy: str

    def told(self, *facts: object) -> str:
        """Return the message, with ``facts`` in the places of ``seen``."""
        return f"{self.seen.format(*facts)}: {self.why}; {self.remedy}"

    @property
    def row(self) -> str:
        """The row of the table in Markdown."""
        return f"| {self.seen.replace('{}', '…')} | {self.why} | {self.remedy} |"


UNCONFIGURED = Complaint(
    "unconfigured",
    "nobody has configured the node (`autostart:=false`), or it was cleaned up",
    "`ros2 lifecycle set NODE configure`, then `ros2 lifecycle set NODE activate`",
)
INACTIVE = Complaint(
    "inactive",
    "nobody has activated the node, or it was deactivated; the log says if it did so itself",
    "`ros2 lifecycle set NODE activate`",
)
NO_PUBLISHER = Complaint(
    "no message for {} s: {}",
    "the topic has another name, or the camera driver does not run",
    "look for the name with `ros2 topic list -t`, then remap: `image_topic:=/your/topic`, or "
    "`--ros-args -r image_raw:=/your/topic`",
)
OTHER_TYPE = Complaint(
    "no message for {} s, as the topic has another type: {}",
    "compressed images are expected where raw ones come, or the other way round, or these are no "
    "images",
    "set `image_transport` to `raw` or `compressed`, or remap to another topic",
)
INCOMPATIBLE_QOS = Complaint(
    "no message for {} s, as no publisher has a compatible QoS: {}",
    "the publishers offer less than this node asks for",
    "take the `qos_overrides` of this topic out of the parameters, or change the publisher",
)
SILENT_PUBLISHERS = Complaint(
    "no message for {} s, but there are publishers: {}",
    "the publishers send nothing, or the network loses all of it, as it does with images of more "
    "than 512 KB",
    '`ros2 topic hz` on the publisher\'s computer; see "Large images" in docs/robot.md',
)
NO_EMBEDDER = Complaint(
    "no message for {} s, so there is no embedding: {}",
    "the embedder does not run, is not active, or has another name, namespace or list of cameras",
    "look at the embedder's own status; `ros2 topic list` shows its topics",
)
STARVED = Complaint(
    "images come, but no embedding goes out: {}",
    "the images or their stamps cannot be used, or the model takes many seconds",
    "mend what is named; if nothing is, ask fewer queries or take a smaller model",
)
MANY_REFUSED = Complaint(
    "{} of the images are refused: {}",
    "encoding or size of the message",
    "set another encoding in the camera driver; the counters name all causes",
)
WRONG_STAMPS = Complaint(
    "wrong stamps: {}",
    "the driver, two publishers, or a recording that loops",
    "stamp images when they are taken, and let one publisher use the topic",
)
IMAGES_LOST = Complaint(
    "{} images per second arrive, but the stamps are of {}",
    "the network or the middleware loses images, as it does with images of more than 512 KB; or "
    "the camera is irregular",
    'see "Large images" in docs/robot.md',
)
SLOW_MODEL = Complaint(
    "{} of {} clips per second; newer frames replaced {} of the frames",
    "the model is slower than `rate_hz`",
    "lower `rate_hz`, raise `threads`, ask fewer queries",
)
MODEL_FAILS = Complaint(
    "the model failed {} times in a row",
    "the backend refused the input or ran out of memory; the last fault says which",
    "`vljepa verify` the bundle on this computer; the node deactivates itself after some more",
)
NO_DESCRIBER = Complaint(
    "no message for {} s, so no state is told: {}",
    "the describer does not run, is not active, or has another name or namespace",
    "look at the describer's own status; `ros2 topic list` shows its topics",
)
OTHER_SPACE = Complaint(
    "embeddings of another space are refused",
    "the embedder runs another bundle than the describer",
    "start both with the same `bundle`, or set it on both (docs/robot.md, Another bundle)",
)
DECODER_FAILS = Complaint(
    "descriptions fail",
    "the decoder refused embeddings; the last fault says why",
    "`vljepa verify` the bundle, or set `decoder` to `phrases`",
)
UNANSWERED = Complaint(
    "queries without phrases are not described: {}",
    "the bundle has no phrases for them, and nobody gave any",
    "give them phrases, with `set_queries`, `add_phrases` or in `queries_file`",
)
NO_STATE = Complaint(
    "embeddings come, but no state goes out",
    "all of them were refused, or their words are still sought",
    "the counters of this status name the cause",
)
OLD_STAMPS = Complaint(
    "embeddings are {} s old",
    "the pipeline is late, the clocks of two computers differ, or a recording is played with its "
    "own stamps",
    "compare the clocks; play bags with `ros2 bag play --clock` and set `use_sim_time:=true`",
)
NO_CLOCK = Complaint(
    "nobody publishes /clock, but simulated time is used by {}",
    "no simulator and no `ros2 bag play --clock` runs",
    "start it, or set `use_sim_time:=false`",
)
NAMESAKES = Complaint(
    "{} nodes are named {}",
    "two launches run in one namespace: both publish on the same topics, and a parameter that is "
    "set reaches one of them",
    "end the other, or start one with another namespace or name",
)

UNFAMILIAR = Complaint(
    "the scene has been unfamiliar for {} s",
    "it looks unlike all that the model was made for, so no state is claimed",
    "look at the camera; if the scene is right, teach the model with clips of it, or set "
    "`when_unfamiliar`",
)
COVERED = Complaint(
    "the lens has been covered for {} s",
    "the images have hardly any structure",
    "look at the lens, and at what stands right in front of it",
)
FROZEN = Complaint(
    "the images have been frozen for {} s",
    "they are equal, although their stamps go on: the driver or a link repeats its last image, or "
    "a simulation without noise stands still",
    "start the camera driver again; for a simulation set `frozen_after_s` to 0",
)
UNDEREXPOSED = Complaint(
    "the images have been too dark for {} s",
    "hardly any light falls on the sensor, or the exposure is too short",
    "light the scene, or let the camera driver set the exposure",
)
OVEREXPOSED = Complaint(
    "the images have been too bright for {} s",
    "light falls straight into the lens, or the exposure is too long",
    "shade the lens, or let the camera driver set the exposure",
)
IMAGE_FAULTS = {
    ImageFault.COVERED: COVERED,
    ImageFault.FROZEN: FROZEN,
    ImageFault.UNDEREXPOSED: UNDEREXPOSED,
    ImageFault.OVEREXPOSED: OVEREXPOSED,
}
DOUBTS = {ImageFault.NO_FAULT: UNFAMILIAR, **IMAGE_FAULTS}

COMPLAINTS = (
    UNCONFIGURED,
    INACTIVE,
    NO_PUBLISHER,
    OTHER_TYPE,
    INCOMPATIBLE_QOS,
    SILENT_PUBLISHERS,
    STARVED,
    MANY_REFUSED,
    WRONG_STAMPS,
    IMAGES_LOST,
    SLOW_MODEL,
    MODEL_FAILS,
    NO_EMBEDDER,
    NO_DESCRIBER,
    OTHER_SPACE,
    DECODER_FAILS,
    UNANSWERED,
    NO_STATE,
    UNFAMILIAR,
    COVERED,
    FROZEN,
    UNDEREXPOSED,
    OVEREXPOSED,
    OLD_STAMPS,
    NO_CLOCK,
    NAMESAKES,
)


def complaints_in(message: str) -> list[dict[str, str]]:
    """Return the complaints of a message in the order of their words, taken apart.

    Args:
        message: Of a status; what :meth:`Complaint.told` gave, several with ``"; "`` between them.

    Returns:
        For each what is ``seen``, ``why``, and the ``remedy``; the last two are empty if it is
        none of ours.
    """
    tails = {f": {one.why}; {one.remedy}": one for one in COMPLAINTS}
    found, rest = [], message
    while rest:
        places = ((rest.find(tail), tail) for tail in tails)
        begin, tail = min((one for one in places if one[0] >= 0), default=(len(rest), ""))
        why, remedy = (tails[tail].why, tails[tail].remedy) if tail else ("", "")
        found.append({"seen": rest[:begin], "why": why, "remedy": remedy})
        rest = rest[begin + len(tail) :].removeprefix("; ")
    return found
