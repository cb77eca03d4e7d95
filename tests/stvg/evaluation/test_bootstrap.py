"""Bootstrap intervals."""

import numpy as np
import pytest

from stvg.evaluation.bootstrap import bootstrap_interval, paired_bootstrap_interval


def test_bootstrap_interval_is_that_of_the_normal_law_for_many_values():
    values = np.random.default_rng(0).normal(2.0, 3.0, 400)
    low, high = bootstrap_interval(values, seed=1)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.03)
    assert high == pytest.approx(values.mean() + half, abs=0.03)
    assert bootstrap_interval(values, seed=1) == (low, high), "seeded"
    assert bootstrap_interval(values, seed=2) != (low, high)
    narrow = bootstrap_interval(values, seed=1, level=0.5)
    assert low < narrow[0] < narrow[1] < high


@pytest.mark.parametrize("count", [1, 7, 80, 2931])
def test_bootstrap_draws_the_same_one_by_one(count):
    values = np.random.default_rng(count).random(count)
    rng = np.random.default_rng(3)
    means = [values[rng.integers(count, size=count)].mean() for _ in range(300)]
    expected = tuple(np.quantile(means, [(1 - 0.9) / 2, (1 + 0.9) / 2]).tolist())
    assert bootstrap_interval(values, 3, level=0.9, num_resamples=300) == expected


def test_paired_interval_is_narrower_than_the_single_ones():
    rng = np.random.default_rng(0)
    baseline = rng.uniform(0, 1, 100)
    values = baseline + rng.normal(0.05, 0.02, 100)
    low, high = paired_bootstrap_interval(values, baseline, seed=0)
    assert 0.04 < low < 0.05 < high < 0.06, "the common spread of the queries falls out"
    single = bootstrap_interval(values, seed=0)
    assert single[1] - single[0] > 5 * (high - low)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_interval([], seed=0), "values: expected shape"),
        (lambda: bootstrap_interval([[1.0]], seed=0), "values: expected shape"),
        (lambda: bootstrap_interval([1.0], seed=0, level=95), "level: expected a fraction"),
        (lambda: paired_bootstrap_interval([1.0], [1.0, 2.0], seed=0), "expected the same shape"),
    ],
)
def test_bootstrap_arguments_are_checked(call, message):
    with pytest.raises(ValueError, match=message):
        call()
