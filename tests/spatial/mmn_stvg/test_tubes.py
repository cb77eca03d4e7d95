"""Tubes and features of MMN-STVG's files in our conventions, against loops."""

import numpy as np
import pytest

from spatial.mmn_stvg.files import FeatureRows
from spatial.mmn_stvg.tubes import PARTS, equal_parts, make_tube, side_by_side
from stvg.errors import InputError


def rows(frames, score=0.5):
    frames = np.asarray(frames, dtype=np.float64)
    x, y = 10 + 2 * frames, 20 - 0.1 * frames
    return np.stack([frames, x, y, x + 30, y + 60, np.full(len(frames), score)], axis=1)


def features(frames, width=3, seed=0):
    values = np.random.default_rng(seed).normal(size=(len(frames), width)).astype(np.float32)
    return FeatureRows(values, np.asarray(frames, dtype=np.float64))


@pytest.mark.parametrize(
    ("first_frame", "frames", "start"), [(1, range(1, 9), 0), (0, range(1, 9), 1), (1, [600], 599)]
)
def test_frames_count_from_zero(first_frame, frames, start):
    tube = make_tube(3, rows(frames), first_frame, 600)
    assert (tube.tube_id, tube.start_frame, tube.span.length) == (3, start, len(frames))
    np.testing.assert_allclose(tube.boxes_xyxy, rows(frames)[:, 1:5], rtol=1e-6)
    assert tube.observed.all()


def test_gaps_are_interpolated_and_not_observed():
    frames = [2, 8, 9, 15]
    tube = make_tube(0, rows(frames), 1, 20)
    assert tube.span.length == 14
    np.testing.assert_allclose(tube.boxes_xyxy, rows(range(2, 16))[:, 1:5], rtol=1e-5)
    assert [frame for frame, seen in zip(range(2, 16), tube.observed, strict=True) if seen] == frames
    uneven = rows(frames)
    uneven[1, 5] = 1.0
    np.testing.assert_allclose(make_tube(0, uneven, 1, 20).scores[:7], np.linspace(0.5, 1, 7), rtol=1e-6)


def test_a_tube_without_scores_is_sure():
    assert make_tube(0, rows([1, 2])[:, :5], 1, 2).scores.tolist() == [1, 1]


def changed(row, column, value):
    def change(array):
        array[row, column] = value
        return array

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(changed(0, 0, 0), r"frames in 1 to 9 \(counted from 1\), got 0 to 9", id="counted from 0"),
        pytest.param(changed(-1, 0, 10), r"frames in 1 to 9 \(counted from 1\), got 1 to 10", id="past the end"),
        pytest.param(changed(0, 0, -5), "got -5 to 9", id="negative"),
        pytest.param(changed(2, 0, 2), "each above the one before, got 2 before 2", id="a frame twice"),
        pytest.param(changed(2, 0, 1), "each above the one before, got 2 before 1", id="out of order"),
        pytest.param(changed(2, 0, 2.5), "expected whole frame numbers, .* got 2.5", id="half a frame"),
        pytest.param(changed(4, 3, 0), "row 4: expected x1 <= x2", id="a box the wrong way round"),
        pytest.param(changed(4, 5, 1.5), "expected scores in 0 to 1, got 0.5 to 1.5", id="score"),
    ],
)
def test_tubes_that_cannot_be(change, message):
    with pytest.raises(InputError, match=f"^tube 7: .*{message}"):
        make_tube(7, change(rows(range(1, 10))), 1, 9)


@pytest.mark.parametrize(
    ("frames", "first", "last"),
    [
        pytest.param(range(5, 25), 5, 24, id="a row per frame"),
        pytest.param(range(1, 60, 6), 1, 55, id="every sixth frame, the last included"),
        pytest.param(range(4, 60, 8), 1, 60, id="middles of windows of eight"),
        pytest.param([30], 1, 60, id="one row"),
    ],
)
def test_rows_that_are_equal_parts_already_stay(frames, first, last):
    part = features(frames)
    assert equal_parts(part, first, last) is part.rows


@pytest.mark.parametrize("seed", range(5))
def test_other_rows_are_brought_to_equal_parts(seed):
    rng = np.random.default_rng(seed)
    first, last = 11, 11 + int(rng.integers(30, 90))
    frames = np.sort(rng.choice(np.arange(first, last + 1), 8, replace=False))
    frames[:4] = first + np.arange(4)
    part = features(frames, seed=seed)
    found, length = equal_parts(part, first, last), (last - first + 1) / 8
    for k in range(8):
        inside = [r for r in range(8) if k * length <= frames[r] - first + 0.5 < (k + 1) * length]
        middle = (k + 0.5) * length
        nearest = min(range(8), key=lambda r: abs(frames[r] - first + 0.5 - middle))
        expected = np.mean([part.rows[r] for r in inside or [nearest]], axis=0)
        np.testing.assert_allclose(found[k], expected, rtol=1e-6)
    assert not np.array_equal(found, part.rows)


def test_prepared_rows_stay():
    part = FeatureRows(np.ones((32, 4), np.float32), None)
    assert equal_parts(part, 1, 5) is part.rows


@pytest.mark.parametrize(("frames", "found"), [([0, 1, 2], "0"), ([4, 5, 21], "21"), ([4, 6, 5], "6 before 5")])
def test_rows_outside_the_tube(frames, found):
    with pytest.raises(InputError, match=f"frames 1 to 20 in order, got frame {found}; --ignore-feature-frames"):
        equal_parts(features(frames), 1, 20)


def test_kinds_stand_side_by_side():
    csn, flow = features(range(40), 3).rows, features(range(40), 2, seed=1).rows
    joined = side_by_side([csn, flow])
    np.testing.assert_array_equal(joined[:, :3], csn)
    np.testing.assert_array_equal(joined[:, 3:], flow)


def test_kinds_of_different_lengths_are_averaged_to_the_official_parts():
    csn, flow = features(range(70), 3).rows, features(range(9), 2, seed=1).rows
    joined = side_by_side([csn, flow])
    assert joined.shape == (PARTS, 5)
    edges = [round(k / PARTS * 70) for k in range(PARTS + 1)]
    for k in range(PARTS):
        np.testing.assert_allclose(joined[k, :3], csn[edges[k] : edges[k + 1]].mean(axis=0), rtol=1e-5)
    edges = [round(k / PARTS * 9) for k in range(PARTS + 1)]
    for k in range(PARTS):
        np.testing.assert_allclose(joined[k, 3:], flow[min(edges[k], 8)], rtol=1e-5)
