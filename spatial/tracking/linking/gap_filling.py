"""Detections that nobody claimed, put into the gaps of the pieces whose path they lie on."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from spatial.tracking.linking.tracklets import Piece, chained
from stvg.geometry.boxes import pairwise_iou

_ROUNDS = 2
"""A filled gap is known better, so that more may fit."""


def refill(pieces: Sequence[Piece], least: int, min_iou: float) -> list[Piece]:
    """Return the pieces with detections of short ones moved into the gaps of long ones.

    Long pieces have at least `least` detections; the others give theirs away, one by one, to pieces of the same shot
    that last at that frame and have none there. In each frame one assignment by the IoU with the interpolated box,
    which must be `min_iou`. Weak detections on a person's path are likely the person, whom the tracker did not dare to
    follow.
    """
    long = [piece for piece in pieces if len(piece) >= least]
    short = [piece for piece in pieces if len(piece) < least]
    for _ in range(_ROUNDS):
        singles = [piece.take(slice(row, row + 1)) for piece in short for row in range(len(piece))]
        owners = _owners(long, singles, min_iou)
        if not owners:
            break
        gained: dict[int, list[Piece]] = {}
        for single, owner in owners.items():
            gained.setdefault(owner, []).append(singles[single])
        long = [chained([piece, *gained.get(index, [])]) for index, piece in enumerate(long)]
        short = _left(short, set(owners))
    return long + short


def _owners(long: Sequence[Piece], singles: Sequence[Piece], min_iou: float) -> dict[int, int]:
    """Return which of the pieces gets which of the single detections."""
    by_place: dict[tuple[int, int], list[int]] = {}
    for index, single in enumerate(singles):
        by_place.setdefault((single.shot, int(single.frames[0])), []).append(index)
    starts = np.array([piece.frames[0] for piece in long])
    ends = np.array([piece.frames[-1] for piece in long])
    shots = np.array([piece.shot for piece in long])
    taken = [set(piece.frames.tolist()) for piece in long]
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


def _left(short: Sequence[Piece], gone: set[int]) -> list[Piece]:
    """Return the pieces without the detections that went, numbered over all of them in order."""
    left: list[Piece] = []
    number = 0
    for piece in short:
        kept = np.array([index not in gone for index in range(number, number + len(piece))])
        number += len(piece)
        if kept.any():
            left.append(piece.take(kept))
    return left
