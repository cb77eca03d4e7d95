"""Simulate public detections: true boxes with the errors of a detector.

As MOTChallenge ships them: every person of the clip alike, no identities, rows of a frame in random order.
"""

import numpy as np
import numpy.typing as npt
from pydantic.dataclasses import dataclass

from stvg.config import STRICT
from stvg.geometry.boxes import clip_boxes, elementwise_iou
from stvg.io.mot_text import MotRows
from stvg.types import BoolArray, Float64Array, FloatArray


@dataclass(frozen=True, config=STRICT)
class DetectorErrors:
    """How the detector errs."""

    least_visible: float = 0.2
    """People of whom less is visible (share of the silhouette) are never found."""
    miss: float = 0.06
    """Probability that a fully visible person is missed in one frame, for this frame alone."""
    miss_hidden: float = 0.35
    """Added to `miss` in proportion to the hidden share."""
    gap_per_frame: float = 0.006
    """Probability that a person stays unseen from a frame on for `gap_frames`."""
    gap_frames: tuple[int, int] = (3, 10)
    """Shortest and longest such gap."""
    jitter: float = 0.04
    """Standard deviation of each side's place, as a share of the box's width or height."""
    false_starts_per_frame: float = 0.06
    """False positives that begin in a frame, on average."""
    false_lasts: float = 0.6
    """Probability that a false positive is there in the next frame too."""


def detect_roughly(
    boxes_xyxy: FloatArray,
    visible: FloatArray,
    size: tuple[int, int],
    rng: np.random.Generator,
    errors: DetectorErrors | None = None,
) -> MotRows:
    """Return noisy detections of a clip, by frame, shuffled within a frame, all ids -1.

    Args:
        boxes_xyxy: (T, N, 4) float32 pixels, the true box of each person in each frame; NaN where it is out of view.
        visible: (T, N) float32 in [0, 1], the visible share of each person.
        size: width and height of the image in pixels; boxes are cut off at its edges.
        rng: all chance comes from here.
        errors: how the detector errs; None for the defaults.

    Raises:
        ValueError: `visible` does not have the shape (T, N).
    """
    errors = errors or DetectorErrors()
    if visible.shape != boxes_xyxy.shape[:2]:
        raise ValueError(f"visible: expected shape {boxes_xyxy.shape[:2]}, got {visible.shape}")
    seen = _seen(visible.astype(np.float64), rng, errors)
    frames, people = np.nonzero(seen)
    true_boxes = _shaken(boxes_xyxy[frames, people].astype(np.float64), rng, errors.jitter)
    true_scores = np.clip(rng.normal(0.5 + 0.3 * visible[frames, people], 0.13), 0.1, 0.99)
    false_frames, false_boxes = _false_positives(boxes_xyxy, size, rng, errors)
    false_scores = np.clip(rng.normal(0.47, 0.17, len(false_frames)), 0.1, 0.95)
    all_frames = np.concatenate([frames, false_frames])
    all_boxes = clip_boxes(np.concatenate([true_boxes, false_boxes]), *size)
    scores = np.concatenate([true_scores, false_scores])
    order = np.lexsort((rng.random(len(all_frames)), all_frames))
    large: BoolArray = np.all(all_boxes[:, 2:] - all_boxes[:, :2] >= 1, axis=1, keepdims=True)[:, 0]
    order = order[large[order]]
    return MotRows(
        frames=all_frames[order].astype(np.int64),
        track_ids=np.full(len(order), -1, np.int64),
        boxes_xyxy=all_boxes[order].astype(np.float32),
        scores=scores[order].astype(np.float32),
    )


def _seen(visible: Float64Array, rng: np.random.Generator, errors: DetectorErrors) -> BoolArray:
    """Return (T, N) bool: who is found in which frame, after single misses and whole gaps."""
    missed = errors.miss + errors.miss_hidden * (1 - visible)
    seen: BoolArray = np.asarray(rng.random(visible.shape)) >= missed
    seen[visible < errors.least_visible] = False
    begins = rng.random(visible.shape) < errors.gap_per_frame
    lengths = rng.integers(errors.gap_frames[0], errors.gap_frames[1], visible.shape, endpoint=True)
    for frame, person in zip(*np.nonzero(begins), strict=True):
        seen[frame : frame + lengths[frame, person], person] = False
    return seen


def _shaken(boxes_xyxy: Float64Array, rng: np.random.Generator, jitter: float) -> Float64Array:
    """Return the boxes (N, 4) with each side moved at random by a share of the box's size."""
    sides = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2])[:, [0, 1, 0, 1]]
    moved: Float64Array = boxes_xyxy + rng.normal(0, jitter, boxes_xyxy.shape) * sides
    return moved


def _false_positives(
    boxes_xyxy: FloatArray, size: tuple[int, int], rng: np.random.Generator, errors: DetectorErrors
) -> tuple[npt.NDArray[np.int64], Float64Array]:
    """Return the frames (M,) and boxes (M, 4) of boxes without a person, sized like people, some staying a while."""
    num_frames = len(boxes_xyxy)
    frames, boxes = [], [np.zeros((0, 4))]
    for start in np.repeat(np.arange(num_frames), rng.poisson(errors.false_starts_per_frame, num_frames)):
        stop = min(int(start) + int(rng.geometric(1 - errors.false_lasts)), num_frames)
        height = rng.uniform(0.2, 0.6) * size[1]
        width = height * rng.uniform(0.3, 0.6)
        corner = rng.uniform((0, 0.3 * (size[1] - height)), (size[0] - width, size[1] - height))
        box = np.array([*corner, corner[0] + width, corner[1] + height])
        track = _shaken(np.tile(box, (stop - int(start), 1)), rng, errors.jitter)
        people = np.nan_to_num(boxes_xyxy[int(start) : stop].astype(np.float64))
        overlap = np.stack([elementwise_iou(people[:, k], track) for k in range(people.shape[1])], axis=1)
        alone = (overlap < 0.3).all(axis=1)
        frames.append(np.arange(int(start), stop)[alone])
        boxes.append(track[alone])
    return np.concatenate([np.zeros(0, np.int64), *frames]), np.concatenate(boxes)
