"""Bootstrap intervals of mean scores, paired and unpaired."""

import numpy as np
import numpy.typing as npt

BOOTSTRAP_BLOCK = 100_000
"""Values that the bootstrap draws at a time."""


def bootstrap_interval(
    values: npt.ArrayLike, seed: int, level: float = 0.95, num_resamples: int = 10_000
) -> tuple[float, float]:
    """Return a percentile bootstrap interval (low, high) of the mean of `values` (N,), resampled with replacement.

    >>> bootstrap_interval([0.5, 0.5, 0.5], seed=0)
    (0.5, 0.5)

    Raises:
        ValueError: no values, more than one axis, or a level outside (0, 1).
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size == 0:
        raise ValueError(f"values: expected shape (N,) with N >= 1, got {sample.shape}")
    if not 0 < level < 1:
        raise ValueError(f"level: expected a fraction between 0 and 1, got {level}")
    rng = np.random.default_rng(seed)
    # Some resamples at a time: all at once would need num_resamples x N numbers. The draws do not depend on how many.
    block = max(1, BOOTSTRAP_BLOCK // sample.size)
    sizes = [min(block, num_resamples - done) for done in range(0, num_resamples, block)]
    means = [sample[rng.integers(sample.size, size=(size, sample.size))].mean(axis=1) for size in sizes]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_bootstrap_interval(
    values: npt.ArrayLike, baseline: npt.ArrayLike, seed: int, level: float = 0.95, num_resamples: int = 10_000
) -> tuple[float, float]:
    """Return a bootstrap interval of mean(values - baseline); both (N,), of the same queries in the same order.

    An interval above 0 says that `values` beat the baseline.

    >>> paired_bootstrap_interval([0.5, 0.75], [0.25, 0.5], seed=0)
    (0.25, 0.25)

    Raises:
        ValueError: different shapes, or as bootstrap_interval.
    """
    first, second = np.asarray(values, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"values, baseline: expected the same shape, got {first.shape} and {second.shape}")
    return bootstrap_interval(first - second, seed, level, num_resamples)
