import numpy as np
import pytest

from temporal.benchmarks.nms import MomentGrid, moment_scores, ranked_moments_s
from temporal.mmn.moment_map import moment_map_mask


def naive_ranking(score_map, duration, threshold):
    """Return the surviving moments as the official loop over sorted candidates does."""
    num_clips = len(score_map)
    candidates = [
        (score_map[i, j], i * duration / num_clips, (j + 1) * duration / num_clips)
        for i in range(num_clips)
        for j in range(num_clips)
        if score_map[i, j] > 0
    ]
    candidates.sort(key=lambda candidate: -candidate[0])
    kept = []
    while candidates:
        _, start, stop = candidates.pop(0)
        kept.append((start, stop))
        candidates = [
            c
            for c in candidates
            if not max(0.0, min(stop, c[2]) - max(start, c[1])) / (max(stop, c[2]) - min(start, c[1])) > threshold
        ]
    return np.array(kept)


@pytest.mark.parametrize(
    ("num_clips", "counts", "threshold"),
    [
        pytest.param(16, (15,), 0.5, id="Charades: many IoUs of exactly 0.5"),
        pytest.param(20, (5, 3), 0.4, id="with holes"),
        pytest.param(16, (15,), 0.99, id="only equal moments suppress each other"),
        pytest.param(16, (15,), 0.0, id="any overlap suppresses"),
    ],
)
def test_ranks_as_the_official_loop_does(num_clips, counts, threshold):
    rng = np.random.default_rng(0)
    mask = moment_map_mask(num_clips, counts)
    grid = MomentGrid(mask, threshold)
    durations = rng.uniform(5, 120, size=40)
    scores = rng.random((40, len(grid.cells)))
    scores[rng.random(scores.shape) < 0.3] = 0
    ranked = grid.rank(scores, 12, durations)
    moments = ranked_moments_s(grid, ranked, num_clips, durations)
    for row, duration, found in zip(scores, durations, moments, strict=True):
        score_map = np.zeros((num_clips, num_clips))
        score_map[mask] = row
        expected = naive_ranking(score_map, duration, threshold)[:12]
        np.testing.assert_array_equal(found[: len(expected)], expected)
        assert np.isnan(found[len(expected) :]).all()


def test_more_queries_than_fit_a_chunk_are_ranked_one_by_one_alike():
    rng = np.random.default_rng(1)
    grid = MomentGrid(moment_map_mask(8, (7,)), 0.5)
    scores, durations = rng.random((600, len(grid.cells)), dtype=np.float32), rng.uniform(5, 60, 600)
    together = grid.rank(scores, 5, durations)
    for query in (0, 255, 256, 599):
        part = slice(query, query + 1)
        np.testing.assert_array_equal(together[part], grid.rank(scores[part], 5, durations[part]))


def test_fewer_survivors_than_asked_for_end_in_minus_one():
    grid = MomentGrid(moment_map_mask(4, (3,)), 0.5)
    scores = np.zeros((2, len(grid.cells)))
    scores[0, 3] = 0.5
    assert grid.rank(scores, 3, [10.0, 10.0]).tolist() == [[3, -1, -1], [-1, -1, -1]]


def test_the_first_of_equal_scores_wins():
    grid = MomentGrid(moment_map_mask(4, (3,)), 0.99)
    assert grid.rank(np.ones((1, len(grid.cells))), 2, [10.0]).tolist() == [[0, 1]]


def test_no_query_gives_no_rank():
    grid = MomentGrid(moment_map_mask(4, (3,)), 0.5)
    assert grid.rank(np.empty((0, len(grid.cells))), 5, []).shape == (0, 5)


def test_refuses_scores_of_another_grid():
    with pytest.raises(ValueError, match=r"scores, durations_s: expected \(Q, 10\) and \(Q,\), got \(1, 9\)"):
        MomentGrid(moment_map_mask(4, (3,)), 0.5).rank(np.zeros((1, 9)), 5, [1.0])


def test_scores_do_not_change_the_callers_array():
    grid = MomentGrid(moment_map_mask(4, (3,)), 0.5)
    scores = np.ones((1, len(grid.cells)))
    grid.rank(scores, 5, [1.0])
    assert scores.min() == 1


@pytest.mark.parametrize(
    ("contrastive", "iou", "power", "expected"),
    [
        pytest.param(1.0, 0.5, 0.5, 0.5, id="same direction"),
        pytest.param(0.0, 0.8, 0.5, 0.8 * 0.5**0.5, id="orthogonal"),
        pytest.param(-1.0 - 1e-7, 0.5, 0.3, 0.0, id="rounded below -1"),
    ],
)
def test_moment_scores(contrastive, iou, power, expected):
    assert moment_scores(np.array([contrastive]), np.array([iou]), power)[0] == pytest.approx(expected)
