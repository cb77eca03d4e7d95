"""Sample a tube's boxes at the video's frames and cut crops from its pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from stvg.types import FloatArray, Image, IntArray, Tube, VideoFrames

MIN_SIDE = 2.0
"""Minimum width and height of a box, in image pixels; smaller boxes are enlarged about their centre."""


@dataclass(frozen=True, slots=True, eq=False)
class TubeSamples:
    """A tube at the sampled frames: `index` (R,) int64 into the video's images, `boxes_xyxy` (R, 4) float32 on them."""

    index: IntArray
    boxes_xyxy: FloatArray


def sample_tube(video: VideoFrames, tube: Tube) -> TubeSamples:
    """Return the tube's boxes at the sampled frames, in image pixels; R >= 1.

    A tube so short that no sampled frame falls into it is described by the nearest one.

    Raises:
        ValueError: the video has no sampled frames.
    """
    if len(video.frames) == 0:
        raise ValueError(f"video of {video.meta.video_id}: expected at least one frame, got none")
    span = tube.span
    index = np.flatnonzero((video.frames >= span.start) & (video.frames < span.stop))
    if len(index) == 0:
        index = np.array([np.abs(video.frames - (span.start + span.stop - 1) / 2).argmin()])
    rows = np.clip(video.frames[index] - span.start, 0, span.length - 1)
    height, width = video.pictures.shape[1:3]
    return TubeSamples(index.astype(np.int64), fit_boxes(tube.boxes_xyxy[rows] * video.scale, width, height))


def every(samples: TubeSamples, step: int) -> TubeSamples:
    """Return every `step`-th row, from the first on."""
    return TubeSamples(samples.index[::step], samples.boxes_xyxy[::step])


def fit_boxes(boxes_xyxy: FloatArray, width: int, height: int) -> FloatArray:
    """Return `boxes_xyxy` (N, 4) cut to a `width` x `height` image, finite, every side at least MIN_SIDE.

    >>> fit_boxes(np.array([[-10, 5, 20, 25], [700, 5, 720, 5]], np.float32), 640, 360).tolist()
    [[0.0, 5.0, 20.0, 25.0], [638.0, 4.0, 640.0, 6.0]]
    """
    size = np.array([width, height], dtype=np.float32)
    corners = np.nan_to_num(np.asarray(boxes_xyxy, np.float32), nan=0.0).reshape(-1, 2, 2)
    corners = np.clip(corners, 0.0, size)
    low, high = corners.min(axis=1), corners.max(axis=1)
    small = high - low < MIN_SIDE
    centre = np.clip((low + high) / 2, MIN_SIDE / 2, size - MIN_SIDE / 2)
    low = np.where(small, centre - MIN_SIDE / 2, low)
    high = np.where(small, centre + MIN_SIDE / 2, high)
    return np.concatenate([low, high], axis=1).astype(np.float32)


def cut_crops(
    images: Sequence[Image] | Image, samples: TubeSamples, margin: tuple[float, float], size: tuple[int, int]
) -> Image:
    """Return each box with its surroundings, resized: (R, size[1], size[0], 3) uint8 RGB.

    `margin` is what is added on each side, as fractions of the box's width and height; `size` is (width, height).
    Beyond the image its border pixels are repeated.
    """
    crops = np.empty((len(samples.index), size[1], size[0], 3), dtype=np.uint8)
    for crop, index, box in zip(crops, samples.index, samples.boxes_xyxy, strict=True):
        crop[:] = _cut(images[index], box, margin, size)
    return crops


def _cut(image: Image, box: FloatArray, margin: tuple[float, float], size: tuple[int, int]) -> Image:
    height, width = image.shape[:2]
    extra = np.asarray(margin) * (box[2:] - box[:2])
    x1, y1 = np.floor(box[:2] - extra).astype(int)
    x2, y2 = np.ceil(box[2:] + extra).astype(int)
    part = image[max(y1, 0) : min(y2, height), max(x1, 0) : min(x2, width)]
    outside = max(-y1, 0), max(y2 - height, 0), max(-x1, 0), max(x2 - width, 0)
    if any(outside):
        part = cv2.copyMakeBorder(part, *outside, cv2.BORDER_REPLICATE)
    resized: Image = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return resized
