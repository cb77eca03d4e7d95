"""Recall of temporal grounding: R@n at IoU >= m, and mIoU.

Source: `evaluate` of MCG-NJU/MMN (mmn/data/datasets/evaluation.py). 2D-TAN counts IoU > m.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stvg.types import Floats
from temporal.mmn.moment_map import span_iou


@dataclass(frozen=True, slots=True)
class RecallTable:
    """Fractions in [0, 1]: `recall[n, m]` is the share of queries with a moment of IoU >= m among the first n.

    `mean_iou` is the mean IoU of the first moments, `num_queries` how many were counted.
    """

    recall: dict[tuple[int, float], float]
    mean_iou: float
    num_queries: int

    def mean_recall(self, first: int) -> float:
        """Return the mean of R@`first` over the thresholds (the official code's Best_R1, Best_R5)."""
        values = [value for (n, _), value in self.recall.items() if n == first]
        return sum(values) / len(values)

    def to_json(self) -> dict[str, object]:
        """Return the table as plain data."""
        recalls = {f"R@{n},IoU={m:g}": value for (n, m), value in self.recall.items()}
        return {"num_queries": self.num_queries, **recalls, "mIoU": self.mean_iou}


def recall_table(moments: Floats, truths: Floats, firsts: Sequence[int], thresholds: Sequence[float]) -> RecallTable:
    """Score the ranked `moments` (Q, R, 2) of Q >= 1 queries against the true ones, `truths` (Q, 2), in one unit.

    Missing moments are NaN and never count.

    Raises:
        ValueError: there is no query, or the shapes do not agree.

    >>> table = recall_table(np.array([[[0.0, 4.0], [2.0, 4.0]]]), np.array([[2.0, 4.0]]), (1, 5), (0.5, 0.7))
    >>> table.recall
    {(1, 0.5): 1.0, (1, 0.7): 0.0, (5, 0.5): 1.0, (5, 0.7): 1.0}
    """
    if len(moments) == 0 or moments.ndim != 3 or truths.shape != (len(moments), 2):
        raise ValueError(f"moments, truths: expected (Q, R, 2) and (Q, 2), Q >= 1, got {moments.shape}, {truths.shape}")
    ious = np.nan_to_num(span_iou(moments, truths[:, None]), nan=0.0)
    best = {n: ious[:, :n].max(axis=1, initial=0.0) for n in firsts}
    recall = {(n, m): float((best[n] >= m).mean()) for n in firsts for m in thresholds}
    return RecallTable(recall=recall, mean_iou=float(ious[:, 0].mean()), num_queries=len(moments))
