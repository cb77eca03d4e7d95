"""From score maps to ranked moments: candidates and non-maximum suppression over the fixed grid of cells.

Which cells overlap does not depend on the video, so it is worked out once per grid. Source: `nms` and `evaluate` of
MCG-NJU/MMN (mmn/data/datasets/evaluation.py); the same moments come out, without its loop over candidates.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from stvg.types import BoolArray, IntArray
from temporal.moment_map import moment_cells, span_iou

Floats = npt.NDArray[np.floating[Any]]

_CHUNK = 256


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

    Two cells suppress each other when the IoU of their moments is strictly above `nms_threshold`.

    Attributes:
        cells: (K, 2) int64, (i, j) of each candidate, in the order of `scores[..., mask]`.
    """

    def __init__(self, mask: BoolArray, nms_threshold: float) -> None:
        self.cells: IntArray = moment_cells(mask)
        spans = self.cells + np.array([0, 1])
        overlaps = [span_iou(span, spans) > nms_threshold for span in spans]
        self._suppresses: BoolArray = np.stack(overlaps)

    def rank(self, scores: Floats, limit: int) -> IntArray:
        """Return the best `limit` candidates that survive suppression, (Q, limit) indices into `cells`, best first.

        `scores` (Q, K) are those of the cells; only scores above 0 are candidates. Rows with fewer survivors end in -1
        (the official recall fails there). Of equal scores the first cell is taken.

        Raises:
            ValueError: `scores` is not (Q, K).
        """
        if scores.ndim != 2 or scores.shape[1] != len(self.cells):
            raise ValueError(f"scores: expected (Q, {len(self.cells)}), got {scores.shape}")
        chunks = [self._rank_chunk(scores[at : at + _CHUNK], limit) for at in range(0, len(scores), _CHUNK)]
        return np.concatenate(chunks) if chunks else np.empty((0, limit), dtype=np.int64)

    def _rank_chunk(self, scores: Floats, limit: int) -> IntArray:
        """Take the best cell of all queries at once, strike out what it suppresses, and so on `limit` times."""
        left, rows = np.array(scores, order="C"), np.arange(len(scores))
        ranked = np.full((len(scores), limit), -1, dtype=np.int64)
        for rank in range(limit):
            best = left.argmax(axis=1)
            found = left[rows, best] > 0
            if not found.any():
                break
            ranked[found, rank] = best[found]
            np.copyto(left, 0, where=self._suppresses[best])
        return ranked


def ranked_moments_s(grid: MomentGrid, ranked: IntArray, num_clips: int, durations_s: npt.ArrayLike) -> Floats:
    """Return the moments (Q, R, 2) float64 seconds of `ranked` (Q, R) cells in videos of `durations_s` (Q,).

    Entries of -1 become NaN.
    """
    spans = (grid.cells[ranked] + np.array([0, 1])) * np.asarray(durations_s, dtype=np.float64)[:, None, None]
    moments: Floats = np.where((ranked < 0)[:, :, None], np.nan, spans / num_clips)
    return moments
