"""Planted features: what they hold, and that the bounds are what they say."""

import numpy as np
import pytest

from planted.features import Planting, SentenceImages, bounds, plant
from temporal.benchmarks.annotations import AnnotatedVideo
from temporal.benchmarks.ranker import RecallConfig

SENTENCES = [f"sentence {k}" for k in range(60)]
VECTORS = np.random.default_rng(0).normal(size=(60, 24)).astype(np.float32)


def videos(count=30):
    """Two sentences a video, one in each half, on the edges of 8 clips."""
    return [
        AnnotatedVideo(
            f"v{k}", 16.0, tuple(SENTENCES[2 * k : 2 * k + 2]), np.array([[0.0, 4.0 + 2 * (k % 2)], [10.0, 14.0]])
        )
        for k in range(count)
    ]


def planting(**changes):
    return Planting(**{"width": 32, "rate": 2.0, "snr": 4.0, "rank": 16, "seed": 0, **changes})


def images(made):
    return SentenceImages(SENTENCES, VECTORS, made)


def test_images_are_unit_vectors_linear_in_the_sentences_vector():
    made = images(planting())
    stacked = np.stack([made[text] for text in SENTENCES])
    np.testing.assert_allclose(np.linalg.norm(stacked, axis=1), 1)
    assert np.linalg.matrix_rank(stacked) == 16
    centred = VECTORS - VECTORS.mean(axis=0)
    fitted, *_ = np.linalg.lstsq(centred, stacked * np.linalg.norm(stacked, axis=1, keepdims=True), rcond=None)
    directions = centred @ fitted
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    assert (directions * stacked).sum(axis=1).min() > 0.8, "up to each row's length the map is linear"


def test_rows_carry_the_images_of_their_moments_and_one_decoy():
    """With next to no noise, what the own sentences leave is one image of another video's, in one run of rows."""
    made = planting(snr=1e6)
    features, shown = plant(videos(), images(made), made, 0), images(made)
    for video in videos():
        left = features[video.video_id] / 1e3
        assert left.shape == (32, 32)
        for text, (start, end) in zip(video.sentences, video.moments_s, strict=True):
            left[int(2 * start) : int(2 * end)] -= shown[text]
        rows = np.flatnonzero(np.linalg.norm(left, axis=1) > 0.5)
        assert 8 <= len(rows) <= 12
        assert rows.tolist() == list(range(rows[0], rows[-1] + 1))
        (decoy,) = [text for text in SENTENCES if np.abs(left[rows] - shown[text]).max() < 0.01]
        assert decoy not in video.sentences
        assert np.abs(np.delete(left, rows, axis=0)).max() < 0.01


def test_draws_depend_on_seed_split_and_place_alone():
    made = planting()
    first, again = (plant(videos(), images(made), made, 0) for _ in range(2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    shorter = plant(videos()[:1] + videos()[1:20], images(made), made, 0)
    other = plant(videos(), images(made), made, 1)
    assert not np.array_equal(first["v0"], other["v0"])
    assert shorter.keys() < first.keys()


@pytest.mark.parametrize(("snr", "low", "high"), [(30.0, 0.95, 1.0), (1e-4, 0.0, 0.5)])
def test_the_matched_filter_finds_what_the_noise_leaves(snr, low, high):
    made = planting(snr=snr)
    features = plant(videos(), images(made), made, 0)
    found = bounds(videos(), videos(), features, images(made), made, 8, (7,), RecallConfig())
    assert low <= found.matched_filter.recall[1, 0.7] <= high
    assert found.chance.recall[1, 0.7] < 0.4


def test_the_prior_is_the_best_moment_without_a_sentence():
    """With one moment for all it is always right, whatever the features."""
    same = [AnnotatedVideo(f"v{k}", 16.0, (SENTENCES[k],), np.array([[4.0, 8.0]])) for k in range(10)]
    made = planting(snr=1e-9)
    features = plant(same, images(made), made, 0)
    found = bounds(same, same, features, images(made), made, 8, (7,), RecallConfig())
    assert found.prior.recall[1, 0.7] == 1
    assert found.matched_filter.recall[1, 0.7] < 1
