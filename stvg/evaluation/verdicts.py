"""What is wrong with an answer: the time, the person, the boxes. Pure NumPy.

vIoU is tIoU times the mean IoU of the boxes in the shared frames, so each problem looks at one factor of it.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from stvg.geometry.boxes import elementwise_iou
from stvg.geometry.spans import span_tiou
from stvg.types import FrameSpan, Tube

Problem = Literal["wrong_time", "wrong_person", "poor_box"]
PROBLEMS: tuple[Problem, ...] = get_args(Problem)
RIGHT_TIME = 0.5
"""tIoU that an answer must exceed: with less, no boxes can lift its vIoU over 0.5."""
SAME_PERSON = 0.3
"""Mean box IoU from which two tubes are taken for one person."""
GOOD_BOX = 0.5
"""Mean box IoU from which the boxes are good."""


def find_problems(truth: Tube, found: Tube, candidates: Sequence[Tube] = ()) -> tuple[Problem, ...]:
    """Return what is wrong with the answer `found`; several things can be, nothing is for a right one.

    - `wrong_time`: tIoU is at most RIGHT_TIME.
    - `wrong_person`: the mean box IoU is under SAME_PERSON.
    - `poor_box`: it is under GOOD_BOX, but the person is right.

    The mean box IoU is taken over the frames in which truth and answer both have a box. Where they share none, the
    candidate tube that the answer was cut from tells, if `candidates` has it; else the person stays open.
    """
    problems: list[Problem] = ["wrong_time"] if span_tiou(truth.span, found.span) <= RIGHT_TIME else []
    overlap = mean_box_iou(truth, found)
    if overlap is None and (origin := origin_of(found, candidates)) is not None:
        overlap = mean_box_iou(truth, origin)
        if overlap is not None and overlap >= SAME_PERSON:
            overlap = None  # the right person at another time: the boxes there are not the answer's
    if overlap is not None and overlap < GOOD_BOX:
        problems.append("wrong_person" if overlap < SAME_PERSON else "poor_box")
    return tuple(problems)


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
