"""A camera of the film world: where joints and boxes appear, and how well detector and pose network see them."""

from dataclasses import dataclass

import numpy as np

from stvg.types import BoolArray, Float64Array

SIZES = ((640, 360), (640, 360), (640, 268), (480, 270), (640, 480), (426, 320), (340, 256))


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A pinhole camera that may pan.

    `size` of the picture in pixels, `focal` pixels, `distance` to z = 0 and `height` over the floor in body heights,
    `tilt` in radians downwards, `shift` (T, 2) pixels by which the picture is moved, `pan` (T, 2) its velocity.
    """

    size: tuple[int, int]
    focal: float
    distance: float
    height: float
    tilt: float
    shift: Float64Array
    pan: Float64Array

    def project(self, joints: Float64Array, floor: Float64Array, tall: float) -> Float64Array:
        """Return the pixels (T, J, 2) of joints (T, J, 3) about floor points (T, 2), and depth as a third column."""
        points = joints * tall
        right = points[..., 0] + floor[:, None, 0]
        up = points[..., 1] - self.height
        away = self.distance - (points[..., 2] + floor[:, None, 1])
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        depth = np.maximum(away * c - up * s, 0.25)
        rise = up * c + away * s
        x = self.focal * right / depth + self.size[0] / 2 + self.shift[:, None, 0]
        y = -self.focal * rise / depth + self.size[1] / 2 + self.shift[:, None, 1]
        return np.stack([x, y, depth], axis=-1)


def draw_frame(rng: np.random.Generator) -> tuple[tuple[int, int], float, float]:
    """Draw a picture's size, the share of its height that a body takes, and the camera's distance in body heights."""
    size = SIZES[rng.integers(len(SIZES))]
    kind = rng.choice(3, p=[0.52, 0.36, 0.12])
    share = float(np.exp(rng.uniform(*np.log([(0.38, 0.95), (0.95, 1.9), (1.9, 3.2)][kind]))))
    return size, share, float(rng.uniform(2.2, 9))


def place_camera(
    rng: np.random.Generator, size: tuple[int, int], share: float, distance: float, frames: int, rate: float
) -> Camera:
    """Aim a camera at people around z = 0; some pan or shake."""
    focal = share * size[1] * distance
    height = float(np.clip(rng.normal(0.85, 0.35), 0.2, 2.2))
    tilt = float(np.arctan2(height - 0.5, distance))
    top = rng.uniform(0.05, 0.3) if share > 0.85 else rng.uniform(0.12, max(0.98 - share, 0.14))
    head = -focal * np.tan(np.arctan2(1.0 - height, distance) + tilt) + size[1] / 2
    shift = np.zeros((frames, 2))
    shift[:, 1] = top * size[1] - head
    if rng.random() < 0.35:
        speed = rng.normal(0, 0.06, 2) * size[0] * (1, 0.2)
        period = rng.uniform(3, 14)
        time = np.arange(frames) / rate
        shift += (np.sin(2 * np.pi * time / period + rng.uniform(0, 6)))[:, None] * speed * period / 3
    if rng.random() < 0.4:
        shift += np.cumsum(rng.normal(0, 0.6, (frames, 2)), axis=0)
    return Camera(
        size,
        focal,
        distance,
        height,
        tilt,
        shift,
        np.asarray(np.gradient(shift, axis=0)) * rate if frames > 1 else shift * 0,
    )


def boxes_of(points: Float64Array, size: tuple[int, int]) -> Float64Array:
    """Return the boxes (T, 4) around bodies with joints, crown and toes at `points` (T, 20, 3), cut to the picture.

    NaN where less than a little of a body is inside.
    """
    width, height = size
    head = np.abs(points[:, 17, 1] - points[:, 0, 1]) + 1.0
    pad = head[:, None] * np.array([0.75, 0.35])
    low, high = points[..., :2].min(axis=1) - pad, points[..., :2].max(axis=1) + pad
    boxes = np.concatenate([low.clip(0, size), high.clip(0, size)], axis=1)
    inside = (boxes[:, 2] - boxes[:, 0] > 0.012 * width) & (boxes[:, 3] - boxes[:, 1] > 0.05 * height)
    whole = (high - low).clip(1)
    seen = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) / whole.prod(axis=1)
    boxes[~inside | (seen < 0.12)] = np.nan
    return boxes


def see_joints(
    rng: np.random.Generator,
    points: Float64Array,
    boxes: Float64Array,
    hidden: BoolArray,
    size: tuple[int, int],
    yaw: Float64Array,
) -> Float64Array:
    """Return what a pose network makes of joints `points` (T, 17, 3): x, y, confidence.

    `hidden` (T, 17) says which lie behind somebody nearer.
    """
    frames = len(points)
    scale = np.nanmax([np.nanmedian(boxes[:, 3] - boxes[:, 1]), 10.0])
    quality = rng.uniform(0.45, 0.8) * np.clip(scale / 90, 0.55, 1.0)
    confidence = quality + rng.normal(0, 0.06, (1, 17)) + rng.normal(0, 0.06, (frames, 17))
    confidence[:, 5:7] += 0.08
    back = np.cos(np.radians(yaw)) < -0.2
    confidence[:, :3] -= 0.15 * back[:, None]
    x, y = points[:, :17, 0].copy(), points[:, :17, 1].copy()
    noise = rng.uniform(0.003, 0.013) * scale
    slow = np.cumsum(rng.normal(0, 0.25, (frames, 17, 2)), axis=0)
    slow -= slow.mean(axis=0)
    x += noise * (rng.normal(0, 0.7, (frames, 17)) + slow[..., 0].clip(-2, 2))
    y += noise * (rng.normal(0, 0.7, (frames, 17)) + slow[..., 1].clip(-2, 2))
    x1, y1, x2, y2 = np.nan_to_num(boxes).T[..., None]
    outside = (x < 0) | (x > size[0]) | (y < 0) | (y > size[1])
    confidence[outside] = rng.uniform(0.03, 0.3, int(outside.sum()))
    x, y = x.clip(0, size[0]), y.clip(0, size[1])
    lost = hidden & (rng.random((frames, 17)) < 0.6)
    wrong = lost | (rng.random((1, 17)) < 0.03) & (rng.random((frames, 17)) < 0.5) | (rng.random((frames, 17)) < 0.015)
    x = np.where(wrong, x1 + (x2 - x1) * rng.random((frames, 17)), x)
    y = np.where(wrong, y1 + (y2 - y1) * rng.random((frames, 17)), y)
    confidence[wrong] *= rng.uniform(0.2, 0.8, int(wrong.sum()))
    if back.any() and rng.random() < 0.3:
        for left in (5, 7, 9, 11, 13, 15):
            x[:, [left, left + 1]] = np.where(back[:, None], x[:, [left + 1, left]], x[:, [left, left + 1]])
            y[:, [left, left + 1]] = np.where(back[:, None], y[:, [left + 1, left]], y[:, [left, left + 1]])
    return np.stack([x, y, confidence.clip(0.02, 0.95)], axis=-1)
