"""Fuse a moment map and the tubes' maps into one prediction.

Pure NumPy and SciPy. Three modes, one code path after the choice of (tube, span):

- `two_stage`: the moment map's best span; in it the tube whose map scores best there.
- `joint`: for every cell of every tube the weighted sum of the logs of the moment score, the tube's iou score and
  its contrastive score (as 0.5 c + 0.5); the best cell.
- `tube_mmn`: the tubes' own maps alone, iou x contrastive, as the challenge's winner did.

Special cases, each answered by a valid prediction:

- ties: the tube listed first, then the cell listed first;
- the chosen tube covers the span only in part: boxes are held at the tube's ends for at most `max_extrapolation`
  frames, the span is cut to what is then covered;
- the span meets no tube at all (two_stage): the best cell of all tubes, as tube_mmn;
- no tube at all: a centre box of CENTRE_BOX of the frame over the whole span of the moment map, score 0.

With `smoothing` the chosen tube's boxes are averaged over time before it is cut to the span. An average of boxes lies
inside their hull, so the answer stays valid: one box per frame, with area, inside the image.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from stvg.config import STRICT, NotNegative, WholeNumber, parse_config
from stvg.errors import InputError
from stvg.fusion.ranking import RankedTube, Ranking
from stvg.geometry.spans import pairwise_tiou
from stvg.geometry.tubes import centre_tube, cover, smooth
from stvg.io.files import read_json
from stvg.types import FloatArray, FrameSpan, MomentMap, Prediction, PreparedVideo, Query, Tube, TubeMap

_TINY = 1e-6
_SHARPNESS = 4


@dataclass(frozen=True, config=STRICT)
class JointWeights:
    """Weights of the three log scores in `joint`; found on val by `fit_joint_weights`."""

    moment: NotNegative = 1.0
    iou: NotNegative = 1.0
    contrastive: NotNegative = 1.0


Mode = Literal["two_stage", "joint", "tube_mmn"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, config=STRICT)
class FusionConfig:
    """How both stages are joined."""

    mode: Mode = "two_stage"
    weights: JointWeights | None = None
    """Of the joint mode; None: those fitted on val, kept in output.root/fusion.json."""
    contrastive_power: float = Field(default=1.0, ge=0, le=1000)
    """p of iou x (0.5 contrastive + 0.5)^p, by which two_stage ranks the tubes at a span."""
    max_extrapolation: WholeNumber = 10
    """Frames that a tube may be held beyond its first and last box to fill the span."""
    smoothing: float = Field(default=0.0, ge=0.0, le=1000.0)
    """Standard deviation, in frames, of the Gaussian window over the chosen tube's boxes; 0: boxes as they are."""


class ScoreFusion:
    """stvg.interfaces.Fusion over the scores of both stages.

    `weights` are those of the joint mode; `config.weights` is not read.
    """

    def __init__(self, config: FusionConfig, weights: JointWeights) -> None:
        self.config = config
        self.weights = weights

    def fuse(self, query: Query, video: PreparedVideo, moments: MomentMap, maps: Sequence[TubeMap]) -> Prediction:
        """Return the prediction for one query (see the module's text for the special cases)."""
        return self.predict(self.rank(query, video, moments, maps), video)

    def rank(self, query: Query, video: PreparedVideo, moments: MomentMap, maps: Sequence[TubeMap]) -> Ranking:
        """Return all candidates of `video` with their values, and which tube and span are best."""
        moment = FrameSpan(*moments.spans[int(np.argmax(moments.scores))].tolist())
        if not video.tubes:
            return Ranking(query, self.config.mode, moments, (), None, moment, 0.0)
        if self.config.mode == "joint":
            return self._rank_jointly(query, video.tubes, moments, maps)
        if self.config.mode == "two_stage":
            ranked = self._rank_at(moment, video.tubes, maps)
            scores = [-np.inf if one.score is None else one.score for one in ranked]
            chosen = int(np.argmax(scores))
            if scores[chosen] > -np.inf:
                return Ranking(query, "two_stage", moments, ranked, chosen, moment, scores[chosen])
        values = [tube_map.iou * tube_map.contrastive for tube_map in maps]
        choice = choose_cell(maps, values)
        return Ranking(query, "tube_mmn", moments, _by_best_cell(video.tubes, maps, values), *choice)

    def predict(self, ranking: Ranking, video: PreparedVideo) -> Prediction:
        """Return the answer that a ranking of the candidates of `video` gives."""
        if ranking.chosen is None:
            tube = centre_tube(video.meta, ranking.span)
        else:
            tube = self.cover(video.tubes[ranking.chosen], ranking.span)
        return Prediction(ranking.query.query_id, ranking.query.video_id, tube, ranking.score)

    def cover(self, tube: Tube, span: FrameSpan) -> Tube:
        """Return the candidate as it is answered over `span`: smoothed, held and cut; see smooth and cover."""
        return cover(smooth(tube, self.config.smoothing), span, self.config.max_extrapolation)

    def reaches(self, tube: Tube, span: FrameSpan) -> bool:
        """Tell whether the candidate, held at its ends, has a frame in `span`."""
        held = self.config.max_extrapolation
        return tube.span.start - held < span.stop and span.start < tube.span.stop + held

    def _rank_at(self, moment: FrameSpan, tubes: Sequence[Tube], maps: Sequence[TubeMap]) -> tuple[RankedTube, ...]:
        """Return the tubes by how well each fits the sentence inside `moment`.

        A tube's score is the mean of iou x (0.5 contrastive + 0.5)^p over its cells, weighted by the _SHARPNESS-th
        power of their tIoU with the moment: the cells nearest to it decide.
        """
        ranked = []
        for tube, tube_map in zip(tubes, maps, strict=True):
            fit = tube_map.iou * (0.5 * tube_map.contrastive + 0.5) ** self.config.contrastive_power
            score = None
            if min(moment.stop, tube.span.stop) > max(moment.start, tube.span.start):
                near = pairwise_tiou(tube_map.spans, np.array([[moment.start, moment.stop]]))[:, 0] ** _SHARPNESS
                score = float(np.average(fit, weights=near + _TINY))
            ranked.append(RankedTube(tube, tube_map.spans, fit, score))
        return tuple(ranked)

    def _rank_jointly(
        self, query: Query, tubes: Sequence[Tube], moments: MomentMap, maps: Sequence[TubeMap]
    ) -> Ranking:
        """Return the ranking by joint_scores; as values stand the means of the three scores that they belong to."""
        logs = [joint_scores(moments, tube_map, self.weights) for tube_map in maps]
        total = self.weights.moment + self.weights.iou + self.weights.contrastive
        means: list[FloatArray] = [np.exp(one / np.float32(total or 1.0)) for one in logs]
        return Ranking(query, "joint", moments, _by_best_cell(tubes, maps, means), *choose_cell(maps, logs))


def _by_best_cell(
    tubes: Sequence[Tube], maps: Sequence[TubeMap], values: Sequence[FloatArray]
) -> tuple[RankedTube, ...]:
    """Return the tubes, each scored by the highest of its own values, None without cells."""
    return tuple(
        RankedTube(tube, tube_map.spans, own, float(own.max()) if len(own) else None)
        for tube, tube_map, own in zip(tubes, maps, values, strict=True)
    )


def joint_scores(moments: MomentMap, tube_map: TubeMap, weights: JointWeights) -> FloatArray:
    """Return the joint log score (K,) float32 of each cell of a tube's map."""
    return weigh(joint_logs(moments, tube_map), weights)


def joint_logs(moments: MomentMap, tube_map: TubeMap) -> FloatArray:
    """Return the logs of joint_terms, (K, 3) float32."""
    return np.log(np.maximum(joint_terms(moments, tube_map), _TINY))


def weigh(logs: FloatArray, weights: JointWeights) -> FloatArray:
    """Return the weighted sums (K,) float32 of `logs` (K, 3)."""
    sums: FloatArray = logs @ np.array([weights.moment, weights.iou, weights.contrastive], dtype=np.float32)
    return sums


def joint_terms(moments: MomentMap, tube_map: TubeMap) -> FloatArray:
    """Return (K, 3) float32 in [0, 1]: the moment score at each cell of a tube's map, its iou, 0.5 contrastive + 0.5.

    The moment score at a span is the largest tIoU(span, moment) x score over the moment map.
    """
    at_cells = np.zeros(len(tube_map.spans), dtype=np.float32)
    if len(tube_map.spans):
        at_cells = (pairwise_tiou(tube_map.spans, moments.spans) * moments.scores).max(axis=1)
    return np.stack([at_cells, tube_map.iou, 0.5 * tube_map.contrastive + 0.5], axis=1).astype(np.float32)


def choose_cell(maps: Sequence[TubeMap], scores: Sequence[FloatArray]) -> tuple[int, FrameSpan, float]:
    """Return (tube index, span, score) of the best cell of all tubes; the first tube and cell on ties."""
    best = [float(values.max()) if len(values) else -np.inf for values in scores]
    index = int(np.argmax(best))
    cell = int(np.argmax(scores[index]))
    return index, FrameSpan(*maps[index].spans[cell].tolist()), best[index]


def read_fitted_weights(path: Path) -> JointWeights | None:
    """Return the weights written at `path`, None where there are none.

    Raises:
        InputError: the file is not of that form.
    """
    if not path.is_file():
        return None
    found = read_json(path)
    if not isinstance(found, dict) or "weights" not in found:
        raise InputError(f"{path}: expected fitted weights as stvg train writes them, found none")
    return parse_config(JointWeights, found["weights"], str(path))
