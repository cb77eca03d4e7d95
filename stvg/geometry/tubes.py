"""Arithmetic on tubes: interpolate, hold, cover, smooth, compare."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from stvg.geometry.boxes import elementwise_iou
from stvg.types import FrameSpan, IntArray, Tube, VideoMeta


def interpolate_tube(tube_id: int, frames: npt.ArrayLike, boxes_xyxy: npt.ArrayLike, scores: npt.ArrayLike) -> Tube:
    """Return a gap-free tube through boxes at some frames, linear in between, where `observed` is false.

    `frames` (N,) increasing numbers, `boxes_xyxy` (N, 4), `scores` (N,).

    >>> tube = interpolate_tube(0, [10, 12], [[0, 0, 4, 8], [2, 0, 6, 8]], [1, 0.5])
    >>> tube.boxes_xyxy[1].tolist(), tube.observed.tolist()
    ([1.0, 0.0, 5.0, 8.0], [True, False, True])
    """
    known = np.asarray(frames, dtype=np.int64)
    wanted = np.arange(known[0], known[-1] + 1)
    columns = np.column_stack([np.asarray(boxes_xyxy, dtype=np.float64), np.asarray(scores, dtype=np.float64)])
    filled = np.column_stack([np.interp(wanted, known, column) for column in columns.T])
    return Tube(tube_id, int(known[0]), filled[:, :4], filled[:, 4], np.isin(wanted, known))


def hold(tube: Tube, start: int, stop: int) -> Tube:
    """Return the tube with its first and last box held over all of [start, stop)."""
    around = tube.start_frame - start, stop - tube.span.stop
    return Tube(
        tube.tube_id,
        start,
        np.pad(tube.boxes_xyxy, (around, (0, 0)), mode="edge"),
        np.pad(tube.scores, around, mode="edge"),
        np.pad(tube.observed, around, constant_values=False),
    )


def box_overlap(tube: Tube, truth: Tube) -> float:
    """Return the sum of the box IoUs with `truth` over its frames, divided by their number: vIoU at the true span."""
    start, stop = max(tube.span.start, truth.span.start), min(tube.span.stop, truth.span.stop)
    if start >= stop:
        return 0.0
    common = FrameSpan(start, stop)
    return float(elementwise_iou(tube.crop(common).boxes_xyxy, truth.crop(common).boxes_xyxy).sum()) / truth.span.length


GOOD_BOX = 0.5
"""Mean box IoU from which the boxes of a tube count as good."""


def mean_box_iou(a: Tube, b: Tube) -> float | None:
    """Return the mean IoU in [0, 1] of the boxes in the frames that both tubes cover, None if there are none."""
    start, stop = max(a.span.start, b.span.start), min(a.span.stop, b.span.stop)
    if start >= stop:
        return None
    shared = FrameSpan(start, stop)
    return float(np.mean(elementwise_iou(a.crop(shared).boxes_xyxy, b.crop(shared).boxes_xyxy)))


def origin_of(found: Tube, candidates: Sequence[Tube]) -> Tube | None:
    """Return the candidate that `found` was cut from: the one on which it lies, by mean box IoU; None if on none."""
    overlaps = [mean_box_iou(found, tube) or 0.0 for tube in candidates]
    best = int(np.argmax(overlaps)) if overlaps else 0
    return candidates[best] if overlaps and overlaps[best] > GOOD_BOX else None


CENTRE_BOX = (1 / 3, 1 / 6, 2 / 3, 5 / 6)
"""Left, top, right, bottom of the answer for videos without tubes, as shares of width and height."""


def cover(tube: Tube, span: FrameSpan, max_extrapolation: int) -> Tube:
    """Return the tube over `span`, its first and last box held for at most `max_extrapolation` frames beyond its ends.

    Held boxes are not `observed`. What is still not covered is cut from the span.
    """
    start = max(span.start, tube.span.start - max_extrapolation)
    stop = min(span.stop, tube.span.stop + max_extrapolation)
    wanted: IntArray = np.arange(start, stop)
    inside = (wanted >= tube.span.start) & (wanted < tube.span.stop)
    rows = np.clip(wanted, tube.span.start, tube.span.stop - 1) - tube.span.start
    return Tube(tube.tube_id, start, tube.boxes_xyxy[rows], tube.scores[rows], tube.observed[rows] & inside)


def smooth(tube: Tube, deviation: float) -> Tube:
    """Return the tube with its boxes averaged by a Gaussian window of `deviation` frames; 0 leaves them as they are.

    Beyond its ends the tube is taken to stand still at its first and last box, so it keeps its frames.
    """
    if deviation == 0:
        return tube
    boxes = gaussian_filter1d(tube.boxes_xyxy.astype(np.float64), deviation, axis=0, mode="nearest")
    return Tube(tube.tube_id, tube.start_frame, boxes, tube.scores, tube.observed)


def centre_tube(meta: VideoMeta, span: FrameSpan) -> Tube:
    """Return a tube of CENTRE_BOX over `span`, the answer for a video in which nobody was found."""
    box = np.array(CENTRE_BOX) * [meta.width, meta.height, meta.width, meta.height]
    return Tube(
        0,
        span.start,
        np.tile(box, (span.length, 1)),
        np.zeros(span.length, dtype=np.float32),
        np.zeros(span.length, dtype=bool),
    )


def shift_tube(tube: Tube, start: int) -> Tube:
    """Return the tube in frames counted from `start` on."""
    return replace(tube, start_frame=tube.start_frame - start)
