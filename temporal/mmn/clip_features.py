"""Average features of any length to a fixed number of clips.

Source: `avgfeats` of MCG-NJU/MMN (mmn/data/datasets/utils.py) and of atao99/MMN-STVG (tan/data/datasets/utils.py).
"""

import numpy as np

from stvg.types import Floats, IntArray


def normalise_features(features: Floats) -> Floats:
    """Return each row of `features` (T, D) divided by its Euclidean length; rows of zeros stay zero.

    Features are finite; their squares need not be.

    >>> normalise_features(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
    if not np.isfinite(lengths).all():  # squares of numbers beyond 1e19 are none in 32 bits
        largest = np.abs(features).max(axis=1, keepdims=True, initial=0)
        features = np.where(np.isfinite(lengths), features, features / np.maximum(largest, 1))
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
    normalised: Floats = features / np.maximum(lengths, 1e-12)
    return normalised


def clip_boundaries(num_features: int, num_clips: int, *, clamp: bool) -> IntArray:
    """Return the `num_clips` + 1 indices round(k / P * T) that bound the clips, int64 in [0, T].

    With `clamp` they stay below T, as in MMN: the last feature then belongs to no clip where T >= P.

    >>> clip_boundaries(10, 4, clamp=False).tolist(), clip_boundaries(10, 4, clamp=True).tolist()
    ([0, 2, 5, 8, 10], [0, 2, 5, 8, 9])
    """
    boundaries = np.round(np.arange(num_clips + 1) / num_clips * num_features).astype(np.int64)
    return np.minimum(boundaries, num_features - 1) if clamp else boundaries


def average_clips(features: Floats, num_clips: int, *, clamp: bool) -> Floats:
    """Return the means (P, D) of `features` (T, D), T >= 1, over `num_clips` equal parts, in the features' dtype.

    A part without any feature takes the one at its start. `clamp` True is MMN's boundary rule, False MMN-STVG's
    (see clip_boundaries).

    Raises:
        ValueError: `features` is not (T, D) with T >= 1, or `num_clips` is below 1.

    >>> average_clips(np.array([[0.0], [2.0], [4.0], [6.0]]), 2, clamp=False).tolist()
    [[1.0], [5.0]]
    """
    if features.ndim != 2 or len(features) == 0 or num_clips < 1:
        raise ValueError(f"features: expected (T, D) with T >= 1 and num_clips >= 1, got {features.shape}, {num_clips}")
    boundaries = clip_boundaries(len(features), num_clips, clamp=clamp)
    # reduceat sums up to the next boundary and takes the single row where that boundary is not beyond: just the rule
    # for empty clips. The repeated last row is what a clip that starts at T takes; no sum reaches it.
    sums = np.add.reduceat(np.concatenate([features, features[-1:]]), boundaries, axis=0)[:-1]
    means: Floats = sums / np.maximum(np.diff(boundaries), 1).astype(features.dtype)[:, None]
    return means
