# SPDX-License-Identifier: Apache-2.0
"""What can be said of each kind of label: most for training, some for validation, one held out.

"{0}" and "{1}" stand for the label's arguments. The first training wording is canonical.
Validation wordings choose settings; held-out ones measure the finished model and decide nothing.
"""

from __future__ import annotations

from typing import NamedTuple


class Wordings(NamedTuple):
    """The wordings of one kind of label; ``held_out`` is empty if no label is of this kind."""

    trained: tuple[str, ...]
    validation: tuple[str, ...]
    held_out: str = ""


SUBJECTS = (
    "the robot",
    "the robot arm",
    "the arm",
    "the gripper",
    "a robot",
    "it",
    "the robotic arm",
    "the machine",
    "this robot",
    "the robot's gripper",
    "the end effector",
    "the robot's arm",
    "the system",
)
VALIDATION_SUBJECTS = ("the mechanical arm", "the claw")
HELD_OUT_SUBJECTS = ("the manipulator", "the machine's hand")

# sentences about the robot: the form of a predicate, and what stands around it
STRUCTURES = (
    ("finite", "{subject} {phrase}"),
    ("participle", "{subject} is {phrase}"),
    ("participle", "{subject} can be seen {phrase}"),
    ("participle", "you can see {subject} {phrase}"),
    ("participle", "the video shows {subject} {phrase}"),
    ("participle", "{phrase}"),
    ("passive", "{phrase}"),
    ("passive", "{phrase} by {subject}"),
)

# sentences about a task, of its predicate's imperative; those of its participle are SENTENCES
ORDERS = (
    "{0}",
    "the robot should {0}",
    "the robot has to {0}",
    "the robot wants to {0}",
    "the aim is to {0}",
    "its task is to {0}",
    "the instruction is: {0}",
)

# predicates of the robot, by kind; of equal patterns the later, more special one counts
PREDICATES: dict[str, Wordings] = {
    "rest": Wordings(
        (
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
            "keeps still",
            "is standing by",
            "is at a standstill",
            "remains in place",
            "rests",
            "halts",
        ),
        ("is inactive", "freezes"),
        "is motionless",
    ),
    "approach": Wordings(
        (
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
            "reaches toward {0}",
            "extends toward {0}",
            "moves over to {0}",
            "comes up to {0}",
            "gets close to {0}",
            "goes toward {0}",
        ),
        ("makes for {0}", "closes the distance to {0}"),
        "heads for {0}",
    ),
    "retreat": Wordings(
        (
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
            "gets farther from {0}",
            "backs away from {0}",
            "goes back from {0}",
            "moves off from {0}",
            "clears {0}",
            "comes away from {0}",
        ),
        ("recedes from {0}", "distances itself from {0}"),
        "draws back from {0}",
    ),
    "grasp": Wordings(
        (
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
            "gets hold of {0}",
            "closes around {0}",
            "squeezes {0}",
            "pinches {0}",
            "closes the gripper on {0}",
        ),
        ("clutches {0}", "clamps {0}"),
        "clasps {0}",
    ),
    "lift": Wordings(
        (
            "lifts {0}",
            "raises {0}",
            "picks up {0}",
            "takes {0} up",
            "pulls {0} up",
            "brings {0} up",
            "lifts {0} off the table",
            "moves {0} upward",
            "lifts {0} up",
            "picks {0} up",
            "raises {0} into the air",
            "takes {0} off the table",
        ),
        ("elevates {0}", "heaves {0} up"),
        "hoists {0}",
    ),
    "carry": Wordings(
        (
            "carries {0} toward {1}",
            "moves {0} to {1}",
            "brings {0} to {1}",
            "takes {0} toward {1}",
            "transfers {0} to {1}",
            "takes {0} over to {1}",
            "delivers {0} to {1}",
            "shifts {0} toward {1}",
            "carries {0} to {1}",
            "moves {0} toward {1}",
            "carries {0} over to {1}",
            "moves with {0} toward {1}",
            "brings {0} closer to {1}",
            "relocates {0} to {1}",
        ),
        ("conveys {0} to {1}", "ferries {0} to {1}"),
        "transports {0} to {1}",
    ),
    "hold": Wordings(
        (
            "holds {0} still",
            "keeps {0} in place",
            "holds {0} without moving",
            "keeps hold of {0}",
            "holds on to {0}",
            "pauses while holding {0}",
            "keeps {0} where it is",
            "has {0} in its grip and waits",
            "waits with {0} in the gripper",
            "stands still with {0} in its grip",
            "holds {0} at rest",
            "stops with {0} in the gripper",
        ),
        ("retains {0} in its grasp", "freezes while holding {0}"),
        "grips {0} motionlessly",
    ),
    "release": Wordings(
        (
            "releases {0}",
            "lets go of {0}",
            "frees {0}",
            "opens its fingers and lets {0} go",
            "opens the gripper around {0}",
            "sets {0} free",
        ),
        ("gives {0} up",),
        "ungrasps {0}",
    ),
    "put down": Wordings(
        (
            "puts {0} down",
            "sets {0} down",
            "places {0} on the table",
            "lays {0} down",
            "puts {0} on the table",
            "brings {0} down to the table",
        ),
        ("deposits {0} on the table",),
        "parks {0} on the table",
    ),
    "drop": Wordings(
        ("drops {0}", "lets {0} fall", "loses {0}", "lets {0} drop"),
        ("lets {0} slip",),
        "lets {0} tumble",
    ),
    "open": Wordings(
        (
            "opens {0}",
            "pulls {0} open",
            "pushes {0} open",
            "slides {0} open",
            "moves {0} open",
            "swings {0} open",
            "draws {0} open",
            "gets {0} to open",
        ),
        ("pries {0} open", "works {0} open"),
        "makes {0} open up",
    ),
    "close": Wordings(
        (
            "closes {0}",
            "pushes {0} shut",
            "pulls {0} shut",
            "slides {0} shut",
            "moves {0} shut",
            "swings {0} shut",
            "pushes {0} closed",
            "pulls {0} closed",
            "slides {0} closed",
        ),
        ("slams {0}", "forces {0} shut"),
        "shuts {0}",
    ),
    "lock": Wordings(
        ("locks {0}", "turns {0} shut", "turns {0} to the locked side", "turns {0} closed"),
        ("secures {0}",),
        "bolts {0}",
    ),
    "unlock": Wordings(
        ("unlocks {0}", "turns {0} open", "turns {0} to the open side"),
        ("releases the bolt of {0}",),
        "unbolts {0}",
    ),
    "press": Wordings(
        (
            "presses {0}",
            "pushes {0} in",
            "pushes on {0}",
            "presses {0} in",
            "operates {0}",
            "presses on {0}",
            "taps {0}",
        ),
        ("depresses {0}",),
        "pushes down {0}",
    ),
    "turn": Wordings(
        (
            "turns {0}",
            "rotates {0}",
            "twists {0}",
            "moves {0} round",
            "turns {0} round",
            "gives {0} a turn",
        ),
        ("swivels {0}",),
        "spins {0}",
    ),
    "switch on": Wordings(
        (
            "switches {0} on",
            "turns {0} on",
            "starts {0}",
            "turns on {0}",
            "sets {0} going",
        ),
        ("activates {0}",),
        "powers {0} up",
    ),
    "switch off": Wordings(
        ("switches {0} off", "turns {0} off", "stops {0}", "turns off {0}"),
        ("deactivates {0}",),
        "powers {0} down",
    ),
    "raise": Wordings(
        (
            "pulls {0} up",
            "raises {0}",
            "lifts {0}",
            "tilts {0} up",
            "pulls up {0}",
            "swings {0} up",
            "pushes {0} up",
        ),
        ("elevates {0}", "forces {0} up"),
        "moves {0} upward",
    ),
    "press down": Wordings(
        (
            "presses {0} down",
            "pushes {0} down",
            "pushes down on {0}",
            "presses down {0}",
            "moves {0} down",
            "pulls {0} down",
            "brings {0} down",
        ),
        ("forces {0} down",),
        "lowers {0}",
    ),
    "push": Wordings(
        (
            "pushes {0}",
            "pushes {0} away",
            "pushes {0} forward",
            "pushes against {0}",
            "nudges {0}",
            "moves {0} forward",
        ),
        ("thrusts {0} forward",),
        "propels {0}",
    ),
    "pull": Wordings(
        (
            "pulls {0}",
            "pulls on {0}",
            "pulls {0} back",
            "drags {0}",
            "pulls {0} closer",
            "drags {0} back",
        ),
        ("tugs {0}",),
        "hauls {0}",
    ),
    "move left": Wordings(
        ("moves {0} to the left", "pushes {0} to the left", "slides {0} left", "shifts {0} left"),
        ("nudges {0} toward the left side",),
        "displaces {0} leftward",
    ),
    "move right": Wordings(
        (
            "moves {0} to the right",
            "pushes {0} to the right",
            "slides {0} right",
            "shifts {0} right",
        ),
        ("nudges {0} toward the right side",),
        "displaces {0} rightward",
    ),
    "touch": Wordings(
        ("touches {0}", "makes contact with {0}", "bumps {0} lightly", "feels {0}"),
        ("comes into contact with {0}",),
        "brushes against {0}",
    ),
    "hammer in": Wordings(
        (
            "drives {0} in",
            "hammers {0} in",
            "hammers {0}",
            "knocks {0} in",
            "hits {0}",
            "hits {0} with the hammer",
            "drives {0} in with the hammer",
        ),
        ("pounds {0} in",),
        "strikes {0}",
    ),
    "hammer into": Wordings(
        ("hammers {0} into {1}", "drives {0} into {1}", "knocks {0} into {1}"),
        ("pounds {0} into {1}",),
        "beats {0} into {1}",
    ),
    "slide to": Wordings(
        (
            "slides {0} toward {1}",
            "slides {0} into {1}",
            "pushes {0} toward {1}",
            "pushes {0} to {1}",
            "slides {0} to {1}",
            "pushes {0} across the table to {1}",
            "sweeps {0} into {1}",
        ),
        ("drags {0} along to {1}", "nudges {0} toward {1}"),
        "scoots {0} to {1}",
    ),
    "push with": Wordings(
        (
            "pushes {0} with {1}",
            "moves {0} with {1}",
            "pushes {0} by means of {1}",
            "shoves {0} using {1}",
            "works on {0} with {1}",
            "pushes against {0} with {1}",
        ),
        ("nudges {0} by means of {1}",),
        "uses {1} to push {0}",
    ),
    "put in": Wordings(
        (
            "puts {0} into {1}",
            "inserts {0} into {1}",
            "moves {0} into {1}",
            "places {0} in {1}",
            "pushes {0} into {1}",
            "puts {0} in {1}",
            "drops {0} into {1}",
        ),
        ("slots {0} into {1}", "deposits {0} in {1}"),
        "stows {0} in {1}",
    ),
    "take out": Wordings(
        (
            "takes {0} out of {1}",
            "pulls {0} out of {1}",
            "removes {0} from {1}",
            "moves {0} out of {1}",
            "lifts {0} out of {1}",
            "gets {0} out of {1}",
            "slides {0} out of {1}",
        ),
        ("extracts {0} from {1}",),
        "withdraws {0} from {1}",
    ),
    "put on": Wordings(
        (
            "puts {0} on {1}",
            "places {0} on {1}",
            "puts {0} onto {1}",
            "sets {0} on {1}",
            "lays {0} on {1}",
            "places {0} on top of {1}",
        ),
        ("deposits {0} on {1}", "fits {0} onto {1}"),
        "stacks {0} on {1}",
    ),
    "take off": Wordings(
        (
            "takes {0} off {1}",
            "lifts {0} off {1}",
            "pulls {0} off {1}",
            "moves {0} off {1}",
            "removes {0} from the top of {1}",
        ),
        ("picks {0} off {1}",),
        "strips {0} off {1}",
    ),
    "take away": Wordings(
        (
            "pulls {0} away from {1}",
            "moves {0} away from {1}",
            "takes {0} away from {1}",
            "draws {0} away from {1}",
            "slides {0} away from {1}",
        ),
        ("drags {0} away from {1}",),
        "hauls {0} away from {1}",
    ),
    "move across": Wordings(
        (
            "moves {0} across {1}",
            "pushes {0} across {1}",
            "takes {0} across {1}",
            "slides {0} across {1}",
            "brings {0} to the other side of {1}",
        ),
        ("shifts {0} across {1}",),
        "scoots {0} across {1}",
    ),
    "put under": Wordings(
        (
            "pushes {0} under {1}",
            "puts {0} under {1}",
            "moves {0} under {1}",
            "places {0} below {1}",
            "slides {0} under {1}",
        ),
        ("brings {0} beneath {1}",),
        "positions {0} under {1}",
    ),
    "wipe": Wordings(
        ("wipes {0}", "cleans {0}", "wipes {0} clean", "wipes {0} with a cloth"),
        ("scrubs {0}",),
        "dusts {0}",
    ),
    "pour": Wordings(
        ("pours {0} into {1}", "empties {0} into {1}", "tips {0} into {1}", "pours {0} in {1}"),
        ("tilts {0} over {1}",),
        "decants {0} into {1}",
    ),
    "fold": Wordings(
        ("folds {0}", "folds {0} up", "folds {0} together"), ("doubles {0} over",), "creases {0}"
    ),
    "unfold": Wordings(
        ("unfolds {0}", "spreads {0} out", "lays {0} flat"), ("unrolls {0}",), "straightens {0}"
    ),
    "shake": Wordings(("shakes {0}", "moves {0} to and fro"), ("rattles {0}",), "jiggles {0}"),
}

# further predicates of what a simulated task does to its part; the last is held out
ACTS: dict[str, tuple[str, ...]] = {
    "pushes the button in": ("pushes the button", "pushes down the button"),
    "presses the coffee machine button": (
        "pushes the button of the coffee machine",
        "switches the coffee machine on",
        "presses the button on the coffee machine",
        "starts the coffee machine",
        "turns the coffee machine on",
        "pushes the coffee machine's switch",
    ),
    "turns the dial": ("turns the round dial", "spins the knob"),
    "pulls the door open": ("drags the door open", "pulls the door", "moves the door outward"),
    "pulls the drawer open": (
        "draws the drawer out",
        "pulls the drawer out",
        "pulls on the drawer",
        "slides the drawer out",
    ),
    "pushes the drawer shut": ("pushes the drawer in", "slides the drawer in", "shuts the drawer"),
    "turns the faucet handle": (
        "rotates the faucet",
        "opens the faucet",
        "turns the faucet",
        "turns the faucet on",
        "twists the tap",
    ),
    "drives the nail in": ("drives in the nail with the hammer", "strikes the nail"),
    "presses the handle down": ("lowers the handle",),
    "pulls the lever up": ("moves the lever upward",),
    "slides the plate toward the goal": (
        "slides the plate",
        "moves the plate into the goal",
        "shoves the plate along",
    ),
    "slides the window open": ("slides open the window", "moves the window aside"),
    "slides the window shut": ("shuts the window",),
    "pushes the door shut": ("moves the door inward", "shuts the door"),
    "turns the lock shut": ("locks the door", "turns the lock of the door shut", "bolts the door"),
    "turns the lock open": (
        "unlocks the door",
        "opens the lock",
        "turns the lock of the door open",
        "unbolts the door",
    ),
    "pulls the handle up": ("moves the handle up", "draws the handle upward"),
    "slides the plate out of the goal": (
        "slides the plate back",
        "pushes the plate out of the goal",
        "drags the plate out",
    ),
    "pushes the bottle with the stick": (
        "pushes the bottle",
        "uses the stick to push the bottle",
    ),
}

# whole sentences, without the robot as their subject
SENTENCES: dict[str, Wordings] = {
    "back": Wordings(
        (
            "{0} moves back by itself",
            "{0} springs back",
            "{0} returns on its own",
            "{0} moves back",
            "{0} goes back on its own",
            "{0} returns to where it was",
            "{0} moves back without help",
            "{0} is moving back by itself",
            "{0} comes back on its own",
            "{0} returns by itself",
            "nothing touches {0}, and it moves back",
            "{0} returns to its first position without the robot",
        ),
        ("{0} swings back unaided", "{0} recovers its old position on its own"),
        "{0} goes back without being touched",
    ),
    "falls": Wordings(
        (
            "{0} falls",
            "{0} drops",
            "{0} moves freely without being held",
            "{0} is falling",
            "{0} has been dropped",
            "{0} slips and drops",
            "{0} falls down",
            "{0} is dropping to the table",
            "{0} drops down",
            "{0} has slipped out of the gripper and falls",
            "the robot has lost {0}",
        ),
        ("{0} plunges", "{0} comes down by its own weight"),
        "{0} tumbles down",
    ),
    "air": Wordings(
        (
            "{0} is in the air",
            "{0} is lifted up",
            "{0} is above the table",
            "{0} has been lifted",
            "{0} hangs in the air",
            "{0} is up in the air",
            "{0} is held above the table",
            "{0} is raised",
            "{0} does not touch the table",
            "{0} has been picked up",
            "{0} is not on the table any more",
            "{0} is high above the table",
        ),
        ("{0} hovers", "{0} is aloft"),
        "{0} is off the table",
    ),
    "table": Wordings(
        (
            "{0} lies where it was",
            "{0} is on the table",
            "{0} is lying there",
            "{0} lies on the table",
            "{0} has not been moved",
            "{0} is where it was",
            "{0} stands on the table",
            "{0} is still on the table",
            "{0} has not been lifted",
            "{0} is down on the table",
            "{0} remains on the table",
            "{0} has not moved",
        ),
        ("{0} sits on the tabletop", "{0} is untouched on the table"),
        "{0} rests on the surface",
    ),
    "holds nothing": Wordings(
        (
            "the robot holds nothing",
            "the gripper is empty",
            "nothing is held",
            "no object is in the gripper",
            "there is nothing in the gripper",
            "the gripper holds nothing",
            "the robot's gripper is empty",
            "it holds nothing",
            "the robot is not holding anything",
            "nothing is in the gripper",
            "nothing is between the fingers",
            "the arm carries nothing",
            "no object is held",
            "nothing has been grasped",
            "the fingers are empty",
        ),
        ("the claw has nothing in it", "there is not a thing in its grasp"),
        "the hand is free",
    ),
    "holds": Wordings(
        (
            "the robot holds {0}",
            "{0} is in the gripper",
            "{0} is held",
            "the gripper holds {0}",
            "{0} is in the robot's gripper",
            "the robot is holding {0}",
            "the robot has grasped {0}",
            "it holds {0}",
            "the arm holds {0}",
            "{0} is between the fingers",
            "the fingers hold {0}",
            "{0} has been grasped",
            "the robot has {0} in its grip",
            "{0} is gripped",
            "there is something in the gripper: {0}",
        ),
        ("the claw clutches {0}", "{0} is in its grasp"),
        "the hand has got {0}",
    ),
    "task": Wordings(
        (
            "the robot is {0}",
            "the task is {0}",
            "the robot's job is {0}",
            "the goal is {0}",
            "the robot's task is {0}",
            "the robot is busy {0}",
            "it is {0}",
            "the arm is {0}",
            "the robot works on {0}",
            "the aim is {0}",
            "the robot was told to do this: {0}",
        ),
        ("its purpose is {0}", "the claw is occupied with {0}"),
        "this is about {0}",
    ),
    "state": Wordings(
        (
            "{0}",
            "now {0}",
            "you can see that {0}",
            "the picture shows that {0}",
            "{0} now",
            "it seems that {0}",
            "{0}, as can be seen",
            "the camera shows that {0}",
            "at the moment {0}",
        ),
        ("in this scene {0}", "one may notice that {0}"),
        "at present {0}",
    ),
}

# states of a part: other predicates with the meaning of the one that a label has
STATES: dict[str, Wordings] = {
    "is closed": Wordings(
        ("is not open", "has not been opened", "is shut", "stands closed"), ("is fully closed",)
    ),
    "is partly open": Wordings(
        ("is half open", "is open a little", "is partially open", "is neither open nor closed"),
        ("is ajar",),
    ),
    "is open": Wordings(
        ("stands open", "is fully open", "has been opened", "is wide open"),
        ("is no longer closed",),
    ),
    "is not pressed": Wordings(
        ("has not been pressed", "is untouched"), ("is not pushed in yet",)
    ),
    "is partly pressed": Wordings(
        ("is pressed a little", "is halfway in", "is partially pressed"), ("is half pushed in",)
    ),
    "is pressed": Wordings(
        ("has been pressed", "is fully pressed", "is all the way in"), ("is pushed home",)
    ),
    "is out": Wordings(("is not pressed", "has not been pressed"), ("sticks out",)),
    "is pushed in": Wordings(("is pressed", "has been pressed", "is in"), ("is depressed",)),
    "is not turned": Wordings(
        ("has not been turned", "is in its first position"), ("has not been rotated yet",)
    ),
    "is partly turned": Wordings(
        ("is turned a little", "is half turned", "is partially turned"), ("is rotated halfway",)
    ),
    "is turned": Wordings(
        ("has been turned", "is fully turned", "is turned all the way"), ("is rotated completely",)
    ),
    "is fully turned": Wordings(
        ("has been turned", "is turned all the way", "is turned as far as it goes"),
        ("is rotated completely",),
    ),
    "is partly in": Wordings(("is halfway in", "sticks out a little"), ("is half driven in",)),
    "is in the block": Wordings(
        ("is fully in", "has been driven in", "is all the way in the block"),
        ("is sunk in the block",),
    ),
    "is up": Wordings(("has not been pressed down", "is at the top"), ("stands high",)),
    "is partly down": Wordings(
        ("is halfway down", "is down a little", "is partially down"), ("is half pressed down",)
    ),
    "is down": Wordings(
        ("is all the way down", "is at the bottom", "is fully down"), ("is as low as it goes",)
    ),
    "is partly raised": Wordings(
        ("is halfway up", "is raised a little", "is partially raised"), ("is half lifted",)
    ),
    "is raised": Wordings(
        ("is up", "has been pulled up", "is all the way up"), ("is fully lifted",)
    ),
    "has been pushed a little": Wordings(
        ("was moved a short way", "is on its way"), ("has been shifted a bit",)
    ),
    "is pushed to its place": Wordings(
        ("has reached its place", "is at its place", "was moved to its place"),
        ("has arrived where it belongs",),
    ),
    "is far from the goal": Wordings(
        ("is not near the goal", "has not been moved to the goal"),
        ("is a long way from the goal",),
    ),
    "is on its way to the goal": Wordings(
        ("comes closer to the goal", "moves to the goal", "is not yet in the goal"),
        ("is halfway to the goal",),
    ),
    "is half out of the goal": Wordings(
        ("is partly out of the goal", "has left the goal halfway", "leaves the goal"),
        ("is on the edge of the goal",),
    ),
    "is in the goal": Wordings(
        ("has reached the goal", "is at the goal", "lies in the goal"),
        ("has arrived in the goal",),
    ),
}

# states of a thing that is somewhere: "is" and one of the prepositions
PREPOSITIONS = ("in ", "on ", "at ", "under ", "off ", "out of ", "away from ")
PLACED = Wordings(
    ("has been put {0}", "stands {0}", "lies {0}", "was moved {0}", "has arrived {0}"),
    ("has its place {0}", "sits {0}"),
)
