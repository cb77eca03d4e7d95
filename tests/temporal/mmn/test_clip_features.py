import numpy as np
import pytest

from temporal.mmn.clip_features import average_clips, normalise_features


def naive_average(features, num_clips, clamp):
    last = len(features) - 1
    means = []
    for clip in range(num_clips):
        start, stop = (round(k / num_clips * len(features)) for k in (clip, clip + 1))
        if clamp:
            start, stop = min(start, last), min(stop, last)
        means.append(np.mean(features[start:stop], axis=0) if start < stop else features[min(start, last)])
    return np.stack(means)


@pytest.mark.parametrize("clamp", [True, False])
@pytest.mark.parametrize(
    ("num_features", "num_clips"),
    [
        pytest.param(1, 4, id="one feature fills every clip"),
        pytest.param(5, 32, id="fewer features than clips: most clips are empty"),
        pytest.param(32, 32, id="as many"),
        pytest.param(33, 32, id="one more"),
        pytest.param(71, 32, id="boundaries fall between"),
        pytest.param(80, 32, id="boundaries on halves are rounded to even"),
        pytest.param(7, 1, id="one clip"),
    ],
)
def test_averages_as_a_loop_over_clips_does(num_features, num_clips, clamp):
    features = np.random.default_rng(0).normal(size=(num_features, 3))
    found = average_clips(features, num_clips, clamp=clamp)
    np.testing.assert_allclose(found, naive_average(features, num_clips, clamp), rtol=0, atol=1e-14)


def test_clamped_boundaries_leave_the_last_feature_out():
    features = np.zeros((8, 1))
    features[-1] = 1
    assert average_clips(features, 2, clamp=True).max() == 0
    assert average_clips(features, 2, clamp=False).tolist() == [[0], [0.25]]


def test_keeps_float32_and_the_input():
    features = np.ones((4, 2), dtype=np.float32)
    assert average_clips(features, 3, clamp=True).dtype == np.float32
    assert normalise_features(features).dtype == np.float32
    assert features.tolist() == np.ones((4, 2)).tolist()


@pytest.mark.parametrize(
    ("features", "num_clips"),
    [
        pytest.param(np.zeros((0, 3)), 2, id="no feature"),
        pytest.param(np.zeros(3), 2, id="not a matrix"),
        pytest.param(np.zeros((3, 2)), 0, id="no clip"),
    ],
)
def test_refuses(features, num_clips):
    with pytest.raises(ValueError, match=r"features: expected \(T, D\)"):
        average_clips(features, num_clips, clamp=True)


def test_rows_whose_squares_overflow_come_to_unit_length():
    features = np.array([[3e30, 4e30], [3.0, 4.0]], np.float32)
    np.testing.assert_allclose(normalise_features(features), [[0.6, 0.8], [0.6, 0.8]], rtol=1e-6)
