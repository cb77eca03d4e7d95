"""Arithmetic on arrays of boxes: layouts, clipping, areas, IoU.

Computed and returned in float64, whatever the input's dtype.
"""

import logging

import numpy as np
import numpy.typing as npt

from stvg.types import Float64Array

logger = logging.getLogger(__name__)


def xywh_to_xyxy(boxes_xywh: npt.ArrayLike) -> Float64Array:
    """Return [x, y, width, height] boxes (..., 4) as [x1, y1, x2, y2], same shape, pixels.

    >>> xywh_to_xyxy([[10, 20, 5, 6]]).tolist()
    [[10.0, 20.0, 15.0, 26.0]]

    Raises:
        ValueError: the last axis is not 4 long.
    """
    boxes = _boxes("boxes_xywh", boxes_xywh)
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def xyxy_to_xywh(boxes_xyxy: npt.ArrayLike) -> Float64Array:
    """Return [x1, y1, x2, y2] boxes (..., 4) as [x, y, width, height], same shape, pixels.

    >>> xyxy_to_xywh([10, 20, 15, 26]).tolist()
    [10.0, 20.0, 5.0, 6.0]

    Raises:
        ValueError: the last axis is not 4 long.
    """
    boxes = _boxes("boxes_xyxy", boxes_xyxy)
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def clip_boxes(boxes_xyxy: npt.ArrayLike, width: float, height: float, min_size: float = 0.0) -> Float64Array:
    """Return boxes (..., 4) moved inside an image of `width` x `height` pixels.

    With `min_size` > 0 each side keeps at least that many pixels, inside the image, so that a box on or beyond the
    border stays a box; `min_size` must not exceed the image.

    >>> clip_boxes([[-5, 2, 700, 9], [640, 0, 650, 9]], 640, 360, min_size=1).tolist()
    [[0.0, 2.0, 640.0, 9.0], [639.0, 0.0, 640.0, 9.0]]

    Raises:
        ValueError: the last axis is not 4 long, or `min_size` is negative or exceeds the image.
    """
    if not 0 <= min_size <= min(width, height):
        raise ValueError(f"min_size: expected 0 to {min(width, height)} (the image's shorter side), got {min_size}")
    boxes = _boxes("boxes_xyxy", boxes_xyxy)
    limit = np.array([width, height], dtype=np.float64)
    low = np.clip(boxes[..., :2], 0, limit - min_size)
    high = np.clip(boxes[..., 2:], low + min_size, limit)
    return np.concatenate([low, high], axis=-1)


def box_area(boxes_xyxy: npt.ArrayLike, plus_one: bool = False) -> Float64Array:
    """Return the areas (...) in square pixels of boxes (..., 4); an inverted box has area 0.

    `plus_one` reads the corners as the first and last pixel that belong to the box, so each side is one longer.

    >>> float(box_area([0, 0, 10, 10])), float(box_area([0, 0, 10, 10], plus_one=True))
    (100.0, 121.0)
    """
    boxes = _boxes("boxes_xyxy", boxes_xyxy)
    sides: Float64Array = np.maximum(boxes[..., 2:] - boxes[..., :2] + float(plus_one), 0.0)
    area: Float64Array = sides[..., 0] * sides[..., 1]
    return area


def elementwise_iou(boxes_a: npt.ArrayLike, boxes_b: npt.ArrayLike, plus_one: bool = False) -> Float64Array:
    """Return the IoU in [0, 1] of each box of `boxes_a` with the one at the same place in `boxes_b`.

    Args:
        boxes_a: (..., 4) xyxy pixels.
        boxes_b: (..., 4) xyxy pixels, of a shape that broadcasts with `boxes_a`.
        plus_one: as in box_area.

    Returns:
        (...) float64; two boxes without area have IoU 0.

    >>> elementwise_iou([[0, 0, 10, 10]], [[5, 0, 15, 10]]).round(3).tolist()
    [0.333]

    Raises:
        ValueError: a last axis is not 4 long.
    """
    first, second = _boxes("boxes_a", boxes_a), _boxes("boxes_b", boxes_b)
    corners = [np.maximum(first[..., :2], second[..., :2]), np.minimum(first[..., 2:], second[..., 2:])]
    overlap = box_area(np.concatenate(corners, axis=-1), plus_one)
    union = box_area(first, plus_one) + box_area(second, plus_one) - overlap
    return np.divide(overlap, union, out=np.zeros_like(union), where=union > 0)


def pairwise_iou(boxes_a: npt.ArrayLike, boxes_b: npt.ArrayLike, plus_one: bool = False) -> Float64Array:
    """Return the IoU in [0, 1] of every box of (N, 4) with every box of (M, 4), xyxy pixels, as (N, M) float64.

    >>> pairwise_iou([[0, 0, 2, 2]], [[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]]).round(3).tolist()
    [[1.0, 0.333, 0.0]]

    Raises:
        ValueError: an array is not (any, 4).
    """
    first, second = _boxes("boxes_a", boxes_a), _boxes("boxes_b", boxes_b)
    if first.ndim != 2 or second.ndim != 2:
        raise ValueError(f"boxes_a, boxes_b: expected shapes (N, 4) and (M, 4), got {first.shape} and {second.shape}")
    return elementwise_iou(first[:, None], second[None, :], plus_one)


def warn_of_fractions(where: object, boxes_xyxy: npt.ArrayLike) -> None:
    """Log a warning if boxes (N, 4) of `where`, a file, all lie in 0..1, as shares of a picture do; N may be 0."""
    boxes = _boxes("boxes_xyxy", boxes_xyxy)
    if boxes.size and boxes.max() <= 1:
        logger.warning("%s: expected boxes in pixels, found all coordinates in 0..1, as shares of the picture", where)


def _boxes(name: str, value: npt.ArrayLike) -> Float64Array:
    """Return `value` as float64 (..., 4); an empty list becomes (0, 4)."""
    boxes = np.asarray(value, dtype=np.float64)
    if boxes.shape == (0,):
        return boxes.reshape(0, 4)
    if boxes.ndim == 0 or boxes.shape[-1] != 4:
        raise ValueError(f"{name}: expected shape (..., 4), got {boxes.shape}")
    return boxes
