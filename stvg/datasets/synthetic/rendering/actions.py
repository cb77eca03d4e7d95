"""Joint angles over time of each of the fifteen actions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stvg.datasets.synthetic.planning.scene import ActionName, Actor
from stvg.datasets.synthetic.rendering.paths import Handling, Way, ease, glide, near_hand

Angles = dict[str, npt.NDArray[np.float64]]
Pose = dict[str, float]

STAND: Pose = {
    "lean": 2,
    "roll": 0,
    "nod": 2,
    "look": 0,
    "lift": 0,
    "shift": 0,
    "l_upper": 9,
    "l_out": 60,
    "l_fore": 16,
    "l_in": 15,
    "r_upper": 9,
    "r_out": 60,
    "r_fore": 16,
    "r_in": 15,
    "l_thigh": 2,
    "l_knee": 3,
    "l_spread": 4,
    "r_thigh": 2,
    "r_knee": 3,
    "r_spread": 4,
}
SEATED: Pose = STAND | {
    "lean": 5,
    "l_upper": 17,
    "l_out": 20,
    "l_fore": 66,
    "l_in": -8,
    "r_upper": 17,
    "r_out": 20,
    "r_fore": 66,
    "r_in": -8,
    "l_thigh": 84,
    "l_knee": 84,
    "l_spread": 9,
    "r_thigh": 84,
    "r_knee": 84,
    "r_spread": 9,
}
CROUCHED: Pose = {
    "lean": 28,
    "nod": -14,
    "l_thigh": 112,
    "l_knee": 138,
    "r_thigh": 104,
    "r_knee": 134,
    "l_upper": 35,
    "r_upper": 35,
    "l_out": 15,
    "r_out": 15,
    "l_fore": 75,
    "r_fore": 75,
    "l_in": -10,
    "r_in": -10,
    "l_spread": 12,
    "r_spread": 12,
    "shift": -0.1,
}
BENT: Pose = {
    "lean": 88,
    "nod": 0,
    "l_thigh": -6,
    "l_knee": 4,
    "r_thigh": -6,
    "r_knee": 4,
    "l_upper": 10,
    "r_upper": 10,
    "l_out": 20,
    "r_out": 20,
    "l_fore": 8,
    "r_fore": 8,
    "l_in": 0,
    "r_in": 0,
    "shift": -0.04,
}
REACHING: Pose = {"lean": 58, "nod": 4, "l_thigh": 78, "l_knee": 96, "r_thigh": 52, "r_knee": 104, "shift": -0.08}


@dataclass(slots=True, eq=False)
class _Take:
    """One act being played: views of the actor's curves in the act's n frames, which the action changes.

    `time` (n,) seconds from the start, `length` seconds, `hand` the acting arm and leg ("l" or "r"), `steps` the
    number of double steps of a walk, `tempo` around 1.
    """

    angles: Angles
    yaw: npt.NDArray[np.float64]
    time: npt.NDArray[np.float64]
    length: float
    hand: str
    seated: bool
    steps: float
    tempo: float

    def hold(self, ramp_s: float = 0.6) -> npt.NDArray[np.float64]:
        """Return 0 .. 1 .. 0 over the act: up in `ramp_s`, held, down in `ramp_s` (less in short acts)."""
        ramp = min(ramp_s, self.length * 0.4)
        return ease(self.time / ramp) * ease((self.length - self.time) / ramp)

    def toward(self, pose: Pose, weight: npt.NDArray[np.float64]) -> None:
        """Blend the angles that `pose` names towards it by `weight` (n,)."""
        for name, value in pose.items():
            self.angles[name] += (value - self.angles[name]) * weight

    def arm(self, upper: float, out: float, fore: float, inward: float) -> Pose:
        """Return the pose of the acting arm."""
        return _arm(self.hand, upper, out, fore, inward)

    def face(self, share: float, weight: npt.NDArray[np.float64]) -> None:
        """Turn the body so that its yaw is `share` of its own (0: straight into the camera)."""
        self.yaw *= 1 + (share - 1) * weight


def _arm(side: str, upper: float, out: float, fore: float, inward: float) -> Pose:
    return {f"{side}_upper": upper, f"{side}_out": out, f"{side}_fore": fore, f"{side}_in": inward}


def _both_arms(upper: float, out: float, fore: float, inward: float) -> Pose:
    return _arm("l", upper, out, fore, inward) | _arm("r", upper, out, fore, inward)


def _walk(take: _Take) -> None:
    ramp = np.minimum(1, np.minimum(take.time, take.length - take.time) / min(0.35, take.length / 3))
    phase = 2 * np.pi * take.steps * glide(take.time / take.length)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        swing, advance = np.sin(phase) * sign, np.cos(phase) * sign
        take.angles[f"{side}_thigh"] += ramp * (29 * swing + 5)
        take.angles[f"{side}_knee"] += ramp * (6 + 52 * np.maximum(0, advance) ** 1.3)
        take.toward({f"{side}_out": 0, f"{side}_in": 0}, ramp)
        free = ramp * (np.abs(take.angles[f"{side}_fore"]) < 50)
        take.angles[f"{side}_upper"] += free * (-28 * swing - 5)
        take.angles[f"{side}_fore"] += free * (-30 * swing + 8)
    take.angles["lean"] += 3 * ramp
    take.angles["lift"] += ramp * 0.008 * (1 - np.cos(2 * phase))


def _turn_around(take: _Take) -> None:
    steps = np.sin(2 * np.pi * 1.2 * take.time) * take.hold(0.3)
    for side, sign in (("l", 1), ("r", -1)):
        take.angles[f"{side}_thigh"] += 22 * np.maximum(0, sign * steps)
        take.angles[f"{side}_knee"] += 42 * np.maximum(0, sign * steps)
    take.toward(_both_arms(22, 70, 30, 40), take.hold(0.4) * 0.8)


def _sit_down(take: _Take) -> None:
    take.toward(SEATED, ease(take.time / take.length))
    _swing_weight(take)


def _stand_up(take: _Take) -> None:
    take.toward(STAND, ease(take.time / take.length))
    _swing_weight(take)


def _swing_weight(take: _Take) -> None:
    middle = np.sin(np.pi * np.clip(take.time / take.length, 0, 1))
    take.angles["lean"] += 34 * middle
    take.angles["nod"] -= 12 * middle
    take.toward(_both_arms(40, 15, 70, 0), middle * 0.7)


def _raise_hand(take: _Take) -> None:
    take.toward(take.arm(168, 25, 176, 10), take.hold(0.5))
    take.face(0.8, take.hold())


def _wave(take: _Take) -> None:
    weight = take.hold(0.4)
    take.face(0.3, weight)
    take.toward(take.arm(112, 85, 178, 90), weight)
    take.angles[f"{take.hand}_fore"] += weight * 44 * np.sin(2 * np.pi * 1.3 * take.tempo * take.time)


def _bend_down(take: _Take) -> None:
    take.face(1.2, take.hold())
    take.toward(BENT, take.hold(0.7))


def _reach(take: _Take) -> None:
    """Go down to the floor with one hand and come back; a seated person only leans."""
    weight = take.hold(0.45 * take.length)
    take.face(1.15, weight)
    take.toward({"lean": 62, "nod": 6} if take.seated else REACHING, weight)
    take.toward(take.arm(22, 10, 16, 0), np.minimum(1, 1.6 * weight))


def _point(take: _Take) -> None:
    take.face(1.3, take.hold())
    take.toward(take.arm(90, 8, 91, 2), take.hold(0.4))


def _jump(take: _Take) -> None:
    hops = max(1, round(take.length / (0.9 / take.tempo)))
    phase = take.time / take.length * hops % 1.0
    flight = np.clip((phase - 0.38) / 0.5, 0, 1)
    air = 4 * flight * (1 - flight)
    dip = ease(phase / 0.22) * ease((0.4 - phase) / 0.16) + 0.6 * ease((phase - 0.88) / 0.05) * ease((1 - phase) / 0.07)
    take.toward({"l_thigh": 58, "r_thigh": 58, "l_knee": 84, "r_knee": 84, "lean": 28, "shift": -0.05}, dip)
    take.toward(_both_arms(128, 45, 140, 30), np.sin(np.pi * np.clip((phase - 0.1) / 0.9, 0, 1)))
    take.angles["lift"] += 0.2 * air


def _crouch(take: _Take) -> None:
    take.toward(CROUCHED, take.hold(0.7))


def _clap(take: _Take) -> None:
    weight = take.hold(0.4)
    take.face(0.45, weight)
    take.toward(_both_arms(42, 25, 92, 0), weight)
    beat = np.cos(2 * np.pi * 1.6 * take.tempo * take.time)
    for side in "lr":
        take.angles[f"{side}_in"] += weight * (2 + 34 * beat)
        take.angles[f"{side}_out"] += weight * 12 * beat


def _kick(take: _Take) -> None:
    kicks = max(1, round(take.length / (1.3 / take.tempo)))
    phase = take.time / take.length * kicks % 1.0
    back = ease(phase / 0.25) * ease((0.42 - phase) / 0.17)
    forth = ease((phase - 0.3) / 0.22) * ease((1 - phase) / 0.35)
    leg = take.hand
    take.face(1.25, take.hold())
    take.toward({f"{leg}_thigh": -32, f"{leg}_knee": 60, "lean": 12}, back)
    take.toward({f"{leg}_thigh": 88, f"{leg}_knee": 6, "lean": -14}, forth)
    take.toward(_both_arms(48, 75, 60, 70), take.hold(0.3) * 0.9)


def _stretch(take: _Take) -> None:
    weight = take.hold(0.7)
    take.face(0.5, weight)
    take.toward(_both_arms(158, 80, 164, 70), weight)
    take.toward({"lean": -6, "nod": -14}, weight)
    take.angles["roll"] += weight * 11 * np.sin(2 * np.pi * 0.45 * take.tempo * take.time)


ACTIONS: dict[ActionName, Callable[[_Take], None]] = {
    "walk": _walk,
    "turn_around": _turn_around,
    "sit_down": _sit_down,
    "stand_up": _stand_up,
    "raise_hand": _raise_hand,
    "wave": _wave,
    "bend_down": _bend_down,
    "pick_up": _reach,
    "put_down": _reach,
    "point": _point,
    "jump": _jump,
    "crouch": _crouch,
    "clap": _clap,
    "kick": _kick,
    "stretch": _stretch,
}


def play(actor: Actor, way: Way, hold: Handling, fps: float, room: tuple[float, float], tempo: float) -> Angles:
    """Return the joint angles, (T,) each, of all acts of `actor`; also turns `way.yaw` where an act faces the camera.

    `room` is its width and depth in body heights; `tempo` (around 1) is how quickly this person waves, claps, jumps.
    """
    num_frames = len(way.yaw)
    angles: Angles = {n: STAND[n] + (SEATED[n] - STAND[n]) * way.sits.astype(np.float64) for n in STAND}
    for side, name in enumerate("lr"):
        carrying = ease(np.convolve(np.pad(hold.held == side, 2, mode="edge"), np.ones(5) / 5, mode="valid"))
        for key, value in _arm(name, 18, 15, 82, -5).items():
            angles[key] += (value - angles[key]) * carrying
    hands = {act.start: hold.hands.get(act.start, near_hand(way.yaw, act.start)) for act in actor.acts}
    for act in (a for a in actor.acts if a.start < num_frames):
        span = slice(act.start, min(act.stop, num_frames))
        step = np.ptp(way.floor[span], axis=0) * room
        take = _Take(
            angles={name: values[span] for name, values in angles.items()},
            yaw=way.yaw[span],
            time=np.arange(span.stop - span.start) / fps,
            length=(act.stop - act.start) / fps,
            hand="lr"[hands[act.start]],
            seated=bool(way.sits[act.start]),
            steps=max(1.0, round(2 * float(np.hypot(*step)) / 0.75) / 2),
            tempo=tempo,
        )
        ACTIONS[act.action](take)
    return angles
