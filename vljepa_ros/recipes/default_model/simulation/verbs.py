# SPDX-License-Identifier: Apache-2.0
"""The forms of the verbs that the grammar uses, and the phrases that are made of them.

A predicate begins with a verb in the third person: "moves {0} to {1}". A verb that stands in no
table has no other forms, and its predicate is used as it is.
"""

from __future__ import annotations

from typing import NamedTuple


class Verb(NamedTuple):
    """A verb's forms: "take", "taking", "taken"."""

    base: str
    ing: str
    past: str


# third person: base form, -ing form, past participle ("-": no passive)
_TABLE = """
activates   activate   activating   activated
advances    advance    advancing    -
approaches  approach   approaching  approached
backs       back       backing      -
bears       bear       bearing      -
beats       beat       beating      beaten
bolts       bolt       bolting      bolted
brings      bring      bringing     brought
bumps       bump       bumping      -
captures    capture    capturing    captured
carries     carry      carrying     carried
catches     catch      catching     caught
clamps      clamp      clamping     clamped
cleans      clean      cleaning     cleaned
clears      clear      clearing     -
clenches    clench     clenching    clenched
clicks      click      clicking     clicked
clings      cling      clinging     -
closes      close      closing      closed
clutches    clutch     clutching    clutched
comes       come       coming       -
conveys     convey     conveying    conveyed
cranks      crank      cranking     cranked
creases     crease     creasing     creased
deactivates deactivate deactivating deactivated
delivers    deliver    delivering   delivered
departs     depart     departing    -
deposits    deposit    depositing   deposited
depresses   depress    depressing   depressed
does        do         doing        -
doubles     double     doubling     doubled
drags       drag       dragging     dragged
draws       draw       drawing      drawn
drives      drive      driving      driven
drops       drop       dropping     dropped
dusts       dust       dusting      dusted
eases       ease       easing       eased
elevates    elevate    elevating    elevated
empties     empty      emptying     emptied
extends     extend     extending    -
extracts    extract    extracting   extracted
fastens     fasten     fastening    -
feels       feel       feeling      felt
ferries     ferry      ferrying     ferried
fits        fit        fitting      fitted
flips       flip       flipping     flipped
folds       fold       folding      folded
forces      force      forcing      forced
frees       free       freeing      freed
freezes     freeze     freezing     -
gains       gain       gaining      -
gets        get        getting      -
gives       give       giving       -
goes        go         going        -
grabs       grab       grabbing     grabbed
grasps      grasp      grasping     grasped
grips       grip       gripping     gripped
guides      guide      guiding      guided
halts       halt       halting      -
hammers     hammer     hammering    hammered
hauls       haul       hauling      hauled
heaves      heave      heaving      heaved
hits        hit        hitting      hit
holds       hold       holding      held
increases   increase   increasing   -
inserts     insert     inserting    inserted
jiggles     jiggle     jiggling     jiggled
keeps       keep       keeping      kept
knocks      knock      knocking     knocked
lays        lay        laying       laid
leaves      leave      leaving      -
lets        let        letting      -
lifts       lift       lifting      lifted
lingers     linger     lingering    -
locks       lock       locking      locked
loses       lose       losing       lost
lugs        lug        lugging      lugged
maintains   maintain   maintaining  maintained
makes       make       making       -
moves       move       moving       moved
nears       near       nearing      -
nudges      nudge      nudging      nudged
opens       open       opening      opened
operates    operate    operating    operated
passes      pass       passing      passed
pauses      pause      pausing      -
picks       pick       picking      picked
pinches     pinch      pinching     pinched
places      place      placing      placed
pounds      pound      pounding     pounded
pours       pour       pouring      poured
presses     press      pressing     pressed
pries       pry        prying       pried
pulls       pull       pulling      pulled
pushes      push       pushing      pushed
puts        put        putting      put
raises      raise      raising      raised
rattles     rattle     rattling     rattled
reaches     reach      reaching     -
recedes     recede     receding     -
reduces     reduce     reducing     -
releases    release    releasing    released
relocates   relocate   relocating   relocated
remains     remain     remaining    -
removes     remove     removing     removed
rests       rest       resting      -
retains     retain     retaining    retained
retreats    retreat    retreating   -
revolves    revolve    revolving    revolved
rotates     rotate     rotating     rotated
scrubs      scrub      scrubbing    scrubbed
secures     secure     securing     secured
seizes      seize      seizing      seized
sets        set        setting      set
shakes      shake      shaking      shaken
shifts      shift      shifting     shifted
shoves      shove      shoving      shoved
shuttles    shuttle    shuttling    shuttled
sits        sit        sitting      -
slams       slam       slamming     slammed
slides      slide      sliding      slid
slots       slot       slotting     slotted
snatches    snatch     snatching    snatched
spreads     spread     spreading    spread
squeezes    squeeze    squeezing    squeezed
stands      stand      standing     -
starts      start      starting     started
stays       stay       staying      -
steers      steer      steering     -
stops       stop       stopping     stopped
stretches   stretch    stretching   -
sweeps      sweep      sweeping     swept
swings      swing      swinging     swung
switches    switch     switching    switched
swivels     swivel     swiveling    swiveled
takes       take       taking       taken
taps        tap        tapping      tapped
throws      throw      throwing     thrown
thrusts     thrust     thrusting    thrust
tilts       tilt       tilting      tilted
tips        tip        tipping      tipped
touches     touch      touching     touched
transfers   transfer   transferring transferred
travels     travel     traveling    -
tugs        tug        tugging      tugged
turns       turn       turning      turned
twists      twist      twisting     twisted
unbolts     unbolt     unbolting    unbolted
uncloses    unclose    unclosing    unclosed
unfolds     unfold     unfolding    unfolded
unlocks     unlock     unlocking    unlocked
unrolls     unroll     unrolling    unrolled
uses        use        using        used
waits       wait       waiting      -
widens      widen      widening     -
wipes       wipe       wiping       wiped
withdraws   withdraw   withdrawing  -
works       work       working      -
"""
VERBS = {third: Verb(*forms) for third, *forms in map(str.split, _TABLE.strip().splitlines())}


def participle(predicate: str) -> str:
    """Return "moving away" of "moves away" and "idle" of "is idle", or "" if the verb has none."""
    first, _, rest = predicate.partition(" ")
    if first == "is":
        return rest
    return f"{VERBS[first].ing} {rest}".rstrip() if first in VERBS else ""


def imperative(predicate: str) -> str:
    """Return "move away" of "moves away", or "" if the verb has no such form."""
    first, _, rest = predicate.partition(" ")
    return f"{VERBS[first].base} {rest}".rstrip() if first in VERBS else ""


def passive(predicate: str, thing: str) -> str:
    """Return "the cup is being moved away" of "moves the cup away", or "" if it has no passive.

    Args:
        predicate: what somebody does.
        thing: what it is done to, "the cup".
    """
    first, _, rest = predicate.partition(" ")
    if not thing or not rest.startswith(thing) or first not in VERBS or VERBS[first].past == "-":
        return ""
    return f"{thing} is being {VERBS[first].past}{rest.removeprefix(thing)}"
