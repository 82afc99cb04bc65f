# SPDX-License-Identifier: Apache-2.0
"""Sentences of the labels: one canonical, many training paraphrases, two never trained.

A label is ``kind:argument``. The grammar multiplies subjects and predicates; the held-out
paraphrases use a subject *and* a predicate that training never sees, so that they measure
whether the model follows the text encoder's space rather than a list of strings.
"""

from __future__ import annotations

from collections.abc import Iterable

SUBJECTS = (
    "the robot",
    "the robot arm",
    "the arm",
    "the gripper",
    "a robot",
    "it",
    "the robotic arm",
)
HELD_OUT_SUBJECTS = ("the manipulator", "the machine's hand")

# predicates by kind: the first is canonical, the last is never trained
PREDICATES: dict[str, tuple[str, ...]] = {
    "rest": (
        "is not moving",
        "stands still",
        "is idle",
        "waits",
        "stays at rest",
        "does nothing",
        "has stopped",
        "pauses",
        "stays where it is",
        "makes no movement",
        "holds its position",
        "is motionless",
    ),
    "approach": (
        "moves toward {0}",
        "approaches {0}",
        "reaches for {0}",
        "goes to {0}",
        "comes closer to {0}",
        "moves closer to {0}",
        "travels to {0}",
        "nears {0}",
        "advances toward {0}",
        "gets nearer to {0}",
        "is on its way to {0}",
        "heads for {0}",
    ),
    "retreat": (
        "moves away from {0}",
        "backs off from {0}",
        "retreats from {0}",
        "withdraws from {0}",
        "leaves {0}",
        "moves back from {0}",
        "goes away from {0}",
        "pulls away from {0}",
        "departs from {0}",
        "increases its distance to {0}",
        "draws back from {0}",
    ),
    "grasp": (
        "closes on {0}",
        "grasps {0}",
        "grips {0}",
        "takes hold of {0}",
        "closes its fingers on {0}",
        "grabs {0}",
        "seizes {0}",
        "catches {0}",
        "takes {0} between its fingers",
        "gets a grip on {0}",
        "clasps {0}",
    ),
    "lift": (
        "lifts {0}",
        "raises {0}",
        "picks up {0}",
        "takes {0} up",
        "pulls {0} up",
        "brings {0} up",
        "lifts {0} off the table",
        "moves {0} upward",
        "hoists {0}",
    ),
    "carry": (
        "carries {0} toward {1}",
        "moves {0} to {1}",
        "brings {0} to {1}",
        "takes {0} toward {1}",
        "transfers {0} to {1}",
        "takes {0} over to {1}",
        "delivers {0} to {1}",
        "shifts {0} toward {1}",
        "is carrying {0} to {1}",
        "transports {0} to {1}",
    ),
    "hold": (
        "holds {0} still",
        "keeps {0} in place",
        "is holding {0} without moving",
        "holds {0} and waits",
        "keeps hold of {0}",
        "holds on to {0}",
        "pauses while holding {0}",
        "keeps {0} where it is",
        "has {0} in its grip and waits",
        "grips {0} motionlessly",
    ),
}

ACTS: dict[str, tuple[str, ...]] = {
    "pushes the button in": (
        "presses the button",
        "pushes on the button",
        "operates the button",
        "presses the button in",
        "is pushing the button",
        "pushes down the button",
    ),
    "presses the coffee machine button": (
        "pushes the button of the coffee machine",
        "switches the coffee machine on",
        "presses the button on the coffee machine",
        "starts the coffee machine",
        "turns the coffee machine on",
        "pushes the coffee machine's switch",
    ),
    "turns the dial": (
        "rotates the dial",
        "twists the dial",
        "is turning the dial",
        "moves the dial round",
        "turns the round dial",
        "spins the knob",
    ),
    "pulls the door open": (
        "opens the door",
        "swings the door open",
        "is opening the door",
        "pulls the door",
        "drags the door open",
        "moves the door outward",
    ),
    "pulls the drawer open": (
        "opens the drawer",
        "draws the drawer out",
        "pulls the drawer out",
        "is opening the drawer",
        "pulls on the drawer",
        "slides the drawer out",
    ),
    "pushes the drawer shut": (
        "closes the drawer",
        "pushes the drawer in",
        "is closing the drawer",
        "pushes the drawer closed",
        "slides the drawer in",
        "shuts the drawer",
    ),
    "turns the faucet handle": (
        "rotates the faucet",
        "opens the faucet",
        "turns the faucet",
        "turns the faucet on",
        "rotates the handle of the faucet",
        "twists the tap",
    ),
    "drives the nail in": (
        "hits the nail",
        "hammers the nail in",
        "hammers the nail",
        "knocks the nail in",
        "drives in the nail with the hammer",
        "strikes the nail",
    ),
    "presses the handle down": (
        "pushes the handle down",
        "pushes down on the handle",
        "presses down the handle",
        "is pressing the handle",
        "moves the handle down",
        "lowers the handle",
    ),
    "pulls the lever up": (
        "raises the lever",
        "lifts the lever",
        "pulls up the lever",
        "tilts the lever up",
        "is pulling the lever",
        "moves the lever upward",
    ),
    "slides the plate toward the goal": (
        "pushes the plate to the goal",
        "moves the plate into the goal",
        "slides the plate",
        "slides the plate into the goal",
        "pushes the plate across the table",
        "shoves the plate along",
    ),
    "slides the window open": (
        "opens the window",
        "pushes the window open",
        "is opening the window",
        "slides open the window",
        "moves the window open",
        "moves the window aside",
    ),
    "slides the window shut": (
        "closes the window",
        "pushes the window shut",
        "is closing the window",
        "slides the window closed",
        "moves the window shut",
        "shuts the window",
    ),
    "pushes the door shut": (
        "closes the door",
        "swings the door shut",
        "is closing the door",
        "pushes the door closed",
        "moves the door shut",
        "shuts the door",
    ),
    "turns the lock shut": (
        "locks the door",
        "turns the lock closed",
        "is locking the door",
        "closes the lock",
        "turns the lock of the door shut",
        "bolts the door",
    ),
    "turns the lock open": (
        "unlocks the door",
        "opens the lock",
        "is unlocking the door",
        "turns the lock of the door open",
        "releases the lock",
        "unbolts the door",
    ),
    "pulls the handle up": (
        "raises the handle",
        "lifts the handle",
        "pulls up the handle",
        "is pulling the handle up",
        "moves the handle up",
        "draws the handle upward",
    ),
    "slides the plate out of the goal": (
        "moves the plate out of the goal",
        "pushes the plate out of the goal",
        "takes the plate out of the goal",
        "slides the plate back",
        "is sliding the plate out of the goal",
        "drags the plate out",
    ),
    "pushes the bottle with the stick": (
        "moves the bottle with the stick",
        "shoves the bottle using the stick",
        "pushes the bottle",
        "works on the bottle with the stick",
        "pushes against the bottle with the stick",
        "uses the stick to push the bottle",
    ),
}

# whole sentences, without the robot as their subject
SENTENCES: dict[str, tuple[str, ...]] = {
    "back": (
        "{0} moves back by itself",
        "{0} springs back",
        "{0} returns on its own",
        "{0} moves back",
        "{0} goes back on its own",
        "{0} returns to where it was",
        "{0} moves back without help",
        "{0} goes back without being touched",
    ),
    "falls": (
        "{0} falls",
        "{0} drops",
        "{0} moves freely without being held",
        "{0} is falling",
        "{0} has been dropped",
        "{0} slips and drops",
        "{0} falls down",
        "{0} tumbles down",
    ),
    "air": (
        "{0} is in the air",
        "{0} is lifted up",
        "{0} is above the table",
        "{0} has been lifted",
        "{0} hangs in the air",
        "{0} is up in the air",
        "{0} is held above the table",
        "{0} is off the table",
    ),
    "table": (
        "{0} lies where it was",
        "{0} is on the table",
        "{0} is lying there",
        "{0} lies on the table",
        "{0} has not been moved",
        "{0} is where it was",
        "{0} stands on the table",
        "{0} rests on the surface",
    ),
}

QUERIES: dict[str, tuple[str, ...]] = {
    "action": (
        "What is the robot doing?",
        "What is the robot doing now?",
        "What happens?",
        "What is the action shown?",
        "Describe the robot's action.",
        "What is it doing?",
        "What does the robot do?",
        "What is going on?",
        "Which action is this?",
        "What is the arm doing at the moment?",
        "What do you see the robot do?",
        "Which movement does the arm make?",
    ),
    "object": (
        "What is the state of the object?",
        "How is the object now?",
        "In which state is the object?",
        "What about the object?",
        "Describe the object's state.",
        "What state is it in?",
        "How does the object look?",
        "What has become of the object?",
        "What is the object's state now?",
        "Tell me the state of the thing.",
        "What condition is the item in?",
    ),
    "held": (
        "What is the robot holding?",
        "What is in the gripper?",
        "Is an object grasped?",
        "What does the gripper hold?",
        "Which object is held?",
        "What does the robot hold?",
        "Is anything in the gripper?",
        "What is held?",
        "Which thing is in the gripper?",
        "Does the robot hold something?",
        "What has the hand got?",
    ),
    "task": (
        "What is the robot's task?",
        "Which task is the robot performing?",
        "What is the robot trying to do?",
        "What is the goal of the robot?",
        "What task is shown?",
        "What is the task?",
        "What is the robot supposed to do?",
        "Which task is this?",
        "What does the robot want to do?",
        "What is this episode about?",
        "What job is being carried out?",
    ),
}


def canonical(label: str) -> str:
    """Return the sentence that the phrase bank shows for ``label``."""
    return _sentences(label, SUBJECTS[:1])[0]


def training_paraphrases(label: str) -> list[str]:
    """Return every sentence that may stand for ``label`` in training, the canonical one first."""
    return _sentences(label, SUBJECTS)


def held_out_paraphrases(label: str) -> list[str]:
    """Return sentences for ``label`` that training never sees."""
    return _sentences(label, HELD_OUT_SUBJECTS, held_out=True)


def training_queries(query: str) -> tuple[str, ...]:
    """Return the wordings of a query that training uses, the canonical one first."""
    return QUERIES[query][:-1]


def held_out_query(query: str) -> str:
    """Return a wording of a query that training never sees."""
    return QUERIES[query][-1]


def _sentences(label: str, subjects: Iterable[str], *, held_out: bool = False) -> list[str]:
    kind, _, argument = label.partition(":")
    patterns, needs_subject = _patterns(kind, argument)
    chosen = patterns[-1:] if held_out else patterns[:-1]
    filled = [pattern.format(*argument.split("|")) for pattern in chosen]
    if not needs_subject:
        return filled
    return [f"{subject} {predicate}" for predicate in filled for subject in subjects]


def _patterns(kind: str, argument: str) -> tuple[tuple[str, ...], bool]:
    if kind == "act":
        return (argument, *ACTS[argument]), True
    if kind in PREDICATES:
        return PREDICATES[kind], True
    if kind in SENTENCES:
        return SENTENCES[kind], False
    if kind == "state":
        return _state_patterns(argument), False
    if kind == "task":
        return (
            f"the robot is {argument}",
            f"the task is {argument}",
            f"the robot's job is {argument}",
            f"the goal is {argument}",
            f"the robot's task is {argument}",
            f"the robot is busy {argument}",
            f"it is {argument}",
            f"the arm is {argument}",
            f"this is about {argument}",
        ), False
    if argument == "nothing":
        return (
            "the robot holds nothing",
            "the gripper is empty",
            "nothing is held",
            "no object is in the gripper",
            "there is nothing in the gripper",
            "the gripper holds nothing",
            "the robot's gripper is empty",
            "the hand is free",
        ), False
    return (
        f"the robot holds {argument}",
        f"{argument} is in the gripper",
        f"{argument} is held",
        f"the gripper holds {argument}",
        f"{argument} is in the robot's gripper",
        f"the robot is holding {argument}",
        f"the robot has grasped {argument}",
        f"the hand has got {argument}",
    ), False


def _state_patterns(sentence: str) -> tuple[str, ...]:
    """Return wordings of an object's state that keep its meaning words."""
    return (
        sentence,
        f"now {sentence}",
        f"you can see that {sentence}",
        sentence.replace(" is ", " looks ", 1).replace(" has been ", " was ", 1),
        f"the picture shows that {sentence}",
        f"{sentence} now",
        f"it seems that {sentence}",
        f"{sentence}, as can be seen",
        f"at present {sentence}",
    )
