"""Fill the gaps of tracklets with unassigned detections on their path."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from spatial.tracking.linking.tracklets import Tracklet, chained
from stvg.geometry.boxes import pairwise_iou

_ROUNDS = 2
"""Number of passes: a partly filled gap is interpolated better, so that further detections may fit."""


def refill(tracklets: Sequence[Tracklet], least: int, min_iou: float) -> list[Tracklet]:
    """Return the tracklets with detections of short ones moved into the gaps of long ones.

    Long tracklets have at least `least` detections. Those of the others are assigned, one by one, to long tracklets of
    the same shot that last at that frame and have no detection there: in each frame one assignment by the IoU with the
    interpolated box, which must be at least `min_iou`. Weak detections on a person's path are likely the person.
    """
    long = [tracklet for tracklet in tracklets if len(tracklet) >= least]
    short = [tracklet for tracklet in tracklets if len(tracklet) < least]
    for _ in range(_ROUNDS):
        singles = [tracklet.take(slice(row, row + 1)) for tracklet in short for row in range(len(tracklet))]
        owners = _owners(long, singles, min_iou)
        if not owners:
            break
        gained: dict[int, list[Tracklet]] = {}
        for single, owner in owners.items():
            gained.setdefault(owner, []).append(singles[single])
        long = [chained([tracklet, *gained.get(index, [])]) for index, tracklet in enumerate(long)]
        short = _left(short, set(owners))
    return long + short


def _owners(long: Sequence[Tracklet], singles: Sequence[Tracklet], min_iou: float) -> dict[int, int]:
    """Return the index in `long` of the tracklet that each assigned detection goes to, by its index in `singles`."""
    by_place: dict[tuple[int, int], list[int]] = {}
    for index, single in enumerate(singles):
        by_place.setdefault((single.shot, int(single.frames[0])), []).append(index)
    starts = np.array([tracklet.frames[0] for tracklet in long])
    ends = np.array([tracklet.frames[-1] for tracklet in long])
    shots = np.array([tracklet.shot for tracklet in long])
    taken = [set(tracklet.frames.tolist()) for tracklet in long]
    owners: dict[int, int] = {}
    for (shot, frame), free in by_place.items():
        lasting = np.flatnonzero((starts < frame) & (frame < ends) & (shots == shot)).tolist()
        wanting = [index for index in lasting if frame not in taken[index]]
        if not wanting:
            continue
        expected = np.concatenate([long[index].boxes_at(np.array([frame])) for index in wanting])
        iou = pairwise_iou(expected, np.concatenate([singles[index].boxes_xyxy for index in free]))
        iou[iou < min_iou] = 0.0
        for row, column in zip(*linear_sum_assignment(iou, maximize=True), strict=True):
            if iou[row, column] > 0:
                owners[free[column]] = wanting[row]
    return owners


def _left(short: Sequence[Tracklet], gone: set[int]) -> list[Tracklet]:
    """Return the tracklets without the detections `gone`, numbered over all of them in order."""
    left: list[Tracklet] = []
    number = 0
    for tracklet in short:
        kept = np.array([index not in gone for index in range(number, number + len(tracklet))])
        number += len(tracklet)
        if kept.any():
            left.append(tracklet.take(kept))
    return left
