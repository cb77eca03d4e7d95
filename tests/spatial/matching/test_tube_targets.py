import numpy as np
import pytest

from spatial.matching.tube_targets import tube_iou_map, tube_targets
from stvg.types import Tube


def boxes(length, seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 20, size=(length, 2))
    return np.concatenate([corner, corner + rng.uniform(5, 30, size=(length, 2))], axis=1)


def naive_target(start, tube, truth_start, truth, i, j, num_clips, pixel):
    first, stop = round(i / num_clips * len(tube)), round((j + 1) / num_clips * len(tube))
    frames = range(start + first, start + stop)
    truth_frames = range(truth_start, truth_start + len(truth))
    common = [frame for frame in frames if frame in truth_frames]
    if not common:
        return 0.0
    total = 0.0
    for frame in common:
        a, b = tube[frame - start], truth[frame - truth_start]
        width = min(a[2], b[2]) - max(a[0], b[0]) + pixel
        height = min(a[3], b[3]) - max(a[1], b[1]) + pixel
        inter = max(width, 0) * max(height, 0)
        areas = [(c[2] - c[0] + pixel) * (c[3] - c[1] + pixel) for c in (a, b)]
        total += inter / (sum(areas) - inter)
    hull = max(frames[-1], truth_frames[-1]) - min(frames[0], truth_frames[0]) + 1
    return len(common) / hull * total / len(common)


@pytest.mark.parametrize("pixel", [0, 1])
@pytest.mark.parametrize(
    ("start", "length", "truth_start", "truth_length"),
    [
        pytest.param(3, 40, 10, 20, id="the truth inside"),
        pytest.param(10, 20, 3, 40, id="the tube inside"),
        pytest.param(0, 30, 20, 30, id="overlap at the end"),
        pytest.param(20, 30, 0, 30, id="overlap at the start"),
        pytest.param(0, 10, 10, 10, id="touching, no common frame"),
        pytest.param(50, 10, 0, 10, id="apart"),
        pytest.param(4, 3, 5, 9, id="fewer frames than clips: most cells are empty"),
        pytest.param(5, 1, 5, 1, id="a single frame"),
    ],
)
def test_targets_are_those_of_naive_loops(start, length, truth_start, truth_length, pixel):
    tube, truth = boxes(length, 0), boxes(truth_length, 1)
    found = tube_iou_map(start, tube, truth_start, truth, 8, pixel)
    for i in range(8):
        for j in range(8):
            expected = naive_target(start, tube, truth_start, truth, i, j, 8, pixel)
            assert found[i, j] == pytest.approx(expected, abs=1e-12), (i, j)


def test_the_truth_itself_is_one_over_its_whole_length():
    truth = boxes(50, 0)
    targets = tube_iou_map(7, truth, 7, truth, 16, 0)
    assert targets[0, 15] == pytest.approx(1)
    assert targets.max() == targets[0, 15]


def test_boxes_without_area_have_no_iou():
    flat = np.zeros((4, 4))
    assert not tube_iou_map(0, flat, 0, flat, 2, 0).any()


def test_takes_tubes():
    tube = Tube(0, 2, boxes(9, 0), np.ones(9), np.ones(9))
    truth = Tube(1, 4, boxes(9, 1), np.ones(9), np.ones(9))
    expected = tube_iou_map(2, np.float64(tube.boxes_xyxy), 4, np.float64(truth.boxes_xyxy), 4, 0)
    np.testing.assert_array_equal(tube_targets(tube, truth, 4), expected)
