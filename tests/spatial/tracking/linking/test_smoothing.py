import numpy as np
import pytest

from spatial.tracking.linking.smoothing import _solve, smooth_path
from stvg.types import Float64Array


def boxes(x: Float64Array, y: float = 50.0) -> Float64Array:
    return np.stack([x, np.full(len(x), y), x + 40, np.full(len(x), y + 100)], axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_solution_is_that_of_the_dense_equations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    known = rng.random(30) < 0.7
    values = rng.normal(0, 1, (30, 2))
    second = np.diff(np.eye(30), n=2, axis=0)
    expected = np.linalg.solve(np.diag(known.astype(float)) + 7.0 * second.T @ second, known[:, None] * values)
    np.testing.assert_allclose(_solve(values, known, 7.0), expected, atol=1e-9)


def test_exact_boxes_stay_as_they_are() -> None:
    places = np.delete(np.arange(60), [20, 21, 22, 40])
    truth = boxes(100 + 3.0 * np.arange(60))
    np.testing.assert_allclose(smooth_path(places, truth[places]), truth, atol=1e-6)


def test_jitter_goes_and_the_way_stays() -> None:
    rng = np.random.default_rng(0)
    times = np.arange(120)
    truth = boxes(200 + 120 * np.sin(times / 25))
    places = np.flatnonzero(rng.random(120) < 0.85)
    shaken = truth[places] + rng.normal(0, 4, (len(places), 4))
    path = smooth_path(places, shaken)
    error = np.abs(path - truth[places[0] : places[-1] + 1])
    assert error.mean() < 0.5 * np.abs(shaken - truth[places]).mean()
    assert error.max() < 12


def test_a_sudden_turn_is_kept() -> None:
    truth = boxes(np.where(np.arange(40) < 20, 100.0, 100.0 + 8 * (np.arange(40) - 20)))
    path = smooth_path(np.arange(40), truth)
    assert np.abs(path - truth).max() < 3


def test_few_detections_are_joined_by_straight_lines() -> None:
    ends = boxes(np.array([0.0, 10.0]))
    np.testing.assert_allclose(smooth_path(np.array([5, 10]), ends)[:, 0], [0, 2, 4, 6, 8, 10])
