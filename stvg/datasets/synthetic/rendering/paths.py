"""Compute where an actor stands, looks and sits, by frame."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stvg.datasets.synthetic.planning.scene import Act, Actor

Curve = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """Curves over T frames.

    `floor` (T, 2): x and z, 0..1; `yaw` (T,) degrees, 0 into the camera, 90 to the right;
    `seated` (T,): 0 standing .. 1 sitting; `sits` (T,) bool: the posture from which acts start, seated until a
    stand_up is over.
    """

    floor: Curve
    yaw: Curve
    seated: Curve
    sits: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Handling:
    """What an actor holds in T frames.

    `held` (T,) int64: -1 no object, 0 in the left hand, 1 in the right; `hands` gives the hand of each pick_up or
    put_down by its first frame; `drops` and `takes` are the frames at which an object is left or taken.
    """

    held: npt.NDArray[np.int64]
    hands: dict[int, int]
    drops: tuple[tuple[int, int], ...]
    takes: tuple[int, ...]


def ease(t: npt.ArrayLike) -> Curve:
    """Return the smooth step from 0 (t <= 0) to 1 (t >= 1).

    >>> ease([-1, 0.5, 2]).tolist()
    [0.0, 0.5, 1.0]
    """
    t = np.clip(np.asarray(t, np.float64), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float64)


def glide(t: npt.ArrayLike) -> Curve:
    """Return a walker's share of the way after the share `t` of the time: nearly uniform, slower at both ends."""
    t = np.clip(np.asarray(t, np.float64), 0, 1)
    return np.asarray(0.55 * t + 0.45 * ease(t), np.float64)


def way(
    actor: Actor, num_frames: int, fps: float, room: tuple[float, float], profile: float, rng: np.random.Generator
) -> Way:
    """Return where `actor` is and looks; `room` is its width and depth in body heights.

    A person who looks to one side has a yaw of plus or minus `profile` degrees, so that some of the face is seen.
    """
    frames = np.arange(num_frames)
    floor = np.tile(np.asarray(actor.position, np.float64), (num_frames, 1))
    yaw = np.full(num_frames, actor.facing * profile)
    seated = np.full(num_frames, float(actor.seated))
    sits = np.full(num_frames, actor.seated)
    for act in actor.acts:
        later, elapsed = slice(min(act.start, num_frames), num_frames), frames[act.start :] - act.start
        share = elapsed / (act.stop - act.start)
        here, look = floor[-1].copy(), float(yaw[-1])
        if act.action == "walk" and act.to is not None:
            floor[later] = here + (np.asarray(act.to) - here) * glide(share)[:, None]
            ahead = _heading(act, (np.asarray(act.to) - here) * room)
            yaw[later] = look + (ahead - look) * ease(elapsed / (0.5 * fps))
            after = ease((elapsed - (act.stop - act.start)) / (0.5 * fps))
            yaw[later] += (act.facing * profile - ahead) * after
        elif act.action == "turn_around":
            yaw[later] = look + _turn(look, act.facing * profile, rng) * ease(share)
            yaw[min(act.stop, num_frames) :] = act.facing * profile
        else:
            yaw[later] = look + (act.facing * profile - look) * ease(elapsed / (0.45 * fps))
        if act.action in ("sit_down", "stand_up"):
            sitting = act.action == "sit_down"
            seated[later] = ease(share) if sitting else 1 - ease(share)
            sits[min(act.stop, num_frames) :] = sitting
    return Way(floor, yaw, seated, sits)


def _heading(act: Act, step: Curve) -> float:
    """Return the yaw in degrees of a walk by `step` (right, towards the camera), looking to the act's side."""
    angle = np.degrees(np.arctan2(abs(step[0]), step[1]))
    return float(act.facing * np.clip(angle, 30, 148))


def _turn(before: float, after: float, rng: np.random.Generator) -> float:
    """Return the degrees to turn by: past the camera or past the wall, once around if the side stays the same."""
    way_round = (after - before) % 360 or 360.0
    if abs(before - after) < 30:
        return 360.0 if rng.random() < 0.5 else -360.0
    return float(way_round if rng.random() < 0.5 else way_round - 360)


def handling(actor: Actor, yaw: Curve) -> Handling:
    """Return what is in the hands of `actor`, whose `yaw` (T,) decides which hand is near the camera.

    An actor whose first such act is a put_down carries the object from the start.
    """
    held = np.full(len(yaw), -1, np.int64)
    hands: dict[int, int] = {}
    drops: list[tuple[int, int]] = []
    takes: list[int] = []
    since: tuple[int, int] | None = None
    for act in (a for a in actor.acts if a.action in ("pick_up", "put_down") and a.start < len(yaw)):
        middle = (act.start + act.stop) // 2
        if act.action == "pick_up":
            since = (middle, near_hand(yaw, act.start))
            held[middle:] = hands[act.start] = since[1]
            takes.append(middle)
        else:
            start, hand = since if since is not None else (drops[-1][0] if drops else 0, near_hand(yaw, act.start))
            held[start:] = hands[act.start] = hand
            held[middle:] = -1
            drops += [(middle, hand)] if middle < len(yaw) else []
            since = None
    return Handling(held, hands, tuple(drops), tuple(takes))


def near_hand(yaw: Curve, frame: int) -> int:
    """Return 1 (the right hand) for a person who looks to the image's right in `frame`, else 0."""
    return int(np.sin(np.radians(yaw[min(frame, len(yaw) - 1)])) >= 0)
