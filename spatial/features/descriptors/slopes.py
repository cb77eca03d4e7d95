"""Measure slopes in time by local linear fits."""

import numpy as np

from stvg.types import FloatArray, Floats

_SMOOTHING_S = 0.25
"""Standard deviation of the window in which velocities are measured, in seconds."""


def slopes(seconds: FloatArray, values: Floats, weights: Floats) -> FloatArray:
    """Return the slope in time of `values` (R, ...) at each row by local linear fits, weighted by `weights`.

    Windows are Gaussian with a standard deviation of _SMOOTHING_S seconds; slopes of few rows shrink towards 0.
    """
    flat = values.reshape(len(values), -1).astype(np.float64)
    own = np.broadcast_to(weights, values.shape).reshape(flat.shape).astype(np.float64)
    window = np.exp(-0.5 * ((seconds[:, None] - seconds) / _SMOOTHING_S) ** 2)
    total = window @ own + 1e-6
    offset = seconds - seconds.mean()
    time, time_squared = window @ (own * offset[:, None]) / total, window @ (own * offset[:, None] ** 2) / total
    mean, product = window @ (own * flat) / total, window @ (own * flat * offset[:, None]) / total
    slope = (product - time * mean) / (time_squared - time**2 + 4e-3)
    return np.asarray(slope.reshape(values.shape), dtype=np.float32)
