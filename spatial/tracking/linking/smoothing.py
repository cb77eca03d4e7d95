"""Smooth the boxes of a tracklet, with a strength chosen by cross-validation.

Whittaker's smoother (Whittaker, 1923; Eilers, Analytical Chemistry 75, 2003): the path z that minimises
sum w (y - z)^2 + s sum (second difference of z)^2, where w is 1 at frames with a detection and 0 in gaps. The strength
s is chosen for each column, so that exact boxes stay as they are and jitter is removed.
"""

import numpy as np
from scipy.linalg import solveh_banded

from stvg.types import BoolArray, Float64Array, IntArray

_STRENGTHS = 10.0 ** np.arange(-2.0, 5.1, 0.5)
"""Candidate values of s."""
_FOLDS = 4
"""Number of folds: fold k holds out every 4th detection, from the k-th on."""
_LEAST = 8
"""Minimum detections for cross-validation; with fewer nothing is smoothed."""
_GAIN = 0.97
"""Smoothing is applied if it lowers the held-out error below this fraction of that with the weakest smoothing."""


def smooth_path(places: IntArray, boxes_xyxy: Float64Array) -> Float64Array:
    """Return boxes (T, 4) at all places from the first to the last of some detections.

    Detections (N, 4) lie at increasing `places` (N,), whole numbers of equal steps. Centres and sizes are smoothed,
    each for itself; gaps are filled. Fewer than 8 detections stay as they are, with straight lines between.
    """
    rows = places - places[0]
    sizes = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    columns = np.concatenate([(boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2, sizes], axis=1)
    straight = np.stack([np.interp(np.arange(rows[-1] + 1), rows, column) for column in columns.T], axis=1)
    smooth = straight.copy()
    if len(rows) >= _LEAST:
        known = np.zeros(len(straight), dtype=np.bool_)
        known[rows] = True
        chosen = _strengths(rows, straight)
        for strength in np.unique(chosen[chosen > 0]):
            own = chosen == strength
            smooth[:, own] = _solve(straight[:, own], known, strength)
    half = np.maximum(smooth[:, 2:], 0.5 * straight[:, 2:]) / 2
    return np.concatenate([smooth[:, :2] - half, smooth[:, :2] + half], axis=1)


def _strengths(rows: IntArray, values: Float64Array) -> Float64Array:
    """Return the best strength for each column of `values` (T, C), known at `rows` (N,); 0 where none helps."""
    errors = np.zeros((len(_STRENGTHS), values.shape[1]))
    for fold in range(_FOLDS):
        out = rows[fold::_FOLDS]
        known = np.zeros(len(values), dtype=np.bool_)
        known[rows] = True
        known[out] = False
        for index, strength in enumerate(_STRENGTHS):
            errors[index] += np.abs(_solve(values, known, strength)[out] - values[out]).sum(axis=0)
    best = errors.argmin(axis=0)
    helps = errors.min(axis=0) < _GAIN * errors[0]
    return np.where(helps, _STRENGTHS[best], 0.0)


def _solve(values: Float64Array, known: BoolArray, strength: float) -> Float64Array:
    """Return the smoothest path (T, C) through the known values: one banded system for all columns."""
    count = len(values)
    bands = np.zeros((3, count))
    for offset, weight in enumerate((1.0, -2.0, 1.0)):
        bands[2, offset : count - 2 + offset] += strength * weight**2
    for offset in range(2):
        bands[1, 1 + offset : count - 1 + offset] += strength * -2.0
    bands[0, 2:] = strength
    bands[2] += known
    return np.asarray(solveh_banded(bands, known[:, None] * values))
