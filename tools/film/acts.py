"""What people do in the film world: keyframes of joint angles, and the words for each act."""

from dataclasses import dataclass, field
from typing import Literal

Pose = dict[str, float]
Where = Literal["here", "left", "right", "near", "far", "other", "thing", "in", "out"]


def arm(side: str, upper: float, out: float, fore: float, inward: float) -> Pose:
    """Return the pose of one arm: elevation and azimuth of upper and lower arm, degrees."""
    return {f"{side}_upper": upper, f"{side}_out": out, f"{side}_fore": fore, f"{side}_in": inward}


def arms(upper: float, out: float, fore: float, inward: float) -> Pose:
    """Return the pose of both arms."""
    return arm("l", upper, out, fore, inward) | arm("r", upper, out, fore, inward)


def legs(thigh: float, knee: float, spread: float = 5.0) -> Pose:
    """Return the pose of both legs."""
    return {f"{s}_{k}": v for s in "lr" for k, v in (("thigh", thigh), ("knee", knee), ("spread", spread))}


REST = arms(9, 60, 16, 15)
POSTURES: dict[str, Pose] = {
    "stand": {"lean": 2, "nod": 2, "pitch": 0, "shift": 0} | legs(2, 3),
    "sit": {"lean": 5, "nod": 2, "pitch": 0, "shift": 0} | legs(84, 84, 9),
    "floor": {"lean": 18, "nod": 5, "pitch": 0, "shift": 0} | legs(95, 70, 18),
    "squat": {"lean": 28, "nod": -10, "pitch": 0, "shift": -0.1} | legs(108, 134, 12),
    "kneel": {"lean": 8, "nod": 6, "pitch": 0, "shift": 0} | legs(10, 95, 6),
    "lie": {"lean": 0, "nod": 2, "pitch": 88, "shift": 0} | legs(6, 8, 4),
}
"""Legs and trunk of each posture; `pitch` lays the whole body on its back."""


@dataclass(frozen=True)
class Act:
    """An act: keyframes (share of its time, pose; `A` is replaced by the acting arm), words, and what it needs.

    `verbs` in the third person with {his}, {him}, {thing}, {other}, {side}; `seconds` its shortest and longest;
    `before` the postures in which it can be done, `after` the posture that it leads to, None for the same; `keep` says
    that the last pose of the arms stays until the next act; `where` a walk leads; `swing` oscillates joints (name,
    degrees, Hz).
    """

    verbs: tuple[str, ...]
    keys: tuple[tuple[float, Pose], ...] = ()
    seconds: tuple[float, float] = (0.8, 2.2)
    weight: float = 1.0
    before: tuple[str, ...] = ("stand",)
    after: str | None = None
    keep: bool = False
    where: Where = "here"
    turn: tuple[float, float] | None = None
    swing: tuple[tuple[str, float, float], ...] = ()
    needs_other: bool = False
    distance: float = 0.6
    reply: str | None = None
    speed: tuple[float, float] = (0.55, 1.0)
    extra: tuple[str, ...] = field(default=())


ANY = ("stand", "sit", "floor", "squat", "kneel")
UP = ("stand", "sit")
_REACH_FLOOR = {"lean": 62, "nod": 4} | legs(70, 88) | arm("A", 22, 10, 16, 0)
_REACH = arm("A", 62, 12, 76, 4) | {"lean": 16}
_REACH_BOTH = arms(58, 10, 72, 2) | {"lean": 16}
_TO_HEAD = arm("A", 100, 40, 172, -60)
_TO_MOUTH = arm("A", 48, 18, 150, -28)
_TO_EAR = arm("A", 70, 55, 168, -40)
_BACK = REST | {"lean": 2}

ACTS: dict[str, Act] = {
    "walk_left": Act(("walks to the left", "goes to the left", "walks left", "moves to the left"), where="left",
                     seconds=(1.2, 4), weight=1.2, extra=("walk",)),
    "walk_right": Act(("walks to the right", "goes to the right", "walks right", "moves to the right"), where="right",
                      seconds=(1.2, 4), weight=1.2, extra=("walk",)),
    "walk_near": Act(("walks forward", "walks towards the camera", "comes forward", "walks up to the camera",
                      "walks ahead", "steps forward", "takes a few steps forward"), where="near", seconds=(1, 4),
                     weight=1.6, extra=("walk",)),
    "walk_far": Act(("walks away", "walks away from the camera", "goes away", "leaves", "walks back", "steps back",
                     "turns away and walks", "turns and walks away"), where="far", seconds=(1.2, 4), weight=1.6,
                    extra=("walk",)),
    "walk_other": Act(("walks to {other}", "walks up to {other}", "goes to {other}", "comes to {other}",
                       "walks towards {other}", "walks in front of {other}", "walks next to {other}",
                       "walks behind {other}", "approaches {other}", "follows {other}"), where="other",
                      seconds=(1, 4), weight=2.0, needs_other=True, extra=("walk",)),
    "walk_thing": Act(("walks to the {thing}", "walks to the {thing} and stops", "goes to the {thing}",
                       "walks towards the {thing}", "comes to the {thing}", "walks a few steps", "takes a few steps",
                       "walks around", "walks", "walks along the {thing}", "goes up the stairs", "walks down the stairs"),
                      where="thing", seconds=(1.2, 4), weight=3.0, extra=("walk",)),
    "enter": Act(("comes in", "enters the room", "walks into the room", "walks in", "comes back into the room",
                  "comes through the door", "gets in", "enters through the door"), where="in", seconds=(1, 3),
                 weight=1.6, extra=("walk",)),
    "exit": Act(("goes out", "leaves the room", "walks out of the door", "goes out of the door", "walks out",
                 "goes out of the room", "goes away through the door"), where="out", seconds=(1, 3), weight=1.2,
                extra=("walk",)),
    "run": Act(("runs", "runs away", "runs along the road", "runs forward", "runs to the {thing}", "rushes to the {thing}",
                "skates towards {other}", "hurries to the {thing}"), where="thing", seconds=(0.8, 3), weight=0.8,
               speed=(1.2, 2.6), extra=("run", "walk")),
    "turn": Act(("turns", "turns around", "turns back", "turns his body", "turns to {other}", "turns towards the {thing}",
                 "turns to the other side", "turns away"), turn=(70, 200), seconds=(0.6, 1.4), weight=2.5,
                extra=("step",)),
    "look_aside": Act(("turns {his} head", "turns {his} head to the {side}", "looks around", "looks back",
                       "looks at {other}", "looks to the {side}", "twists {his} head", "looks behind {him}self"),
                      ((0.4, {"look": 62}), (0.75, {"look": 62}), (1, {"look": 0})), before=(*ANY, "lie"),
                      seconds=(0.7, 2), weight=1.6),
    "look_down": Act(("looks down", "lowers {his} head", "bows {his} head", "looks at the {thing}", "reads the {thing}"),
                     ((0.3, {"nod": 42}), (0.8, {"nod": 42}), (1, {"nod": 2})), before=ANY, seconds=(0.8, 2.4)),
    "nod": Act(("nods", "nods {his} head"), ((0.25, {"nod": 22}), (0.5, {"nod": -4}), (0.75, {"nod": 22}),
                                            (1, {"nod": 2})), before=ANY, seconds=(0.7, 1.4), weight=0.5),
    "sit_down": Act(("sits down", "sits down on the {seat}", "sits on the {seat}", "takes a seat", "sits down again",
                     "sits in the {seat}"),
                    ((0.5, {"lean": 36} | legs(60, 62) | arms(36, 15, 60, 0)), (1, POSTURES["sit"] | arms(17, 20, 66, -8))),
                    seconds=(0.9, 2), weight=1.8, after="sit"),
    "stand_up": Act(("stands up", "gets up", "stands up from the {seat}", "gets up from the {seat}", "rises", "stands"),
                    ((0.5, {"lean": 38} | legs(60, 62) | arms(36, 15, 60, 0)), (1, POSTURES["stand"] | REST)),
                    seconds=(0.9, 2), weight=2.2, before=("sit",), after="stand"),
    "sit_floor": Act(("sits down on the ground", "sits on the floor", "drops down on the ground"),
                     ((0.5, POSTURES["squat"]), (1, POSTURES["floor"] | arms(25, 25, 45, 10))), seconds=(0.8, 2),
                     weight=0.4, after="floor"),
    "rise_floor": Act(("gets up from the ground", "gets up", "stands up", "gets up from the floor and stands",
                       "rises to {his} feet", "gets up from the ground and stands up"),
                      ((0.5, POSTURES["squat"] | arms(40, 20, 40, 0)), (1, POSTURES["stand"] | REST)),
                      seconds=(0.9, 3), weight=2.5, before=("floor", "kneel"), after="stand"),
    "squat": Act(("squats down", "squats", "crouches down", "crouches", "ducks", "drops down", "stoops"),
                 ((0.6, POSTURES["squat"] | arms(35, 15, 75, -10)), (1, POSTURES["squat"] | arms(35, 15, 75, -10))),
                 seconds=(0.6, 1.5), after="squat"),
    "rise_squat": Act(("stands up", "gets up", "rises", "straightens up", "gets up and stands"),
                      ((1, POSTURES["stand"] | REST),), seconds=(0.6, 1.5), weight=3.5, before=("squat",), after="stand"),
    "kneel": Act(("kneels down", "kneels", "gets down on {his} knees"),
                 ((1, POSTURES["kneel"] | REST),), seconds=(0.7, 1.6), weight=0.5, after="kneel"),
    "lie_down": Act(("lies down", "lies down on the bed", "falls down", "falls to the ground", "lies on the ground"),
                    ((0.5, POSTURES["floor"]), (1, POSTURES["lie"] | REST)), seconds=(0.7, 2), weight=0.6,
                    before=("stand", "sit", "floor"), after="lie"),
    "sit_up": Act(("sits up", "gets up", "raises {his} body", "gets up from the bed", "sits up on the bed"),
                  ((1, POSTURES["floor"] | arms(25, 25, 45, 10)),), seconds=(0.8, 2), weight=4, before=("lie",),
                  after="floor"),
    "bend": Act(("bends down", "bends over", "stoops", "leans forward", "bends", "bows", "bends {his} waist"),
                ((0.4, {"lean": 70} | arms(14, 20, 14, 0)), (0.7, {"lean": 70}), (1, _BACK)), seconds=(0.9, 2.6),
                weight=1.2),
    "bend_stay": Act(("bends down", "bends over", "leans on the {thing}", "bends down to the {thing}"),
                     ((0.7, {"lean": 58} | arms(40, 14, 34, 0)), (1, {"lean": 58} | arms(40, 14, 34, 0))),
                     seconds=(0.6, 1.6), weight=0.5, keep=True),
    "straighten": Act(("straightens up", "stands up straight", "straightens {his} body", "raises {his} body"),
                      ((1, POSTURES["stand"] | REST),), seconds=(0.6, 1.3), weight=0.3),
    "lean_back": Act(("leans back", "leans against the wall", "leans on the {seat}", "leans against the {thing}"),
                     ((0.8, {"lean": -16}), (1, {"lean": -16})), seconds=(0.8, 1.8), weight=0.5, before=UP, keep=True),
    "raise_hand": Act(("raises {his} hand", "raises {his} right hand", "lifts {his} arm", "raises {his} arm",
                       "holds up {his} hand", "puts up {his} hand", "raises one hand", "salutes"),
                      ((0.4, arm("A", 140, 30, 165, 10)), (1, arm("A", 140, 30, 165, 10))), before=ANY,
                      seconds=(0.5, 1.6), weight=1.6, keep=True),
    "lower_hand": Act(("lowers {his} hand", "puts down {his} hand", "puts {his} hand down", "lowers {his} arm"),
                      ((1, REST),), before=ANY, seconds=(0.5, 1.2), weight=0.4),
    "raise_both": Act(("raises both hands", "raises {his} hands", "raises {his} arms", "lifts both arms", "stretches",
                       "stretches {his} arms", "raises {his} hands above {his} head"),
                      ((0.4, arms(150, 45, 165, 30)), (0.75, arms(150, 45, 165, 30)), (1, REST)), before=ANY,
                      seconds=(0.9, 2.6)),
    "spread": Act(("spreads {his} hands", "opens {his} arms", "stretches out {his} arms", "waves {his} arms",
                   "shrugs", "spreads {his} arms"),
                  ((0.4, arms(62, 85, 70, 70)), (0.7, arms(62, 85, 70, 70)), (1, REST)), before=ANY, seconds=(0.8, 2),
                  weight=0.7),
    "wave": Act(("waves", "waves {his} hand", "waves to {other}", "waves {his} right hand", "raises {his} hand and waves",
                 "waves {his} hand and puts it down", "shakes {his} hand"),
                ((0.3, arm("A", 100, 70, 172, 80)), (0.75, arm("A", 100, 70, 172, 80)), (1, REST)), before=ANY,
                seconds=(0.7, 2.4), swing=(("A_fore", 36, 1.6),), weight=1.2),
    "point": Act(("points forward", "points at {other}", "points to the {thing}", "points ahead", "points",
                  "points {his} finger at {other}", "points to the front"),
                 ((0.35, arm("A", 86, 14, 88, 4)), (0.75, arm("A", 86, 14, 88, 4)), (1, REST)), before=ANY,
                 seconds=(0.7, 2)),
    "reach": Act(("reaches out {his} hand", "stretches out {his} hand", "reaches out", "holds out {his} hand",
                  "extends {his} hand", "stretches out {his} hand to {other}", "reaches out {his} right hand",
                  "stretches out {his} hand to the {thing}", "touches the {thing}"),
                 ((0.5, _REACH), (1, _REACH)), before=ANY, seconds=(0.5, 1.5), weight=1.2, keep=True),
    "take": Act(("takes the {thing}", "picks up the {thing}", "takes out the {thing}", "grabs the {thing}",
                 "takes something", "takes the {thing} from the table", "picks up something", "gets the {thing}",
                 "picks the {thing} up", "takes up the {thing}"),
                ((0.45, _REACH), (1, arm("A", 20, 15, 88, -10) | {"lean": 3})), before=ANY, seconds=(0.7, 2), weight=2.0,
                keep=True),
    "take_floor": Act(("picks up the {thing}", "picks up the {thing} from the ground", "picks up something from the floor",
                       "bends down and picks up the {thing}", "bends over and takes the {thing}"),
                      ((0.5, _REACH_FLOOR), (1, POSTURES["stand"] | arm("A", 20, 15, 88, -10))), seconds=(1, 2.6),
                      keep=True),
    "put": Act(("puts down the {thing}", "puts the {thing} on the table", "puts the {thing} down", "places the {thing}",
                "puts the {thing} back", "sets down the {thing}", "puts something down", "puts the {thing} aside"),
               ((0.5, _REACH), (1, _BACK)), before=ANY, seconds=(0.7, 2), weight=1.8),
    "put_floor": Act(("puts the {thing} on the ground", "puts the {thing} down on the floor",
                      "drops the {thing} to the floor", "bends down and puts down the {thing}"),
                     ((0.5, _REACH_FLOOR), (1, POSTURES["stand"] | REST)), seconds=(0.9, 2.4), weight=0.7),
    "lift": Act(("lifts the {thing}", "lifts the {thing} from the floor", "lifts the {thing} to {his} shoulders",
                 "picks up the {thing} with both hands", "lifts up the {thing}"),
                ((0.25, {"lean": 55} | legs(70, 92) | arms(14, 10, 10, 0)), (0.6, {"lean": 4} | legs(2, 3) | arms(40, 50, 160, 20)),
                 (1, {"lean": 2} | arms(40, 50, 160, 20))), seconds=(0.9, 2.4), weight=0.8, keep=True),
    "push_up": Act(("pushes the {thing} up over {his} head", "lifts the {thing} over {his} head",
                    "raises the {thing} above {his} head", "holds up the {thing}"),
                   ((0.35, arms(40, 50, 160, 20) | legs(22, 40)), (0.7, arms(165, 35, 172, 20) | legs(4, 6)),
                    (1, arms(165, 35, 172, 20))), seconds=(0.9, 2.6), weight=0.6, keep=True),
    "drop": Act(("drops the {thing}", "drops the {thing} to the floor", "lets go of the {thing}", "throws down the {thing}"),
                ((0.3, {"lean": 22} | arms(70, 30, 70, 10)), (0.6, {"lean": 40} | arms(20, 20, 12, 0) | legs(25, 35)),
                 (1, POSTURES["stand"] | REST)), seconds=(0.6, 1.6), weight=0.6),
    "throw": Act(("throws the {thing}", "throws the {thing} away", "throws the {thing} to {other}", "tosses the {thing}",
                  "throws it up", "bends down with the {thing} and throws it up", "throws the {thing} up"),
                 ((0.35, arm("A", 120, 60, 178, 60) | {"lean": -8}), (0.65, arm("A", 96, 12, 96, 4) | {"lean": 20}),
                  (1, _BACK)), before=UP, seconds=(0.6, 1.4)),
    "swing": Act(("swings the {thing}", "swings the baseball bat", "hits the {thing}", "waves the {thing}",
                  "swings the {thing} and brings it down", "strikes with the {thing}"),
                 ((0.3, arms(85, 60, 130, 40) | {"roll": 8}), (0.6, arms(80, -20, 82, -40) | {"roll": -6}), (1, _BACK)),
                 turn=(-50, 50), seconds=(0.6, 1.6)),
    "kick": Act(("kicks", "kicks the {thing}", "kicks {other}", "lifts {his} leg"),
                ((0.3, {"A_thigh": -30, "A_knee": 60, "lean": 12}), (0.6, {"A_thigh": 80, "A_knee": 8, "lean": -12}),
                 (1, POSTURES["stand"])), seconds=(0.6, 1.4), weight=0.6),
    "jump": Act(("jumps", "jumps up", "jumps up and down", "hops"),
                ((0.25, {"lean": 25} | legs(55, 80)), (0.5, {"lift": 0.2} | legs(0, 5) | arms(110, 45, 130, 30)),
                 (0.8, {"lift": 0} | legs(35, 55)), (1, POSTURES["stand"] | REST | {"lift": 0})), seconds=(0.7, 1.4),
                weight=0.6),
    "clap": Act(("claps", "claps {his} hands", "applauds", "folds {his} hands", "rubs {his} hands"),
                ((0.25, arms(42, 25, 92, 5)), (0.8, arms(42, 25, 92, 5)), (1, REST)), before=ANY, seconds=(0.9, 2.5),
                swing=(("l_in", 26, 1.8), ("r_in", 26, 1.8)), weight=0.7),
    "drink": Act(("drinks", "takes a sip", "drinks from the {thing}", "takes a sip of wine", "eats", "smokes",
                  "puts the {thing} to {his} mouth", "drinks the water", "takes a bite", "smokes a cigarette"),
                 ((0.4, _TO_MOUTH | {"nod": -10}), (0.75, _TO_MOUTH | {"nod": -14}), (1, arm("A", 20, 15, 88, -10))),
                 before=ANY, seconds=(0.9, 2.6), weight=1.2, keep=True),
    "phone": Act(("makes a call", "puts the phone to {his} ear", "talks on the phone", "touches {his} face",
                  "puts {his} hand on {his} ear", "touches {his} hair"),
                 ((0.5, _TO_EAR), (1, _TO_EAR)), before=ANY, seconds=(0.7, 1.8), weight=0.8, keep=True),
    "hat_on": Act(("puts on {his} hat", "puts the hat on {his} head", "takes off {his} hat", "touches {his} hat",
                   "takes {his} helmet and puts it on {his} head", "puts on {his} helmet", "takes off the hat",
                   "puts {his} hand on {his} head", "adjusts {his} glasses", "takes off {his} glasses"),
                  ((0.4, _TO_HEAD), (0.7, _TO_HEAD), (1, REST)), before=ANY, seconds=(0.8, 2.4), weight=1.2),
    "both_head": Act(("puts both hands on {his} head", "covers {his} face with {his} hands", "holds {his} head",
                      "covers {his} mouth", "puts on {his} hat with both hands"),
                     ((0.4, arms(100, 40, 172, -50)), (0.8, arms(100, 40, 172, -50)), (1, REST)), before=ANY,
                     seconds=(0.8, 2.2), weight=0.6),
    "hips": Act(("puts {his} hands on {his} hips", "puts {his} hands in {his} pockets", "folds {his} arms"),
                ((0.6, arms(28, 80, 60, -50)), (1, arms(28, 80, 60, -50))), seconds=(0.6, 1.6), weight=0.6, keep=True),
    "chest": Act(("puts {his} hand on {his} chest", "takes something out of {his} pocket", "buttons {his} clothes",
                  "touches {his} chest", "puts the {thing} in {his} pocket", "takes off {his} clothes",
                  "puts on the clothes", "takes the {thing} out of the bag"),
                 ((0.35, arm("A", 26, 30, 112, -60)), (0.75, arm("A", 30, 40, 100, -50)), (1, REST)), before=ANY,
                 seconds=(0.8, 2.4)),
    "open": Act(("opens the door", "closes the door", "pushes the door open", "opens the {box}", "closes the {box}",
                 "pulls the door", "opens the window", "knocks on the door", "opens the door and goes in"),
                ((0.4, _REACH), (0.75, arm("A", 55, 60, 60, 50) | {"lean": 8}), (1, _BACK)), before=UP,
                seconds=(0.8, 2.2), weight=1.2),
    "work": Act(("wipes the {thing}", "writes", "pours the water into the cup", "washes the {thing}",
                 "cooks", "cleans the {thing}", "plays with the {thing}", "operates the {thing}", "pours the wine"),
                ((0.2, _REACH_BOTH), (0.85, _REACH_BOTH), (1, _BACK)), before=ANY, seconds=(1, 3),
                swing=(("A_out", 14, 1.1), ("A_fore", 10, 1.4)), weight=0.9),
    "talk": Act(("talks", "speaks", "says something", "speaks a few words", "talks to {other}", "says a few words",
                 "gestures", "speaks to {other}"),
                ((0.4, arm("A", 28, 30, 96, 0)), (0.8, arm("A", 24, 40, 80, 10)), (1, REST)), before=ANY,
                seconds=(1, 3), swing=(("A_fore", 9, 1.3),), weight=0.8),
    "give": Act(("gives the {thing} to {other}", "hands the {thing} to {other}", "hands something to {other}",
                 "gives {other} the {thing}", "passes the {thing} to {other}", "stretches out {his} hand to {other}",
                 "bends down and gives the {thing} to {other}"),
                ((0.5, arm("A", 66, 8, 78, 2) | {"lean": 14}), (0.75, arm("A", 66, 8, 78, 2) | {"lean": 14}), (1, _BACK)),
                before=UP, seconds=(0.8, 2), weight=1.6, needs_other=True, distance=0.75, reply="receive"),
    "receive": Act(("takes the {thing} from {other}", "takes the {thing} from the hand of {other}",
                    "receives the {thing} from {other}", "takes it"),
                   ((0.5, arm("A", 60, 8, 76, 2) | {"lean": 10}), (1, arm("A", 20, 15, 88, -10))), before=ANY,
                   seconds=(0.8, 2), weight=0.0, needs_other=True, distance=0.75, keep=True),
    "hug": Act(("hugs {other}", "embraces {other}", "holds {other} in {his} arms", "steps forward and hugs {other}",
                "kisses {other}", "kisses {other} on the face", "hugs {other} tightly"),
               ((0.3, arms(64, 26, 80, -40) | {"lean": 10}), (0.75, arms(64, 26, 84, -50) | {"lean": 10}), (1, _BACK)),
               seconds=(1, 2.6), weight=1.2, needs_other=True, distance=0.22, reply="hugged"),
    "hugged": Act(("is hugged by {other}", "hugs {other}"),
                  ((0.4, arms(58, 30, 80, -40) | {"lean": 6}), (0.75, arms(58, 30, 80, -40)), (1, _BACK)), before=ANY,
                  weight=0.0, needs_other=True, distance=0.22),
    "shake": Act(("shakes hands with {other}", "shakes the hand of {other}", "takes the hand of {other}",
                  "holds the hand of {other}", "raises {his} arm and takes the hand of {other}"),
                 ((0.35, arm("A", 52, 8, 80, 0)), (0.8, arm("A", 52, 8, 80, 0)), (1, _BACK)), before=UP,
                 seconds=(0.8, 2), needs_other=True, distance=0.75, reply="receive", swing=(("A_fore", 6, 2.0),)),
    "touch": Act(("touches {other}", "pats {other} on the shoulder", "puts {his} hand on the shoulder of {other}",
                  "touches the face of {other}", "pats the shoulder of {other}", "strokes {other}"),
                 ((0.4, arm("A", 84, 14, 98, 0)), (0.8, arm("A", 84, 14, 92, 0)), (1, _BACK)), before=UP,
                 seconds=(0.7, 2), weight=1.2, needs_other=True, distance=0.5, swing=(("A_fore", 8, 1.6),)),
    "push": Act(("pushes {other}", "pushes {other} away", "hits {other}", "shoves {other}", "slaps {other}", "beats {other}"),
                ((0.4, arms(70, 12, 96, 0)), (0.65, arms(80, 10, 84, 0) | {"lean": 18}), (1, _BACK)), seconds=(0.6, 1.4),
                weight=0.8, needs_other=True, distance=0.55, reply="pushed"),
    "pushed": Act(("is pushed by {other}", "falls back"), ((0.5, {"lean": -14} | arms(40, 60, 60, 40)), (1, _BACK)),
                  before=ANY, weight=0.0, needs_other=True, distance=0.55),
    "pull": Act(("pulls {other}", "pulls {other} up", "pulls the arm of {other}", "grabs {other}", "drags {other}",
                 "holds out {his} hand to {other} and pulls {him2} up", "helps {other} up"),
                ((0.4, _REACH_BOTH), (0.8, arms(24, 30, 92, 0) | {"lean": -10}), (1, _BACK)), seconds=(0.8, 2.4),
                weight=0.9, needs_other=True, distance=0.6, reply="receive"),
}
"""Everything that people of the film world do; those of weight 0 only answer to another's act."""
SEATS = ("chair", "sofa", "stool", "bed", "bench", "seat", "couch")
THINGS = ("box", "cup", "bag", "book", "hat", "bottle", "glass", "ball", "basketball", "table", "phone", "paper", "gun",
          "plate", "newspaper", "wine", "knife", "bucket", "stick", "document", "tray", "barbell", "pan", "clothes",
          "flower", "coat", "chair", "towel", "basket", "sword", "umbrella", "money", "letter", "rope", "suitcase",
          "bowl", "helmet", "racket", "guitar", "toy", "camera", "cigarette", "cane", "blanket", "things", "thing")
PLACES = ("table", "door", "car", "bed", "window", "sofa", "wall", "stairs", "counter", "carriage", "tree", "horse",
          "chair", "fence", "house", "cabinet", "bench", "railing", "pillar", "road", "desk", "room", "goal", "boat",
          "ladder", "crowd", "street", "kitchen", "bar", "fire", "grave", "refrigerator", "mirror", "piano")
BOXES = ("box", "lid", "bag", "book", "drawer", "bottle", "cabinet", "suitcase", "curtain", "trunk", "car door")
