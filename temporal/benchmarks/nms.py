"""Rank the cells of score maps by non-maximum suppression.

Which cells overlap does not depend on the video, so it is worked out once per grid. Source: `nms` and `evaluate` of
MCG-NJU/MMN (mmn/data/datasets/evaluation.py); the same moments come out, without its loop over candidates.
"""

import numpy as np
import numpy.typing as npt

from stvg.types import BoolArray, Floats, IntArray
from temporal.mmn.moment_map import cell_spans_s, moment_cells, span_iou

_CHUNK = 256
"""Queries ranked together: few enough to stay in the processor's cache."""

_TIE = 1e-9
"""IoUs closer than this to the threshold are equal to it but for rounding: they are ratios of small integers."""

_TO_SPAN = np.array([0, 1])
"""Added to a cell (i, j): the clip boundaries i and j + 1 of its moment."""


def moment_scores(contrastive: Floats, iou: Floats, power: float) -> Floats:
    """Return (0.5 c + 0.5)^power * iou, elementwise, in [0, 1].

    `contrastive` are cosines, `iou` predicted IoUs in [0, 1]. Cosines that rounding left below -1 count as -1, where
    the official code gives NaN.

    >>> moment_scores(np.array([1.0, -1.0000001]), np.array([0.5, 0.5]), 0.5).tolist()
    [0.5, 0.0]
    """
    scores: Floats = np.maximum(contrastive * 0.5 + 0.5, 0.0) ** power * iou
    return scores


class MomentGrid:
    """The candidate moments of a map and which of them suppress each other.

    Two moments suppress each other when their IoU is strictly above `nms_threshold`. Where it equals the threshold the
    official code leaves the decision to the rounding of seconds, and so to the video's duration; those few pairs are
    decided in the same way, in float64, when ranking.

    Attributes:
        cells: (K, 2) int64, (i, j) of each candidate, in the order of `scores[..., mask]`.
    """

    def __init__(self, mask: BoolArray, nms_threshold: float) -> None:
        self.cells: IntArray = moment_cells(mask)
        self._num_clips, self._threshold = len(mask), nms_threshold
        spans = cell_spans_s(self.cells, self._num_clips, float(self._num_clips))
        excess = np.stack([span_iou(span, spans) for span in spans]) - nms_threshold
        self._suppresses: BoolArray = excess > _TIE
        self._ties = _columns(np.abs(excess) <= _TIE)

    def rank(self, scores: Floats, limit: int, durations_s: npt.ArrayLike) -> IntArray:
        """Return the best `limit` candidates that survive suppression, (Q, limit) indices into `cells`, best first.

        `scores` (Q, K) are those of the cells, `durations_s` (Q,) the lengths of the videos; only scores above 0 are
        candidates. Rows with fewer survivors end in -1 (the official recall fails there). Of equal scores the first
        cell is taken.

        Raises:
            ValueError: `scores` is not (Q, K) or `durations_s` not (Q,).
        """
        durations = np.asarray(durations_s, dtype=np.float64)
        if scores.ndim != 2 or scores.shape[1] != len(self.cells) or durations.shape != (len(scores),):
            raise ValueError(
                f"scores, durations_s: expected (Q, {len(self.cells)}) and (Q,), "
                f"got {scores.shape} and {durations.shape}"
            )
        ranked = np.full((len(scores), limit), -1, dtype=np.int64)
        for start in range(0, len(scores), _CHUNK):
            part = slice(start, start + _CHUNK)
            self._rank_chunk(scores[part], durations[part], ranked[part])
        return ranked

    def _rank_chunk(self, scores: Floats, durations: Floats, ranked: IntArray) -> None:
        """Fill `ranked`: take the best cell of all queries at once, strike out what it suppresses, and again."""
        left, rows = np.array(scores, order="C"), np.arange(len(scores))
        for rank in range(ranked.shape[1]):
            best = left.argmax(axis=1)
            found = left[rows, best] > 0
            if not found.any():
                break
            ranked[found, rank] = best[found]
            np.copyto(left, 0, where=self._suppresses[best])
            self._strike_ties(left, best, durations)

    def _strike_ties(self, left: Floats, best: IntArray, durations: Floats) -> None:
        """Set `left` (Q, K) to 0 for the cells at the threshold from `best` (Q,) whose seconds round above it."""
        ties = self._ties[best]
        seconds = durations[:, None, None]
        spans = (self.cells[ties] + _TO_SPAN) * seconds / self._num_clips
        kept = (self.cells[best][:, None] + _TO_SPAN) * seconds / self._num_clips
        row, column = np.nonzero((ties >= 0) & (span_iou(spans, kept) > self._threshold))
        left[row, ties[row, column]] = 0


def _columns(table: BoolArray) -> IntArray:
    """Return the true columns of each row of `table` (K, K), (K, M) int64, filled up with -1."""
    columns = np.full((len(table), table.sum(axis=1).max(initial=0)), -1, dtype=np.int64)
    for row, flags in enumerate(table):
        found = np.flatnonzero(flags)
        columns[row, : len(found)] = found
    return columns


def ranked_moments_s(grid: MomentGrid, ranked: IntArray, num_clips: int, durations_s: npt.ArrayLike) -> Floats:
    """Return the moments (Q, R, 2) float64 seconds of `ranked` (Q, R) cells in videos of `durations_s` (Q,).

    Entries of -1 become NaN.
    """
    spans = (grid.cells[ranked] + _TO_SPAN) * np.asarray(durations_s, dtype=np.float64)[:, None, None]
    moments: Floats = np.where((ranked < 0)[:, :, None], np.nan, spans / num_clips)
    return moments
