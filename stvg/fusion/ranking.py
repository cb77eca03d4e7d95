"""Why an answer came out as it did: the values by which the fusion ranked moments and tubes. Pure NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stvg.fusion.score_fusion import ScoreFusion, choose_tube, joint_scores
from stvg.interfaces import MomentLocalizer, TubeMatcher
from stvg.types import FloatArray, FrameSpan, IntArray, MomentMap, Prediction, PreparedVideo, Query, Tube, TubeMap


@dataclass(frozen=True, slots=True, eq=False)
class TubeReading:
    """What the fusion read off one candidate tube.

    `spans` (K, 2) int64 frames inside the tube; `values` (K,) float32, by which the mode ranks: iou x (0.5 contrastive
    + 0.5)^p in two_stage, the weighted geometric mean of the three scores in joint, iou x contrastive in tube_mmn.
    `score` ranks the tube: in two_stage its value at the chosen moment, None if it does not meet it; else its best
    cell's.
    """

    tube: Tube
    spans: IntArray
    values: FloatArray
    score: float | None

    def over_time(self) -> FloatArray:
        """Return, for each frame of the tube, (T,) float32, the value of the best cell that contains it, at least 0."""
        best = np.zeros(self.tube.span.length, dtype=np.float32)
        for (start, stop), value in zip(self.spans - self.tube.start_frame, self.values, strict=True):
            np.maximum(best[start:stop], value, out=best[start:stop])
        return best


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """The moment map, and a reading of each candidate tube in the order of the video's tubes."""

    mode: str
    moments: MomentMap
    tubes: tuple[TubeReading, ...]


@dataclass(frozen=True)
class Explainer:
    """Answers as stvg.pipeline.Grounder does, and says why."""

    localizer: MomentLocalizer
    matcher: TubeMatcher
    fusion: ScoreFusion

    def __call__(self, query: Query, video: PreparedVideo) -> tuple[Prediction, Explanation]:
        """Return the answer to a query of this video, and the values behind it."""
        (moments,), (maps,) = self.localizer.localize([query], video), self.matcher.match([query], video)
        prediction = self.fusion.fuse(query, video, moments, maps)
        return prediction, explain(self.fusion, moments, maps, video.tubes)


def explain(fusion: ScoreFusion, moments: MomentMap, maps: Sequence[TubeMap], tubes: Sequence[Tube]) -> Explanation:
    """Return the values by which `fusion` chose among `tubes` and their `maps`."""
    span = FrameSpan(*moments.spans[int(np.argmax(moments.scores))].tolist())
    mode = fusion.mode
    if mode == "two_stage" and tubes and choose_tube(span, maps, tubes) is None:
        mode = "tube_mmn"  # no tube meets the moment: the fusion falls back to the tubes' own maps
    readings = []
    for tube, tube_map in zip(tubes, maps, strict=True):
        values = _values(mode, fusion, moments, tube_map)
        if mode == "two_stage":
            choice = choose_tube(span, [tube_map], [tube], fusion.contrastive_power)
            score = None if choice is None else choice[2]
        else:
            score = float(values.max()) if len(values) else None
        readings.append(TubeReading(tube, tube_map.spans, values, score))
    return Explanation(mode, moments, tuple(readings))


def _values(mode: str, fusion: ScoreFusion, moments: MomentMap, tube_map: TubeMap) -> FloatArray:
    if mode == "two_stage":
        fit: FloatArray = tube_map.iou * (0.5 * tube_map.contrastive + 0.5) ** fusion.contrastive_power
        return fit
    if mode == "tube_mmn":
        return tube_map.iou * tube_map.contrastive
    weights = fusion.weights
    total = weights.moment + weights.iou + weights.contrastive
    means: FloatArray = np.exp(joint_scores(moments, tube_map, weights) / np.float32(total or 1.0))
    return means
