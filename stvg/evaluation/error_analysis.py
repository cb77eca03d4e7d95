"""Where the error comes from: 1 - vIoU of each answer, split exactly into four causes.

An answer is a span and a candidate tube. Both are replaced by the best there is, one at a time:

- `v(span, tube)`: the answer as it was given;
- `v(true span, tube)`: its tube over the true span;
- `v(span, best)`: the candidate that does best over its span;
- `v(true span, best)`: the candidate that does best over the true span, the most that choosing can reach.

What the span is worth depends on the tube and the other way round, so each gets the mean of its two gains, before and
after the other is replaced (the Shapley value of two players):

- wrong time = 1/2 [v(true span, tube) - v(span, tube)] + 1/2 [v(true span, best) - v(span, best)]
- wrong person = 1/2 [v(span, best) - v(span, tube)] + 1/2 [v(true span, best) - v(true span, tube)]

What is left, 1 - v(true span, best), no choice can mend. It goes to the frames of the true span in which the best
candidate does not touch the true box (no candidate) and to the boxes of the others (poor box). The four add up to
1 - vIoU, and none is negative: each replacement can only add overlap.

Both replacements go through the same fusion, so tubes are held and smoothed as in the answer. vIoU is the official
one. The video without tubes has one candidate, the centre box.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np

from stvg.evaluation.metrics import bootstrap_interval, official
from stvg.fusion.score_fusion import ScoreFusion
from stvg.geometry.boxes import elementwise_iou
from stvg.geometry.tubes import centre_tube
from stvg.types import FrameSpan, Prediction, PreparedVideo, Tube


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


def error_shares(truth: Tube, prediction: Prediction, video: PreparedVideo, fusion: ScoreFusion) -> ErrorShares:
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


def _viou(truth: Tube, candidate: Tube, span: FrameSpan, fusion: ScoreFusion) -> float:
    """Return the vIoU of a candidate answered over `span`, 0 where none of it can be."""
    return official(truth, fusion.cover(candidate, span))[1] if _reaches(candidate, span, fusion) else 0.0


def _losses(truth: Tube, candidate: Tube, fusion: ScoreFusion) -> tuple[int, float]:
    """Return the number of true frames in which the candidate touches the true box, and the sum of 1 - IoU in them."""
    if not _reaches(candidate, truth.span, fusion):
        return 0, 0.0
    answer = fusion.cover(candidate, truth.span)
    ious = elementwise_iou(answer.boxes_xyxy, truth.crop(answer.span).boxes_xyxy)
    return int((ious > 0).sum()), float((1 - ious[ious > 0]).sum())


def _reaches(candidate: Tube, span: FrameSpan, fusion: ScoreFusion) -> bool:
    """Tell whether the candidate, held at its ends, has a frame in `span`."""
    held = fusion.max_extrapolation
    return candidate.span.start - held < span.stop and span.start < candidate.span.stop + held
