import numpy as np
import pytest

from stvg.geometry.boxes import box_area, clip_boxes, elementwise_iou, pairwise_iou, xywh_to_xyxy, xyxy_to_xywh

UNIT = [0, 0, 10, 10]


def naive_iou(a, b, plus_one):
    """Overlap over union, one box at a time."""
    extra = 1 if plus_one else 0
    width = min(a[2], b[2]) - max(a[0], b[0]) + extra
    height = min(a[3], b[3]) - max(a[1], b[1]) + extra
    overlap = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0] + extra) * (box[3] - box[1] + extra) for box in (a, b)]
    return overlap / (sum(areas) - overlap)


@pytest.mark.parametrize(
    ("a", "b", "expected", "reason"),
    [
        (UNIT, UNIT, 1.0, "the same box"),
        (UNIT, [5, 0, 15, 10], 1 / 3, "half shifted"),
        (UNIT, [10, 0, 20, 10], 0.0, "touching edges share no area"),
        (UNIT, [50, 50, 60, 60], 0.0, "apart"),
        (UNIT, [2, 2, 4, 4], 0.04, "inside"),
        ([3, 3, 3, 9], UNIT, 0.0, "no area against a box"),
        ([3, 3, 3, 3], [3, 3, 3, 3], 0.0, "no area at all: 0, not a division by zero"),
        ([8, 8, 2, 2], UNIT, 0.0, "inverted"),
        ([0, 0, 1e8, 1e8], [0, 0, 1e8, 5e7], 0.5, "huge: float32 would do, and nothing overflows"),
        ([-10, -10, 0, 0], [-10, -10, 0, 0], 1.0, "negative coordinates"),
    ],
)
def test_iou_of_one_pair(a, b, expected, reason):
    assert elementwise_iou(a, b) == pytest.approx(expected), reason
    assert pairwise_iou([a], [b]).item() == pytest.approx(expected), reason


@pytest.mark.parametrize("plus_one", [False, True])
def test_iou_agrees_with_a_naive_loop(plus_one):
    rng = np.random.default_rng(0)
    corners, sides = rng.uniform(0, 50, (2, 7, 2)), rng.uniform(1, 50, (2, 7, 2))
    first, second = np.concatenate([corners, corners + sides], axis=-1)
    expected = [[naive_iou(a, b, plus_one) for b in second] for a in first]
    assert np.allclose(pairwise_iou(first, second, plus_one), expected)
    assert np.allclose(elementwise_iou(first, second, plus_one), np.diag(expected))


def test_iou_with_no_boxes_keeps_the_shape():
    assert pairwise_iou([], [UNIT, UNIT]).shape == (0, 2)
    assert pairwise_iou([UNIT], []).shape == (1, 0)
    assert elementwise_iou([], []).shape == (0,)


def test_layouts_round_trip():
    boxes = np.random.default_rng(1).uniform(-5, 100, (2, 3, 4))
    assert np.allclose(xyxy_to_xywh(xywh_to_xyxy(boxes)), boxes)
    assert xywh_to_xyxy(np.array([[1, 2, 3, 4]], dtype=np.int32)).tolist() == [[1, 2, 4, 6]]


@pytest.mark.parametrize(
    ("box", "min_size", "expected", "reason"),
    [
        ([1, 2, 3, 4], 0, [1, 2, 3, 4], "inside: untouched"),
        ([-5, -5, 700, 400], 0, [0, 0, 640, 360], "around the image: the image"),
        ([650, 10, 700, 20], 0, [640, 10, 640, 20], "outside without a least size: no area"),
        ([650, 10, 700, 20], 1, [639, 10, 640, 20], "outside with one: a strip at the border"),
        ([-9, -9, -2, -2], 2, [0, 0, 2, 2], "the other corner"),
        ([5, 5, 5.2, 9], 1, [5, 5, 6, 9], "too narrow: widened"),
    ],
)
def test_clip_boxes(box, min_size, expected, reason):
    assert clip_boxes(box, 640, 360, min_size).tolist() == expected, reason


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: xywh_to_xyxy([[1, 2, 3]]), r"boxes_xywh: expected shape \(\.\.\., 4\), got \(1, 3\)"),
        (lambda: box_area(5), r"boxes_xyxy: expected shape"),
        (lambda: pairwise_iou([0, 0, 1, 1], [[0, 0, 1, 1]]), r"expected shapes \(N, 4\) and \(M, 4\), got \(4,\)"),
        (lambda: clip_boxes([0, 0, 1, 1], 10, 5, min_size=6), "min_size: expected 0 to 5"),
    ],
)
def test_wrong_arrays_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
