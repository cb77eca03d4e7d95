"""Check, clip, filter and suppress the raw boxes of detectors."""

import numpy as np
import numpy.typing as npt
from pydantic.dataclasses import dataclass

from stvg.config import STRICT, NotNegative, Share
from stvg.errors import InputError
from stvg.types import Detections, IntArray, VideoMeta


@dataclass(frozen=True, config=STRICT, kw_only=True)
class BoxFilterConfig:
    """Which of a detector's boxes are kept: what the configs of all detectors share."""

    threshold: Share = 0.2
    """Least score of a person, in [0, 1]; the tracker starts tracks only from its own, higher one."""
    min_side: NotNegative = 8.0
    """Least width and height of a person, in pixels of the original video."""


def clean_detections(
    frame: int, boxes_xyxy: npt.ArrayLike, scores: npt.ArrayLike, meta: VideoMeta, *, source: str, keep: BoxFilterConfig
) -> Detections:
    """Return the usable ones of raw detections, strongest first.

    `boxes_xyxy` (N, 4) pixels of the original video and `scores` (N,) in [0, 1] become float32; boxes are clipped to
    the picture and then dropped where a side is under `keep.min_side` pixels or the score under `keep.threshold`.
    `source` names the detector in errors.

    Raises:
        InputError: a box or a score that is not finite.
    """
    boxes = np.asarray(boxes_xyxy, dtype=np.float32).reshape(-1, 4)
    values = np.asarray(scores, dtype=np.float32).reshape(-1)
    for name, array in (("boxes", boxes), ("scores", values)):
        if not np.isfinite(array).all():
            raise InputError(f"{meta.path}: frame {frame}: expected finite {name} from {source}, got NaN or infinity")
    boxes = boxes.clip(0, np.array([meta.width, meta.height] * 2, dtype=np.float32))
    kept = (values >= keep.threshold) & ((boxes[:, 2:] - boxes[:, :2]) >= keep.min_side).all(axis=1)
    order = np.flatnonzero(kept)[np.argsort(-values[kept], kind="stable")]
    return Detections(frame, boxes[order], values[order].clip(0, 1))


def suppress(boxes_xyxy: npt.ArrayLike, scores: npt.ArrayLike, max_iou: float) -> IntArray:
    """Return the indices that greedy non-maximum suppression keeps, strongest first.

    A box falls where its IoU with a stronger kept one is over `max_iou`. `boxes_xyxy` (N, 4), `scores` (N,).

    >>> suppress([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]], [0.8, 0.9, 0.5], 0.6)
    array([1, 2])
    """
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    sizes = boxes[:, 2:] - boxes[:, :2]
    areas = sizes.prod(axis=1)
    left = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    kept: list[int] = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        shared = np.minimum(boxes[best, 2:], boxes[left, 2:]) - np.maximum(boxes[best, :2], boxes[left, :2])
        overlap = shared.clip(0).prod(axis=1)
        left = left[overlap <= max_iou * (areas[best] + areas[left] - overlap)]
    return np.array(kept, dtype=np.int64)
