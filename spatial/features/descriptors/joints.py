"""Find people's joints with MoveNet, and the pixels of their body parts."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from spatial.features.descriptors.crops import TubeSamples
from spatial.features.descriptors.part_colours import NUM_PARTS, POINTS, colours_of_points
from spatial.features.descriptors.pose_columns import ANKLES, ELBOWS, HIPS, KNEES, NUM_JOINTS, SHOULDERS, SURE
from spatial.onnx_session import open_session
from stvg.errors import InputError
from stvg.types import BoolArray, Float64Array, FloatArray, Image

_MARGIN = 1.25
"""Side of the square that the network sees, in longer sides of the box."""
_HEAD = (0, 1, 2, 3, 4)
_LIMBS = {
    2: (SHOULDERS, ELBOWS, 0.25, 1.0),
    3: (HIPS, KNEES, 0.25, 0.9),
    4: (KNEES, ANKLES, 0.15, 0.8),
    5: (ANKLES, ANKLES, 0.0, 1.0),
}
"""Joints at the ends of arms, thighs, shins and feet, and from where to where of the way between them points lie."""


class JointFinder:
    """MoveNet as `stvg models` writes it: an ONNX file that takes one square RGB picture, (1, S, S, 3) int32.

    Raises:
        InputError: no onnxruntime, no such file, or another kind of model.
    """

    def __init__(self, path: Path, threads: int) -> None:
        self._session = open_session(path, 1, "cpu", owner="features pose", expected="the pose network", fetched="it")
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shape = list(inputs[0].shape)
        if (
            len(inputs) != 1
            or len(shape) != 4
            or shape[1] != shape[2]
            or list(outputs[0].shape)[-2:] != [NUM_JOINTS, 3]
        ):
            raise InputError(f"{path}: expected a MoveNet with input (1, S, S, 3) and 17 joints, got input {shape}")
        self._path, self._input, self._side, self._threads = path, inputs[0].name, int(shape[1]), threads

    def find(self, pictures: Image, samples: TubeSamples) -> FloatArray:
        """Return a person's joints at each row: (R, 17, 3) float32, x and y in image pixels, and the confidence.

        Raises:
            InputError: the network gives NaN or infinity.
        """
        with ThreadPoolExecutor(self._threads) as pool:
            found = list(pool.map(lambda row: self._find_one(pictures, samples, row), range(len(samples.index))))
        return np.stack(found).astype(np.float32)

    def _find_one(self, pictures: Image, samples: TubeSamples, row: int) -> Float64Array:
        x1, y1, x2, y2 = samples.boxes_xyxy[row].astype(np.float64)
        side = _MARGIN * max(x2 - x1, y2 - y1)
        scale = self._side / side
        left, top = (x1 + x2 - side) / 2, (y1 + y2 - side) / 2
        matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        crop = cv2.warpAffine(pictures[samples.index[row]], matrix, (self._side, self._side), flags=method)
        output: FloatArray = self._session.run(None, {self._input: crop[None].astype(np.int32)})[0]
        if not np.isfinite(output).all():
            raise InputError(f"{self._path}: expected finite joints, the network gave NaN or infinity")
        y, x, confidence = output.reshape(NUM_JOINTS, 3).T
        return np.stack([left + x * side, top + y * side, confidence], axis=1)


def part_colours(pictures: Image, samples: TubeSamples, joints: FloatArray) -> FloatArray:
    """Return the colours of the parts of a person at each row, (R, 6, 23) float32; zeros where a part is not seen.

    Where hips are not seen the torso reaches from the shoulders down to the end of the box.
    """
    height, width = pictures.shape[1:3]
    points = _part_points(samples.boxes_xyxy, joints)
    seen = np.isfinite(points[..., 0, 0])
    x = np.nan_to_num(points[..., 0]).round().astype(np.int64).clip(0, width - 1)
    y = np.nan_to_num(points[..., 1]).round().astype(np.int64).clip(0, height - 1)
    colours = colours_of_points(pictures[samples.index[:, None, None], y, x])
    colours[~seen] = 0.0
    return colours


def _part_points(boxes: FloatArray, joints: FloatArray) -> Float64Array:
    """Return POINTS places on each part of each row: (R, 6, POINTS, 2), NaN where the part's joints are unsure."""
    xy: Float64Array = joints[..., :2].astype(np.float64)
    sure: BoolArray = joints[..., 2] > SURE
    points = np.full((len(joints), NUM_PARTS, POINTS, 2), np.nan)
    grid = (np.arange(POINTS) + 0.5) / POINTS
    across, along = (np.arange(POINTS) * 7 % POINTS + 0.5) / POINTS, grid
    left, right = xy[:, SHOULDERS[0]], xy[:, SHOULDERS[1]]
    has_hips = (sure[:, HIPS[0]] & sure[:, HIPS[1]])[:, None]
    y2 = boxes[:, 3].astype(np.float64)
    below = np.stack([(left + right)[:, 0] / 2, np.maximum(y2, (left + right)[:, 1] / 2 + 2)], axis=1)
    low_left = np.where(has_hips, xy[:, HIPS[0]], below + (left - right) / 2)
    low_right = np.where(has_hips, xy[:, HIPS[1]], below - (left - right) / 2)
    points[:, 1] = _quad(left, right, low_left, low_right, 0.2 + 0.6 * across, 0.12 + 0.75 * along)
    points[:, 0] = _hair_points(boxes, xy, joints[..., 2], across, along)
    for part in _LIMBS:
        points[:, part] = _limb_points(xy, sure, part)
    return points


def _limb_points(xy: Float64Array, sure: BoolArray, part: int) -> Float64Array:
    """Return POINTS places on a part with two sides: (R, POINTS, 2); those of an unsure side are the other's."""
    upper, lower, low, high = _LIMBS[part]
    half = POINTS // 2
    points = np.full((len(xy), POINTS, 2), np.nan)
    for side in (0, 1):
        start, stop = xy[:, upper[side]], xy[:, lower[side]]
        if upper == lower:  # feet have no joint of their own: they lie below the ankles
            length = np.linalg.norm(xy[:, KNEES[side]] - start, axis=1, keepdims=True)
            start, stop = start + np.array([0, 0.08]) * length, start + np.array([0, 0.3]) * length
        share = low + (high - low) * (np.arange(half) + 0.5) / half
        places = start[:, None] * (1 - share[:, None]) + stop[:, None] * share[:, None]
        there = sure[:, upper[side]] & sure[:, lower[side]]
        points[there, side * half : (side + 1) * half] = places[there]
    first, second = points[:, :half], points[:, half:]
    return np.concatenate([np.where(np.isnan(first), second, first), np.where(np.isnan(second), first, second)], axis=1)


def _quad(
    upper_left: Float64Array,
    upper_right: Float64Array,
    low_left: Float64Array,
    low_right: Float64Array,
    u: Float64Array,
    v: Float64Array,
) -> Float64Array:
    """Return places (R, POINTS, 2) at shares u across and v down of quadrilaterals with corners (R, 2)."""
    u, v = u[:, None], v[:, None]
    upper = upper_left[:, None] * (1 - u) + upper_right[:, None] * u
    lower = low_left[:, None] * (1 - u) + low_right[:, None] * u
    return upper * (1 - v) + lower * v


def _hair_points(
    boxes: FloatArray, xy: Float64Array, confidence: FloatArray, across: Float64Array, along: Float64Array
) -> Float64Array:
    """Return places (R, POINTS, 2) on hair or hat: above the face where it is seen, else in the top of the box."""
    weights = (confidence[:, _HEAD] > SURE).astype(np.float64)
    seen = weights.sum(axis=1) > 0
    face = (xy[:, _HEAD] * weights[..., None]).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)[:, None]
    shoulders = xy[:, SHOULDERS].mean(axis=1)
    reach = np.linalg.norm(face - shoulders, axis=1)
    x1, y1, x2, y2 = boxes.astype(np.float64).T
    radius = np.where(seen, 0.42 * reach, 0.07 * (y2 - y1)).clip(1.5, None)
    centre_x = np.where(seen, face[:, 0], (x1 + x2) / 2)
    top = np.where(seen, face[:, 1] - 1.15 * radius, y1 + 0.02 * (y2 - y1))
    bottom = np.where(seen, face[:, 1] - 0.35 * radius, y1 + 0.08 * (y2 - y1))
    x = centre_x[:, None] + radius[:, None] * 1.3 * (across - 0.5)
    y = np.maximum(top[:, None] + (bottom - top)[:, None] * along, y1[:, None])
    return np.stack([x, y], axis=-1)
