"""Split 1 - vIoU of an answer into causes; name its problems.

An answer is a span and a candidate tube. Both are replaced by the best there is, one at a time:

- `v(span, tube)`: the answer as it was given;
- `v(true span, tube)`: its tube over the true span;
- `v(span, best)`: the candidate that does best over its span;
- `v(true span, best)`: the candidate that does best over the true span, the most that choosing can reach.

What the span is worth depends on the tube and the other way round, so each gets the mean of its two gains, before and
after the other is replaced (the Shapley value of two players):

- wrong time = 1/2 [v(true span, tube) - v(span, tube)] + 1/2 [v(true span, best) - v(span, best)]
- wrong person = 1/2 [v(span, best) - v(span, tube)] + 1/2 [v(true span, best) - v(true span, tube)]

The rest, 1 - v(true span, best), is beyond any choice of span and tube. It divides into the frames of the true span in
which the best candidate does not touch the true box (no candidate) and the boxes of the others (poor box). The four
add up to 1 - vIoU, and none is negative: each replacement can only add overlap.

Both replacements go through the same fusion, so tubes are held and smoothed as in the answer. vIoU is the official
one. The video without tubes has one candidate, the centre box.

`find_problems` names what is wrong with an answer by thresholds, for the report page. Pure NumPy.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Literal, get_args

import numpy as np

from stvg.evaluation.bootstrap import bootstrap_interval
from stvg.evaluation.metrics import official
from stvg.geometry.boxes import elementwise_iou
from stvg.geometry.spans import span_tiou
from stvg.geometry.tubes import GOOD_BOX, centre_tube, mean_box_iou, origin_of
from stvg.interfaces import Fusion
from stvg.types import FrameSpan, Prediction, PreparedVideo, Tube

Problem = Literal["wrong_time", "wrong_person", "poor_box"]
PROBLEMS: tuple[Problem, ...] = get_args(Problem)
RIGHT_TIME = 0.5
"""tIoU that an answer must exceed; at or below it vIoU cannot exceed 0.5, however good the boxes."""
SAME_PERSON = 0.3
"""Mean box IoU from which two tubes count as the same person."""


@dataclass(frozen=True, slots=True)
class ErrorShares:
    """What each cause takes from a vIoU of 1, fractions in [0, 1]; with `viou` itself they add up to 1."""

    viou: float
    wrong_time: float
    wrong_person: float
    no_candidate: float
    poor_box: float


CAUSES = tuple(item.name for item in fields(ErrorShares) if item.name != "viou")


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """The mean `shares` of one mode's trained parts over `num_queries`.

    `intervals` are the bootstrap 95 % intervals (low, high) of the CAUSES, in their order.
    """

    mode: str
    num_queries: int
    shares: ErrorShares
    intervals: tuple[tuple[float, float], ...]

    @property
    def causes(self) -> tuple[float, ...]:
        """The mean shares of the CAUSES, in their order."""
        return astuple(self.shares)[1:]

    def to_json(self) -> dict[str, object]:
        """Return the budget as the plain data of errors.json."""
        causes = dict(zip(CAUSES, self.causes, strict=True))
        intervals = {f"{name}_ci": list(pair) for name, pair in zip(CAUSES, self.intervals, strict=True)}
        return {
            "temporal": "mmn",
            "spatial": "matcher",
            "mode": self.mode,
            "num_queries": self.num_queries,
            "m_viou": self.shares.viou,
            **causes,
            **intervals,
        }


def error_budget(mode: str, shares: Sequence[ErrorShares], seed: int) -> ErrorBudget:
    """Return the means of the queries' shares, of at least one query."""
    values = np.array([astuple(one) for one in shares])
    intervals = tuple(bootstrap_interval(column, seed) for column in values.T[1:])
    return ErrorBudget(mode, len(shares), ErrorShares(*values.mean(axis=0).tolist()), intervals)


def error_shares(truth: Tube, prediction: Prediction, video: PreparedVideo, fusion: Fusion) -> ErrorShares:
    """Return what takes the prediction's vIoU from 1; `fusion` made it from the candidates of `video`."""
    candidates = video.tubes or (centre_tube(video.meta, FrameSpan(0, video.meta.num_frames)),)
    chosen = next(tube for tube in candidates if tube.tube_id == prediction.tube.tube_id)
    given = official(truth, prediction.tube)[1]
    in_time = _viou(truth, chosen, truth.span, fusion)
    best_there = max(_viou(truth, tube, prediction.tube.span, fusion) for tube in candidates)
    best = max(candidates, key=lambda tube: _viou(truth, tube, truth.span, fusion))
    limit = _viou(truth, best, truth.span, fusion)
    touched, lost = _losses(truth, best, fusion)
    return ErrorShares(
        viou=given,
        wrong_time=((in_time - given) + (limit - best_there)) / 2,
        wrong_person=((best_there - given) + (limit - in_time)) / 2,
        no_candidate=1 - touched / truth.span.length,
        poor_box=lost / truth.span.length,
    )


def _viou(truth: Tube, candidate: Tube, span: FrameSpan, fusion: Fusion) -> float:
    """Return the vIoU of a candidate answered over `span`, 0 where none of it can be."""
    return official(truth, fusion.cover(candidate, span))[1] if fusion.reaches(candidate, span) else 0.0


def _losses(truth: Tube, candidate: Tube, fusion: Fusion) -> tuple[int, float]:
    """Return the number of true frames in which the candidate touches the true box, and the sum of 1 - IoU in them."""
    if not fusion.reaches(candidate, truth.span):
        return 0, 0.0
    answer = fusion.cover(candidate, truth.span)
    ious = elementwise_iou(answer.boxes_xyxy, truth.crop(answer.span).boxes_xyxy)
    return int((ious > 0).sum()), float((1 - ious[ious > 0]).sum())


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
