"""What is wrong with an answer: the time, the person, the boxes. Pure NumPy.

vIoU is tIoU times the mean IoU of the boxes in the shared frames, so each problem looks at one factor of it.
"""

from collections.abc import Sequence
from typing import Literal, get_args

from stvg.geometry.spans import span_tiou
from stvg.geometry.tubes import GOOD_BOX, mean_box_iou, origin_of
from stvg.types import Tube

Problem = Literal["wrong_time", "wrong_person", "poor_box"]
PROBLEMS: tuple[Problem, ...] = get_args(Problem)
RIGHT_TIME = 0.5
"""tIoU that an answer must exceed: with less, no boxes can lift its vIoU over 0.5."""
SAME_PERSON = 0.3
"""Mean box IoU from which two tubes are taken for one person."""


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
