"""The fusion's ranking of one query's candidate tubes, and its choice."""

from dataclasses import dataclass

import numpy as np

from stvg.types import FloatArray, FrameSpan, IntArray, MomentMap, Query, Tube


@dataclass(frozen=True, slots=True, eq=False)
class RankedTube:
    """The values of one candidate tube.

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
class Ranking:
    """The candidates of one query in the order of the video's tubes, and what the fusion chose among them.

    `mode` ranked them: tube_mmn in place of two_stage where no tube meets the best moment. `chosen` is the index of
    the best tube, None in a video without tubes; `span` are the frames to answer and `score` is the prediction's: a
    sum of logs in joint, 0 without tubes.
    """

    query: Query
    mode: str
    moments: MomentMap
    tubes: tuple[RankedTube, ...]
    chosen: int | None
    span: FrameSpan
    score: float
