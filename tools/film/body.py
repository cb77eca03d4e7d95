"""From acts to moving bodies: joint angles, joints in space, and COCO's joints seen by a camera."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from film.acts import ACTS, POSTURES, REST, Pose
from stvg.datasets.synthetic.rendering.actions import STAND
from stvg.datasets.synthetic.rendering.skeleton import J, joints_of
from stvg.types import BoolArray, Float64Array

RATE = 10.0
"""Frames a second in which bodies move."""
NAMES = (*STAND, "pitch")
FIRST: Pose = dict(STAND) | {"pitch": 0.0} | REST


@dataclass(frozen=True, slots=True, eq=False)
class Timed:
    """An act of a person between two times, in seconds; `hand` the acting side; `to` where a walk leads (x, z)."""

    name: str
    start: float
    stop: float
    hand: str = "r"
    to: tuple[float, float] | None = None
    face: float | None = None
    """Direction in degrees that the body turns to: 0 looks into the camera, 90 to the picture's right."""


def move(
    acts: list[Timed], posture: str, start: tuple[float, float], facing: float, frames: int, rng: np.random.Generator
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return joints (T, 18, 3) about the floor point, floor points (T, 2) and yaw (T,) of a person's acts."""
    time = np.arange(frames) / RATE
    base = FIRST | POSTURES[posture]
    if posture == "sit":
        base |= {"l_upper": 17, "r_upper": 17, "l_fore": 66, "r_fore": 66, "l_out": 20, "r_out": 20}
    angles = {name: np.full(frames, float(base[name])) for name in NAMES}
    floor, yaw = np.tile(np.array(start, float), (frames, 1)), np.full(frames, facing)
    strength = rng.uniform(0.8, 1.15)
    for act in acts:
        _play(act, angles, floor, yaw, time, strength)
    for name, amount in {
        "roll": 1.5,
        "lean": 2,
        "look": 14,
        "nod": 5,
        "l_upper": 4,
        "r_upper": 4,
        "l_fore": 7,
        "r_fore": 7,
        "l_thigh": 1.5,
        "r_thigh": 1.5,
    }.items():
        period, phase = rng.uniform(1.5, 6, 2), rng.uniform(0, 6.3, 2)
        angles[name] = (
            angles[name]
            + amount * rng.uniform(0.2, 1.2) * np.sin(2 * np.pi * time[:, None] / period + phase).sum(1) / 2
        )
    joints = joints_of(angles, np.zeros(frames)).astype(np.float64)
    return _turned(_pitched(joints, angles["pitch"]), yaw, angles["look"]), floor, yaw


def _play(
    act: Timed,
    angles: dict[str, Float64Array],
    floor: Float64Array,
    yaw: Float64Array,
    time: Float64Array,
    strength: float,
) -> None:
    """Write an act into the curves; what it leaves behind holds until the end."""
    kind = ACTS[act.name]
    inside, later = (time >= act.start) & (time < act.stop), time >= act.stop
    share = np.clip((time - act.start) / max(act.stop - act.start, 1e-6), 0, 1)
    if act.face is not None:
        before = float(yaw[max(int(np.searchsorted(time, act.start)) - 1, 0)])
        turn = (act.face - before + 180) % 360 - 180
        pace = share if "step" in kind.extra else np.clip((time - act.start) / 0.5, 0, 1)
        yaw += turn * _ease(pace) * (time >= act.start)
    if act.to is not None:
        at = floor[max(int(np.searchsorted(time, act.start)) - 1, 0)].copy()
        floor += (np.array(act.to) - at) * _glide(share)[:, None] * (time >= act.start)[:, None]
        length = float(np.hypot(*(np.array(act.to) - at)))
        _gait(angles, inside, share, max(1.0, length / (1.1 if "run" in kind.extra else 0.75)), "run" in kind.extra)
    elif "step" in kind.extra:
        _gait(angles, inside, share, 1.0, False)
    at_start = {name: float(angles[name][max(int(np.searchsorted(time, act.start)) - 1, 0)]) for name in NAMES}
    keys: list[tuple[float, Pose]] = [(0.0, {})] + [
        (when, {name.replace("A_", f"{act.hand}_"): value for name, value in pose.items()}) for when, pose in kind.keys
    ]
    for name in {name for _, pose in keys for name in pose}:
        points = [(0.0, at_start[name])] + [(when, pose[name]) for when, pose in keys if name in pose]
        scale = strength if name in ("lean", "look", "nod", "l_upper", "r_upper") else 1.0
        values = np.interp(
            _soften(share, [when for when, _ in points]),
            [when for when, _ in points],
            [points[0][1]] + [value * scale for _, value in points[1:]],
        )
        angles[name] = np.where(inside | later, values, angles[name])
    for name, amount, hertz in kind.swing:
        name = name.replace("A_", f"{act.hand}_")
        angles[name] = angles[name] + inside * amount * np.sin(np.pi * share) ** 0.5 * np.sin(
            2 * np.pi * hertz * (time - act.start)
        )


def _gait(angles: dict[str, Float64Array], inside: BoolArray, share: Float64Array, steps: float, running: bool) -> None:
    ramp = inside * np.clip(8 * np.minimum(share, 1 - share), 0, 1)
    phase, much = 2 * np.pi * steps / 2 * share, (1.5 if running else 1.0)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        swing, advance = np.sin(phase) * sign, np.cos(phase) * sign
        angles[f"{side}_thigh"] = angles[f"{side}_thigh"] + ramp * much * (26 * swing + 4)
        angles[f"{side}_knee"] = angles[f"{side}_knee"] + ramp * much * (6 + 46 * np.maximum(0, advance) ** 1.3)
        free = ramp * (np.abs(angles[f"{side}_fore"]) < 50)
        angles[f"{side}_upper"] = angles[f"{side}_upper"] + free * much * (-22 * swing)
        angles[f"{side}_fore"] = angles[f"{side}_fore"] + free * (-24 * swing + (60 if running else 6))
    angles["lean"] = angles["lean"] + ramp * (12 if running else 3)


def _ease(share: Float64Array) -> Float64Array:
    return share * share * (3 - 2 * share)


def _glide(share: Float64Array) -> Float64Array:
    """Return a walk's progress: nearly even, slower at both ends."""
    return 0.7 * share + 0.3 * _ease(share)


def _soften(share: Float64Array, knots: list[float]) -> Float64Array:
    """Return `share` slowed down at the knots, so that joints start and stop gently."""
    soft = share.copy()
    for low, high in pairwise(knots):
        part = (share >= low) & (share < high)
        soft[part] = low + (high - low) * _ease((share[part] - low) / (high - low))
    return soft


def _pitched(joints: Float64Array, pitch: Float64Array) -> Float64Array:
    """Lay bodies that face the camera on their backs by `pitch` degrees; the lowest joint stays on the floor."""
    if not np.any(np.abs(pitch) > 1):
        return joints
    c, s = np.cos(np.radians(pitch))[:, None], np.sin(np.radians(pitch))[:, None]
    middle = joints[:, J["pelvis"]][:, None]
    around = joints - middle
    up, near = around[..., 1] * c + around[..., 2] * s, around[..., 2] * c - around[..., 1] * s
    turned = np.stack([around[..., 0], up, near], axis=-1) + middle
    turned[..., 1] += 0.04 - turned[..., 1].min(axis=1, keepdims=True)
    lying = (np.abs(pitch) > 1)[:, None, None]
    return np.where(lying, turned, joints)


def _turned(joints: Float64Array, yaw: Float64Array, look: Float64Array) -> Float64Array:
    """Return COCO's 17 joints (T, 17, 3) and the crown, in the camera's axes: right, up, near."""
    head, neck = joints[:, J["head"]], joints[:, J["neck"]]
    up = head - neck
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    angle = np.radians(look)
    ahead = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)], axis=1)
    ahead -= up * (ahead * up).sum(1, keepdims=True)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    side = np.cross(up, ahead)
    face = [
        head + 0.055 * ahead,
        head + 0.045 * ahead + 0.018 * side + 0.017 * up,
        head + 0.045 * ahead - 0.018 * side + 0.017 * up,
        head + 0.042 * side,
        head - 0.042 * side,
    ]
    names = [f"{s}_{part}" for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for s in "lr"]
    points = np.stack(
        [
            *face,
            *(joints[:, J[name]] for name in names),
            head + 0.085 * up,
            joints[:, J["l_toe"]],
            joints[:, J["r_toe"]],
        ],
        axis=1,
    )
    cosine, sine = np.cos(np.radians(yaw))[:, None], np.sin(np.radians(yaw))[:, None]
    right = points[..., 0] * cosine + points[..., 2] * sine
    near = points[..., 2] * cosine - points[..., 0] * sine
    return np.stack([right, points[..., 1], near], axis=-1)
