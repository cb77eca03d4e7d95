"""Compute the joints of all frames of an actor from its script.

Lengths are in body heights (1 is from sole to crown). Angles are in degrees: an arm's elevation is 0 hanging, 90
horizontal, 180 up; its azimuth is 0 forward, 90 outward; a thigh's angle is positive forward, a knee's flexed.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stvg.datasets.synthetic.planning.scene import Actor, Scene
from stvg.datasets.synthetic.rendering.actions import Angles, play
from stvg.datasets.synthetic.rendering.paths import Curve, Handling, handling, way
from stvg.types import BoolArray, FloatArray

JOINTS = (
    "pelvis",
    "chest",
    "neck",
    "head",
    "l_shoulder",
    "r_shoulder",
    "l_elbow",
    "r_elbow",
    "l_wrist",
    "r_wrist",
    "l_hip",
    "r_hip",
    "l_knee",
    "r_knee",
    "l_ankle",
    "r_ankle",
    "l_toe",
    "r_toe",
)
J = {name: index for index, name in enumerate(JOINTS)}

CAMERA_TILT = 0.17
"""How far a point moves down the image, in heights, per height towards the camera."""
DEPTH = 2.3
"""Depth of the room (z from 0 to 1) in heights of a person."""
PROFILES = (48.0, 72.0)
"""Range of the yaw in degrees of people who look to one side; the smaller, the more of the face is seen."""
SPINE, NECK_TO_HEAD, SHOULDER, HIP = 0.31, 0.102, 0.105, 0.05
UPPER_ARM, FOREARM, THIGH, SHIN, FOOT, ANKLE = 0.17, 0.15, 0.24, 0.235, 0.11, 0.04
BACK_HEIGHT, FRONT_HEIGHT = 0.335, 0.52
"""Height of an average person at z = 0 and 1, as a share of the image's height at zoom 1."""
BACK_FLOOR, FRONT_FLOOR = 0.655, 0.965
"""Where feet stand at z = 0 and 1, as a share of the image's height from its top at zoom 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """An actor's movement over T frames.

    `joints` (T, 18, 3) float32 in body heights from the floor point: right in the image, up, towards the camera.
    `floor` (T, 2) float32: x and z in the room, 0..1. `yaw` and `head_yaw` (T,) float32 degrees: 0 looks into the
    camera, 90 to the image's right. `held` (T,) int64: -1 no object, 0 in the left hand, 1 in the right.
    `dropped` (T,) bool: an object that was put down lies at `drop_spot` (T, 3), as a joint, relative to `drop_floor`
    (T, 2). `seated` (T,) float32: 0 standing .. 1 sitting.
    """

    joints: FloatArray
    floor: FloatArray
    yaw: FloatArray
    head_yaw: FloatArray
    held: npt.NDArray[np.int64]
    dropped: BoolArray
    drop_spot: FloatArray
    drop_floor: FloatArray
    seated: FloatArray


def floor_scale(z: Curve, image_height: int) -> Curve:
    """Return the height in pixels, at zoom 1, of an average person standing at depth `z` (any shape, 0..1).

    >>> floor_scale(np.array([0.0, 1.0]), 360).round(1).tolist()
    [120.6, 187.2]
    """
    return (BACK_HEIGHT + (FRONT_HEIGHT - BACK_HEIGHT) * z) * image_height


def floor_row(z: Curve, image_height: int) -> Curve:
    """Return the image row, in pixels at zoom 1, of a floor point at depth `z` (any shape, 0..1)."""
    return (BACK_FLOOR + (FRONT_FLOOR - BACK_FLOOR) * z) * image_height


def pose(actor: Actor, scene: Scene) -> Motion:
    """Return the movement of `actor` through the whole scene."""
    rng = np.random.default_rng([scene.seed, actor.actor_id, 7])
    room = (scene.width / scene.height / (BACK_HEIGHT + FRONT_HEIGHT) * 2, DEPTH)
    track = way(actor, scene.num_frames, scene.fps, room, rng.uniform(*PROFILES), rng)
    hold = handling(actor, track.yaw)
    angles = _idle(play(actor, track, hold, scene.fps, room, rng.uniform(0.9, 1.12)), rng, scene.fps)
    joints = joints_of(angles, track.yaw)
    dropped, spot, floor = _left_object(joints, track.floor, hold)
    return Motion(
        joints=joints,
        floor=track.floor.astype(np.float32),
        yaw=track.yaw.astype(np.float32),
        head_yaw=(track.yaw + angles["look"]).astype(np.float32),
        held=hold.held,
        dropped=dropped,
        drop_spot=spot,
        drop_floor=floor,
        seated=track.seated.astype(np.float32),
    )


def _left_object(joints: FloatArray, floor: Curve, hold: Handling) -> tuple[BoolArray, FloatArray, FloatArray]:
    """Return, as in Motion, whether, where and on which floor point the object lies that was put down last."""
    dropped = np.zeros(len(joints), bool)
    spots, floors = np.zeros((len(joints), 3), np.float32), floor.astype(np.float32)
    for frame, hand in hold.drops:
        until = min((take for take in hold.takes if take > frame), default=len(joints))
        dropped[frame:until] = True
        spots[frame:] = joints[frame, J["lr"[hand] + "_wrist"]]
        floors[frame:] = floor[frame]
    return dropped, spots, floors


def _idle(angles: Angles, rng: np.random.Generator, fps: float) -> Angles:
    """Add what a living body never stops doing: breathing, shifting its weight, looking around."""
    time = np.arange(len(angles["lean"])) / fps

    def drift(amplitude: float, slowest: float) -> npt.NDArray[np.float64]:
        periods, phases = rng.uniform(slowest / 3, slowest, 2), rng.uniform(0, 2 * np.pi, 2)
        waves: npt.NDArray[np.float64] = np.sin(2 * np.pi * time[:, None] / periods + phases).sum(1)
        return amplitude * waves / 2

    amounts = {
        "roll": 1.5,
        "lean": 1.5,
        "look": 16.0,
        "nod": 4.0,
        "l_upper": 3.0,
        "r_upper": 3.0,
        "l_fore": 5.0,
        "r_fore": 5.0,
    }
    return {name: values + drift(amounts[name], 6.0) if name in amounts else values for name, values in angles.items()}


def _arm_direction(elevation: Curve, azimuth: Curve, side: int) -> Curve:
    """Return unit vectors (T, 3) in the body's frame: to its left, up, forward."""
    e, a = np.radians(elevation), np.radians(azimuth)
    return np.stack([side * np.sin(e) * np.sin(a), -np.cos(e), np.sin(e) * np.cos(a)], axis=-1)


def _leg_direction(forward: Curve, spread: Curve, side: int) -> Curve:
    """Return unit vectors (T, 3) of a thigh or shin that swings `forward` degrees from hanging."""
    f, s = np.radians(forward), np.radians(spread)
    return np.stack([side * np.sin(s), -np.cos(f) * np.cos(s), np.sin(f) * np.cos(s)], axis=-1)


def joints_of(angles: Angles, yaw: Curve) -> FloatArray:
    """Forward kinematics: return joints (T, 18, 3) in the camera's axes.

    The pelvis is as high as the lower foot demands, plus `lift`, so that feet stay on the floor in every posture.
    """
    lean, roll = np.radians(angles["lean"]), np.radians(angles["roll"])
    at = np.zeros((len(lean), len(JOINTS), 3))
    upright = np.stack([np.sin(roll), np.cos(roll) * np.cos(lean), np.sin(lean) * np.cos(roll)], axis=-1)
    across = np.stack([np.cos(roll), -np.sin(roll), np.zeros_like(roll)], axis=-1)
    low = np.radians(angles["lean"] * 0.7)
    first = np.stack([np.sin(roll), np.cos(roll) * np.cos(low), np.sin(low) * np.cos(roll)], axis=-1)
    at[:, J["chest"]] = first * SPINE * 0.5
    at[:, J["neck"]] = at[:, J["chest"]] + upright * SPINE * 0.5
    tilt = np.radians(angles["lean"] * 0.75 + angles["nod"])
    head = np.stack([np.sin(roll) * 0.5, np.cos(tilt), np.sin(tilt)], axis=-1)
    at[:, J["head"]] = at[:, J["neck"]] + head * NECK_TO_HEAD
    for name, side in (("l", 1), ("r", -1)):
        shoulder = at[:, J["neck"]] - upright * 0.02 + across * side * SHOULDER
        raised = np.clip((angles[f"{name}_upper"] - 70) / 110, 0, 1)[:, None]
        shoulder = shoulder + upright * 0.025 * raised - across * side * 0.015 * raised
        elbow = shoulder + _arm_direction(angles[f"{name}_upper"], angles[f"{name}_out"], side) * UPPER_ARM
        wrist = elbow + _arm_direction(angles[f"{name}_fore"], angles[f"{name}_in"], side) * FOREARM
        hip = np.array([side * HIP, 0.0, 0.0])
        thigh, shin = angles[f"{name}_thigh"], angles[f"{name}_thigh"] - angles[f"{name}_knee"]
        knee = hip + _leg_direction(thigh, angles[f"{name}_spread"], side) * THIGH
        ankle = knee + _leg_direction(shin, angles[f"{name}_spread"] * 0.3, side) * SHIN
        toe = ankle + _leg_direction(np.clip(shin + 82, 20, 150), np.full_like(shin, 12.0), side) * FOOT
        for joint, value in (
            ("shoulder", shoulder),
            ("elbow", elbow),
            ("wrist", wrist),
            ("hip", hip),
            ("knee", knee),
            ("ankle", ankle),
            ("toe", toe),
        ):
            at[:, J[f"{name}_{joint}"]] = value
    at[..., 1] -= np.minimum(at[:, J["l_ankle"], 1], at[:, J["r_ankle"], 1])[:, None]
    at[..., 1] += ANKLE + angles["lift"][:, None]
    at[:, J["l_toe"], 1] = np.maximum(at[:, J["l_toe"], 1], 0.015)
    at[:, J["r_toe"], 1] = np.maximum(at[:, J["r_toe"], 1], 0.015)
    at[..., 2] += angles["shift"][:, None]
    return _turned(at, yaw)


def _turned(at: Curve, yaw: Curve) -> FloatArray:
    """Turn points (T, J, 3) from the body's axes (left, up, forward) to the camera's (right, up, near)."""
    cosine, sine = np.cos(np.radians(yaw))[:, None], np.sin(np.radians(yaw))[:, None]
    right = at[..., 0] * cosine + at[..., 2] * sine
    near = at[..., 2] * cosine - at[..., 0] * sine
    return np.stack([right, at[..., 1], near], axis=-1).astype(np.float32)
