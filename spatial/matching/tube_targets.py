"""Compute the targets of the MMN over tubes.

A cell's target is the spatio-temporal IoU of its part of the tube with the true tube.

Source: `moment_to_stiou2d` and `iou3dt` of atao99/MMN-STVG (tan/data/datasets/utils.py, iou3dt.py).
"""

from typing import Literal

import numpy as np

from stvg.geometry.boxes import elementwise_iou
from stvg.types import Floats, Tube
from temporal.mmn.moment_map import cell_spans_frames

PixelOffset = Literal[0, 1]
"""Pixels added to x2 - x1 and y2 - y1: 0 for half-open boxes (ours), 1 for inclusive ones (the official code's)."""


def tube_targets(tube: Tube, truth: Tube, num_clips: int, pixel_offset: PixelOffset = 0) -> Floats:
    """Return the (N, N) float64 targets of `tube`; see tube_iou_map."""
    return tube_iou_map(
        tube.start_frame,
        tube.boxes_xyxy.astype(np.float64),
        truth.start_frame,
        truth.boxes_xyxy.astype(np.float64),
        num_clips,
        pixel_offset,
    )


def tube_iou_map(
    start: int,
    boxes_xyxy: Floats,
    truth_start: int,
    truth_boxes_xyxy: Floats,
    num_clips: int,
    pixel_offset: PixelOffset,
) -> Floats:
    """Return, for each cell [i, j] of a tube's N x N map, the spatio-temporal IoU with the true tube, in [0, 1].

    The tube has `boxes_xyxy` (T, 4) in the frames from `start` on, the truth likewise. The cell's frames are
    round(i / N * T) to round((j + 1) / N * T), exclusive. Its IoU is that of the frames (over their hull) times the
    mean box IoU in the common ones; 0 where either is empty. All N * N cells are filled; those off the mask mean
    nothing.

    >>> boxes = np.tile([0.0, 0.0, 10.0, 10.0], (4, 1))
    >>> tube_iou_map(0, boxes, 2, boxes, 2, 0).round(3).tolist()
    [[0.0, 0.333], [0.0, 0.5]]
    """
    cells = np.indices((num_clips, num_clips)).reshape(2, -1).T
    spans = cell_spans_frames(cells, num_clips, len(boxes_xyxy)) + start
    truth_stop = truth_start + len(truth_boxes_xyxy)
    common_start = np.maximum(spans[:, 0], truth_start)
    common_stop = np.minimum(spans[:, 1], truth_stop)
    common = common_stop - common_start
    valid = (spans[:, 0] < spans[:, 1]) & (common > 0)
    hull = np.maximum(spans[:, 1], truth_stop) - np.minimum(spans[:, 0], truth_start)

    sums = _sums_of_box_iou(start, boxes_xyxy, truth_start, truth_boxes_xyxy, pixel_offset)
    starts, stops = np.where(valid, common_start, start) - start, np.where(valid, common_stop, start) - start
    ious: Floats = np.where(valid, (sums[stops] - sums[starts]) / np.maximum(hull, 1), 0.0)
    return ious.reshape(num_clips, num_clips)


def _sums_of_box_iou(start: int, boxes: Floats, truth_start: int, truth: Floats, pixel_offset: int) -> Floats:
    """Return (T + 1,) sums of the box IoU with the truth over the tube's first frames; 0 in frames without truth.

    Mean over n common frames times n / hull, as a cell's IoU is, is a difference of two such sums over the hull.
    """
    ious = np.zeros(len(boxes) + 1)
    first, stop = max(start, truth_start), min(start + len(boxes), truth_start + len(truth))
    if first < stop:
        pair = boxes[first - start : stop - start], truth[first - truth_start : stop - truth_start]
        ious[first - start + 1 : stop - start + 1] = elementwise_iou(*pair, plus_one=bool(pixel_offset))
    sums: Floats = np.cumsum(ious)
    return sums
